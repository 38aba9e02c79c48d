"""Open to everyone: axe finds nothing in any view, in light and dark, in both languages; and nothing reaches beyond the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_world import FINISH, act, subtask
from axe_playwright_python.sync_playwright import Axe
from page_world import Site, begin, end, hand_in, open_page, step
from playwright.sync_api import Page, expect

RUN = "20261120-101500-abcdef"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]
SETTLED = """() => document.getAnimations().forEach((one) => one.effect.getTiming().iterations === Infinity || one.finish())"""
PHONE = {"width": 390, "height": 844}
ON_PHONE = {
    f"#/runs/{RUN}": ".outcome",
    f"#/runs/{RUN}/steps": ".row-button.finished",
    f"#/runs/{RUN}/steps/2": "#drawer-title",
    "#/learning": ".chart >> nth=0",
}


def violations(page: Page) -> list[str]:
    """What axe finds in the light, and in the dark, where only the colours differ; a line an element."""
    found = []
    for scheme, only in (("light", {"type": "tag", "values": RULES}), ("dark", {"type": "rule", "values": COLOURS})):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.evaluate(SETTLED)
        said = Axe().run(page, options={"runOnly": only, "resultTypes": ["violations"]}).response["violations"]
        found += [
            f"{scheme} {one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for one in said
            for node in one["nodes"]
        ]
    return found


def a_run(place: Site, workspace: Path) -> None:
    files = {
        "note.md": "# A note\n\nWith a [link](https://example.org), `code`, and\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        "rows.csv": "a,b\n1,2\n",
    }
    workspace.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (workspace / name).write_text(text, "utf-8")
    records = [
        *begin("Go through the files 文件", workspace, ["Read the files", "Sum them up"]),
        *step(1),
        *step(2, by="policy"),
        *step(3, by="person", result="error"),
    ]
    with place.store() as store:
        store.append_many(RUN, records)
        for name, text in files.items():
            store.append(
                RUN,
                "artifact.written",
                {"path": name, "bytes": len(text), "media_type": "text/plain", "sha256": ""},
                step=3,
            )
        store.append(RUN, "loop.found", {"length": 2, "action": {"tool": "read_file"}}, step=3)
        store.append_many(RUN, end(RUN, 3))
        store.add_note("Amounts are in euros.", scope="user")


VIEWS: dict[str, Callable[[Page], None]] = {
    "#/": lambda page: page.locator(".options > summary").click(),
    f"#/runs/{RUN}": lambda page: expect(page.locator(".outcome")).to_be_visible(),
    f"#/runs/{RUN}/steps/2": lambda page: page.locator(".drawer details > summary").last.click(),
    f"#/runs/{RUN}/files/note.md": lambda page: expect(page.locator(".markdown, .problem").first).to_be_visible(),
    f"#/runs/{RUN}/files/rows.csv": lambda page: expect(page.locator(".preview table, .problem").first).to_be_visible(),
    f"#/runs/{RUN}/changes": lambda page: expect(
        page.locator(".change, .problem, .changes .empty").first
    ).to_be_visible(),
    f"#/runs/{RUN}/chat": lambda page: expect(page.locator(".chat .empty")).to_be_visible(),
    f"#/runs/{RUN}/compare": lambda page: expect(page.locator(".compare > :not(.skeleton)").first).to_be_visible(),
    "#/learning": lambda page: expect(page.locator(".policies > div > :not(.skeleton)").first).to_be_visible(),
    "#/schedules": lambda page: expect(page.locator(".schedule-form")).to_be_visible(),
    "#/notes": lambda page: expect(page.locator(".list-card, .problem").first).to_be_visible(),
    "#/runs/20200101-000000-nobody": lambda page: expect(page.locator(".run .empty").first).to_be_visible(),
}


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_axe_finds_nothing(site: Any, contexts: Any, tmp_path: Path, language: str) -> None:
    place = site()
    a_run(place, tmp_path / "home" / "workspaces" / "work")
    page = open_page(contexts(locale=language), place)
    assert page.evaluate("document.documentElement.lang") == ("en" if language == "en-US" else "zh-CN")
    found = {}
    for view, ready in VIEWS.items():
        page.goto(f"{place.url}/{view}")
        ready(page)
        found[view] = violations(page)
    page.set_viewport_size(PHONE)
    for view in ("#/", f"#/runs/{RUN}", f"#/runs/{RUN}/steps", f"#/runs/{RUN}/steps/2", "#/learning"):
        page.goto(f"{place.url}/{view}")
        page.reload()  # what is seen is this view's
        expect(page.locator(ON_PHONE.get(view, "h1"))).to_be_visible()
        found[f"{view} on a phone"] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert {view: problems for view, problems in found.items() if problems} == {}


def test_axe_finds_nothing_while_it_asks_and_when_empty(site: Any, contexts: Any) -> None:
    place = site(
        settings={"approve": "ask"},
        plan=[subtask("Write the report", "write", "report.md")],
        actions=[act("write_file", path="report.md"), FINISH],
        texts=["# Report\n"],
    )
    page = open_page(contexts(), place)
    assert violations(page) == []
    hand_in(page, "Write a report")
    expect(page.get_by_role("region", name="May write_file run?", exact=True)).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("e")
    expect(page.get_by_role("button", name="Allow as changed", exact=True)).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []


def test_colours_and_language_are_chosen_and_kept(site: Any, contexts: Any) -> None:
    page = open_page(contexts(color_scheme="light"), site())

    def background() -> str:
        return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    light = background()
    page.get_by_role("button", name="Colours: as the system", exact=True).click()
    page.get_by_role("button", name="Colours: light", exact=True).click()
    expect(page.get_by_role("button", name="Colours: dark", exact=True)).to_be_focused()
    dark = background()
    assert dark != light
    page.get_by_role("button", name="中文", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("想做什么？")
    expect(page.get_by_role("button", name="English", exact=True)).to_be_focused()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("想做什么？")
    assert background() == dark
    assert page.evaluate("document.documentElement.lang") == "zh-CN"


def test_only_its_own_scripts_and_styles_can_run(site: Any, contexts: Any) -> None:
    place = site()
    context = contexts()
    page = context.new_page()
    answer = page.goto(place.home)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    expect(page.locator(".connection.is-live")).to_be_attached()
    source = answer.text()
    assert "<style" not in source
    assert "onclick" not in source
    with page.expect_console_message(
        lambda said: "Content Security Policy" in said.text
    ):  # so that it is forgiven below
        blocked = page.evaluate(
            """() => new Promise((resolve) => {
            document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective), {once: true});
            const script = document.createElement("script");
            script.textContent = "window.foreign = true";
            document.head.append(script);
            setTimeout(() => resolve("nothing"), 30000);
        })"""
        )
    assert (blocked, page.evaluate("window.foreign")) == ("script-src-elem", None)
    context.forgive()
