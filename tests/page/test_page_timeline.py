"""The timeline: thousands of steps, what a step's drawer tells, and looking back on a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from page_world import Record, Site, begin, end, open_page, rows, step
from playwright.sync_api import Page, expect

LONG = "20261120-101500-longer"
SHORT = "20261120-101500-shorty"
STEPS = 2000  # of five events each


def record(place: Site, run_id: str, records: list[Record]) -> None:
    with place.store() as store:
        store.append_many(run_id, records)


def steps(count: int) -> list[Record]:
    return [one for n in range(1, count + 1) for one in step(n, by="policy" if n % 3 == 0 else "llm", text=f"line {n}")]


@pytest.fixture
def long_run(site: Any, tmp_path: Path) -> Site:
    place: Site = site()
    record(
        place, LONG, [*begin("Go through all files", tmp_path, ["Read the files"]), *steps(STEPS), *end(LONG, STEPS)]
    )
    return place


@pytest.fixture
def short_run(site: Any, tmp_path: Path) -> Site:
    place: Site = site()
    records = [*begin("Go through the files", tmp_path, ["Read the files", "Sum them up"]), *steps(3)]
    records += [*step(4, result="error"), *end(SHORT, 4)]
    record(place, SHORT, records)
    return place


def first_visible(page: Page) -> int:
    """The position of the first row in view."""
    return page.evaluate(
        """() => {
            const top = document.querySelector(".scroller").getBoundingClientRect().top;
            const slots = [...document.querySelectorAll(".slot")].filter((s) => s.getBoundingClientRect().bottom > top + 1);
            return Math.min(...slots.map((s) => Number(s.getAttribute("aria-posinset"))));
        }"""
    )


def test_ten_thousand_events_stay_a_handful_of_elements(long_run: Site, contexts: Any) -> None:
    page = open_page(contexts(), long_run, f"#/runs/{LONG}/steps")
    expect(page.locator(".row-button.finished")).to_be_visible()
    with long_run.store() as store:
        assert store.run(LONG).steps == STEPS
        assert sum(1 for _ in store.events(LONG)) > 10_000
    everything = STEPS + 4  # the plan, its subtask, the verdict, the end

    def bounded() -> None:
        assert page.locator(".slot").count() < 60
        assert page.evaluate("document.querySelectorAll('*').length") < 1500

    bounded()
    assert page.locator(".slot").last.get_attribute("aria-setsize") == str(everything)
    row = page.evaluate("parseFloat(getComputedStyle(document.querySelector('.scroller')).getPropertyValue('--row'))")
    assert page.evaluate("document.querySelector('.rows').offsetHeight") == row * everything

    for at in (0, 700, 1999, 31):
        page.evaluate("(top) => { document.querySelector('.scroller').scrollTop = top; }", at * row)
        expect(page.locator(f'.slot[aria-posinset="{at + 3}"]')).to_be_attached()
        bounded()
        shown = page.locator(f'.slot[aria-posinset="{at + 3}"]')  # after the plan and the subtask
        expect(shown).to_contain_text(f"file-{at + 1}.txt")
    assert first_visible(page) == 32


def test_rows_are_gone_through_by_keys(long_run: Site, contexts: Any) -> None:
    page = open_page(contexts(), long_run, f"#/runs/{LONG}/steps")
    expect(page.locator(".row-button.finished")).to_be_visible()
    page.locator(".row-button.finished").focus()

    def focused() -> str:
        return page.evaluate("document.activeElement.closest('.slot')?.getAttribute('aria-posinset')")

    page.keyboard.press("Home")
    assert focused() == "1"
    for key, at in (("ArrowDown", "2"), ("ArrowDown", "3"), ("ArrowUp", "2"), ("End", str(STEPS + 4))):
        page.keyboard.press(key)
        assert focused() == at
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.evaluate("document.querySelector('.scroller').scrollTop = 50000")
    expect(page.locator('.slot[aria-posinset="1140"]')).to_be_attached()
    assert focused() == "3"  # scrolling takes the focus from nobody
    assert page.locator('.slot [tabindex="0"]').count() == 1
    page.keyboard.press("Enter")
    expect(page.locator("#drawer-title")).to_have_text("Step 1")
    expect(page.locator("#drawer-title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".drawer")).to_have_count(0)
    assert focused() == "3"


def test_new_steps_are_followed_unless_one_looks_back(site: Any, contexts: Any, tmp_path: Path) -> None:
    place = site()
    record(place, LONG, [*begin("Go through all files", tmp_path, ["Read the files"]), *steps(60)])
    page = open_page(contexts(), place, f"#/runs/{LONG}/steps")
    expect(page.locator(".row-number", has_text="60")).to_be_visible()
    record(place, LONG, step(61))
    expect(page.locator(".row-number", has_text="61")).to_be_visible()
    expect(page.get_by_role("button", name="Latest", exact=True)).to_be_hidden()

    page.evaluate("document.querySelector('.scroller').scrollTop = 0")
    expect(page.get_by_role("button", name="Latest", exact=True)).to_be_visible()
    record(place, LONG, step(62))
    expect(page.locator(".run-facts")).to_contain_text("62 steps")
    assert first_visible(page) == 1
    page.get_by_role("button", name="Latest", exact=True).click()
    expect(page.locator(".row-number", has_text="62")).to_be_visible()


def test_the_drawer_tells_why(short_run: Site, contexts: Any) -> None:
    page = open_page(contexts(), short_run, f"#/runs/{SHORT}/steps")
    expect(page.locator(".row-button.finished")).to_be_visible()
    told = rows(page)
    assert [("policy" in row, "no model" in row) for row in told if row.startswith("step ")][2] == (True, False)
    page.locator(".row-button.step").nth(2).click()
    drawer = page.locator(".drawer")
    expect(drawer).to_contain_text("The policy decided")
    expect(drawer).to_contain_text("policy v2")
    expect(drawer).to_contain_text("V(s) +0.31")
    names = drawer.locator(".candidates .candidate-text").all_inner_texts()
    assert [name.split()[0] for name in names] == ["read_file", "list_files", "finish"]
    assert drawer.locator(".candidate.chosen .bar-value").all_inner_texts() == ["70%", "60%", "+0.42"]
    widths = drawer.locator(".candidate.chosen .bar-fill").evaluate_all("all => all.map((one) => one.style.width)")
    assert widths == ["70%", "60%", "50%"]
    assert drawer.locator(".candidate.masked .bar-value").all_inner_texts()[:2] == ["0%", "not allowed"]
    expect(drawer.locator(".code").filter(has_text="line 3")).to_be_visible()

    drawer.get_by_role("button", name="Next", exact=True).click()
    expect(drawer.locator("#drawer-title")).to_have_text("Step 4")
    expect(drawer).to_contain_text("There is no such file.")
    drawer.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator(".plan")).to_be_visible()


def test_on_a_phone_the_drawer_lies_over_the_rest(short_run: Site, contexts: Any) -> None:
    page = open_page(contexts(viewport={"width": 390, "height": 844}), short_run, f"#/runs/{SHORT}/steps")
    page.locator(".row-button.step").first.click()
    expect(page.locator("#drawer-title")).to_be_focused()
    for _ in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || document.activeElement.closest('.run-aside') !== null"
        )
    page.locator("#drawer-title").focus()
    page.keyboard.press("Escape")
    expect(page.locator(".row-button.step").first).to_be_focused()
    assert page.locator("[inert]").count() == 0


def test_on_a_phone_a_file_that_the_drawer_names_is_shown(site: Any, contexts: Any, tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("# A note\n", "utf-8")
    place = site()
    written = {"path": "note.md", "bytes": 9, "media_type": "text/markdown", "sha256": ""}
    records = [
        *begin("Write a note", tmp_path, ["Write it"]),
        *step(1),
        ("artifact.written", written, 1),
        *end(SHORT, 1),
    ]
    record(place, SHORT, records)
    page = open_page(contexts(viewport={"width": 390, "height": 844}), place, f"#/runs/{SHORT}/steps")
    page.locator(".row-button.step").first.click()
    page.locator(".drawer").get_by_role("link", name="note.md", exact=True).click()
    expect(page.locator(".preview .markdown h3")).to_have_text("A note")
    expect(page.locator(".drawer")).to_have_count(0)
    assert page.locator("[inert]").count() == 0


def test_a_run_is_looked_back_on_step_by_step(short_run: Site, contexts: Any) -> None:
    page = open_page(contexts(), short_run, f"#/runs/{SHORT}/steps")
    expect(page.locator(".row-button.finished")).to_be_visible()
    whole = rows(page)
    page.get_by_role("button", name="Replay", exact=True).click()
    slider = page.get_by_role("slider", name="Moment of the run", exact=True)
    expect(slider).to_be_focused()
    expect(page.locator(".row-button")).to_have_count(1)  # the plan
    expect(page.locator(".plan-tree li.is-pending")).to_have_count(2)
    page.get_by_role("button", name="One moment on", exact=True).click()
    expect(page.locator(".row-button.step")).to_have_count(1)
    assert slider.get_attribute("aria-valuetext") == "Step 1: read_file"
    expect(page.locator(".plan-tree li.is-active")).to_have_count(1)
    slider.press("End")
    expect(page.locator(".row-button.finished")).to_be_visible()
    assert rows(page) == whole
    slider.press("Home")
    expect(page.locator(".row-button.step")).to_have_count(0)
    page.get_by_role("button", name="1× speed", exact=True).click()
    page.get_by_role("button", name="4× speed", exact=True).click()
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.locator(".row-button.finished")).to_be_visible()
    page.get_by_role("button", name="End the replay", exact=True).click()
    expect(slider).to_have_count(0)
    assert rows(page) == whole


def test_a_step_has_an_address(short_run: Site, contexts: Any) -> None:
    page = open_page(contexts(), short_run, f"#/runs/{SHORT}/steps/2")
    expect(page.locator("#drawer-title")).to_have_text("Step 2")


def test_an_unknown_run_is_said_to_be_unknown(site: Any, contexts: Any) -> None:
    page = open_page(contexts(), site(), "#/runs/20200101-000000-nobody")
    expect(page.get_by_text("There is no such run")).to_be_visible()


def test_runs_are_searched_and_sifted(short_run: Site, contexts: Any, tmp_path: Path) -> None:
    record(short_run, LONG, [*begin("整理发票", tmp_path, ["Read"]), *steps(1), *end(LONG, 1, "unmet")])
    page = open_page(contexts(), short_run)
    expect(page.locator(".run-item")).to_have_count(2)
    page.get_by_role("searchbox").fill("发票")
    expect(page.locator(".run-item-goal")).to_have_text(["整理发票"])
    page.get_by_role("searchbox").fill("nothing like it")
    expect(page.get_by_text("Nothing fits the search")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    page.get_by_label("Status", exact=True).select_option("met")
    expect(page.locator(".run-item-goal")).to_have_text(["Go through the files"])
