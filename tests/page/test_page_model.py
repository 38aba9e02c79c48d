"""A goal handed in on the page and done by the real 1.5B embedded model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from page_world import hand_in, open_page
from playwright.sync_api import expect

from wornpath.llm.embedded import EmbeddedChat

sys.path.append(str(Path(__file__).parents[2] / "examples"))
import families

pytestmark = [pytest.mark.model, pytest.mark.slow]
PATIENCE = 15 * 60_000  # milliseconds: the model has two slow cores at worst


def test_invoices_are_added_up_while_one_watches(site: Any, contexts: Any, model_path: Path, tmp_path: Path) -> None:
    task = families.invoices(10)
    folder = tmp_path / "home" / "workspaces" / "orders"
    task.write(folder)
    page = open_page(contexts(), site(chat=EmbeddedChat(model_path, seed=0)))
    page.locator(".options > summary").click()
    page.get_by_label("Folder").fill("orders")
    page.get_by_label("Checks").fill("\n".join(task.checks))
    hand_in(page, task.goal)
    expect(page.locator(".plan-tree li").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".writing pre")).to_be_visible(timeout=PATIENCE)  # a program, as it is written
    expect(page.locator(".run-head .chip")).to_have_text("goal met", timeout=PATIENCE)
    made = page.locator(".artifact-chip").first
    expect(made).to_contain_text(".csv")
    made.click()
    expect(page.locator(".preview table tbody tr").first).to_be_visible()
