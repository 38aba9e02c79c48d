"""What can be done with a run that ended: its files, its changes and the way back, ratings, labels, questions; and what comes again."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agent_world import FINISH, act, subtask
from page_world import PlayedChat, Record, Site, begin, end, ended, hand_in, open_page, step, toasted
from playwright.sync_api import Page, expect
from version_world import policy, record_run

from wornpath.policy.registry import Registry

DONE = "not verified"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
FILES = {
    "table.csv": 'name,amount\n"Anna, B.",1.5\n李四,20\n'.encode(),
    "data.json": b'{"b":[1,2],"a":"<b>x</b>"}',
    "plain.txt": b"one\r\ntwo <script>alert(1)</script>\n",
    "picture.png": PIXEL,
    "sub/deep.md": "# 深\n\n- a **b**\n".encode(),
    "blob.bin": b"\x00\x01",
}


def workspace(site: Site, run_id: str) -> Path:
    return site.root / "workspaces" / run_id


@pytest.fixture
def done(site: Any, contexts: Any) -> tuple[Site, Page, str]:
    """A run that changed a file of the person's, made one, and has ended."""
    place = site(
        plan=[subtask("Write the report", "write", "report.md")],
        actions=[act("write_file", path="report.md"), FINISH],
        texts=["# Report\n\nThe total is 340.\n"],
    )
    page = open_page(contexts(), place)
    page.locator("input[type=file]").set_input_files(
        [{"name": "report.md", "mimeType": "text/markdown", "buffer": b"# Report\n\nTo do.\n"}]
    )
    run_id = hand_in(page, "Write a report")
    ended(page, DONE)
    return place, page, run_id


def test_files_are_shown_as_what_they_are(done: Any) -> None:
    place, page, run_id = done
    for name, data in FILES.items():
        file = workspace(place, run_id) / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
    page.locator(".artifact-chip", has_text="report.md").click()
    preview = page.locator(".preview")
    expect(preview.locator(".markdown h3")).to_have_text("Report")

    def show(name: str) -> None:
        page.locator(".file-list").get_by_text(name, exact=True).click()
        expect(preview.locator(".preview-name")).to_contain_text(name)

    show("table.csv")
    expect(preview.locator("td")).to_have_text(["Anna, B.", "1.5", "李四", "20"])
    expect(preview.locator("td.number")).to_have_count(2)
    show("data.json")
    expect(preview.locator("pre")).to_contain_text('"a": "<b>x</b>"')
    show("plain.txt")
    expect(preview.locator("pre")).to_have_text("one\ntwo <script>alert(1)</script>\n")
    show("picture.png")
    expect(preview.locator("img")).to_have_js_property("naturalWidth", 1)
    show("blob.bin")
    expect(preview).to_contain_text("No preview of this type")
    page.locator(".file-list").get_by_text("sub", exact=True).click()
    page.locator(".file-list").get_by_text("deep.md", exact=True).click()
    expect(preview.locator("li strong")).to_have_text("b")
    with page.expect_download() as download:
        preview.get_by_role("link", name="Download", exact=True).click()
    assert Path(download.value.path()).read_bytes() == FILES["sub/deep.md"]


def test_changes_are_shown_and_taken_back(done: Any) -> None:
    place, page, run_id = done
    page.get_by_role("link", name="Changes", exact=True).click()
    change = page.locator(".change")
    expect(change.locator(".change-path")).to_have_text("report.md")
    expect(change.locator(".diff-line.removed .diff-text")).to_have_text(["To do."])
    expect(change.locator(".diff-line.added .diff-text")).to_have_text(["The total is 340."])
    page.get_by_role("button", name="Undo the run", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Undo the run", exact=True).click()
    toasted(page, "1 file is as it was")
    assert (workspace(place, run_id) / "report.md").read_bytes() == b"# Report\n\nTo do.\n"


def test_what_changed_since_is_left_alone_and_named(done: Any) -> None:
    place, page, run_id = done
    file = workspace(place, run_id) / "report.md"
    file.write_text("My own words.\n", "utf-8")
    page.get_by_role("link", name="Changes", exact=True).click()
    page.get_by_role("button", name="Undo the run", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Undo the run", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="left as they are")).to_contain_text("report.md")
    assert file.read_text("utf-8") == "My own words.\n"


def test_a_run_is_rated_and_the_rating_taken_back(done: Any) -> None:
    place, page, run_id = done
    good, bad = (page.get_by_role("button", name=word, exact=True) for word in ("Good", "Bad"))

    def rating() -> str | None:
        with place.store() as store:
            return store.run(run_id).rating

    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".run-item-rating")).to_have_attribute("title", "rated good")
    assert rating() == "good"
    said = page.locator(".row-button.kind-person")
    expect(said).to_have_count(1)  # its event has come, and will not press the button later
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(good).to_have_attribute("aria-pressed", "false")
    assert rating() == "bad"
    expect(said).to_have_count(2)
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".run-item-rating")).to_have_count(0)
    assert rating() is None


def test_a_person_says_what_they_would_have_done(done: Any) -> None:
    place, page, run_id = done
    page.get_by_role("link", name="Steps", exact=True).click()
    page.locator(".row-button.step").first.click()
    page.get_by_text("I would have done something else").click()
    send = page.get_by_role("button", name="Record it", exact=True)
    send.click()
    expect(page.get_by_role("alert").filter(has_text="Choose an action first.")).to_be_visible()
    page.get_by_label("something else", exact=True).check()
    page.get_by_label("Tool", exact=True).fill("read_file")
    page.get_by_label("Arguments (JSON)").fill("{")
    send.click()
    expect(page.get_by_role("alert").filter(has_text="is not valid JSON")).to_be_visible()
    page.get_by_label("Arguments (JSON)").fill('{"path": "report.md"}')
    page.get_by_label("Comment").fill("Look first")
    send.click()
    expect(page.locator(".row-button.kind-person")).to_be_visible()
    with place.store() as store:
        said = list(store.events(run_id, types=("person.said",)))
    assert [event.data["kind"] for event in said] == ["label"]
    assert "Look first" in str(said[0].data)


def test_one_talks_about_a_run(site: Any, contexts: Any, tmp_path: Path) -> None:
    from agent_world import Brain

    chat = PlayedChat(Brain(texts=["I wrote **report.md**."]))
    place = site(chat=chat)
    run = "20261120-101500-abcdef"
    with place.store() as store:
        store.append_many(run, [*begin("Write a report", tmp_path, ["Write it"]), *step(1), *end(run, 1)])
    page = open_page(contexts(), place, f"#/runs/{run}/chat")
    chat.hold()
    page.get_by_role("textbox", name="Ask about this run", exact=True).fill("What did you do?")
    page.keyboard.press("Enter")
    answer = page.locator(".bubble.model")
    expect(answer.locator("strong")).to_have_text("report.md")  # streamed, while the model holds
    page.get_by_role("link", name="Files", exact=True).click()
    page.get_by_role("link", name="Chat", exact=True).click()
    expect(answer.locator("strong")).to_have_text("report.md")  # and still there for who comes back
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    chat.let_go()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    expect(page.locator(".bubble")).to_have_text(["You: What did you do?", "Wornpath: I wrote report.md."])
    page.get_by_role("link", name="Files", exact=True).click()
    page.get_by_role("link", name="Chat", exact=True).click()
    expect(page.locator(".bubble")).to_have_count(2)


def test_goals_are_scheduled_and_removed(site: Any, contexts: Any) -> None:
    page = open_page(contexts(), site(), "#/schedules")
    expect(page.get_by_text("Nothing is scheduled")).to_be_visible()
    page.get_by_label("Goal", exact=True).fill("Sum the invoices")
    page.get_by_label("When", exact=True).fill("every now and then")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="every now and then")).to_be_visible()
    page.get_by_role("button", name="Mondays at 8", exact=True).click()
    page.get_by_role("button", name="Add", exact=True).click()
    card = page.locator(".list-card")
    expect(card).to_contain_text("Sum the invoices")
    expect(card).to_contain_text("0 8 * * 1")
    card.get_by_role("button", name="Remove this schedule", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("Nothing is scheduled")).to_be_visible()


def test_a_schedule_tells_of_its_last_run_and_what_went_wrong(site: Any, contexts: Any) -> None:
    place = site()
    schedules = place.service.schedules
    one = schedules.add("0 8 1 1 *", "Sum the invoices")
    schedules.put(replace(one, last_run="20261120-101500-abcdef", last_time=1.0, problem="There is no model."))
    page = open_page(contexts(), place, "#/schedules")
    card = page.locator(".list-card")
    expect(card).to_contain_text("There is no model.")
    expect(card.get_by_role("link")).to_have_attribute("href", "#/runs/20261120-101500-abcdef")


def test_notes_are_seen_and_forgotten(site: Any, contexts: Any) -> None:
    place = site()
    with place.store() as store:
        store.add_note("Amounts are in euros.", scope="user")
    page = open_page(contexts(), place, "#/notes")
    card = page.locator(".list-card")
    expect(card).to_contain_text("Amounts are in euros.")
    card.get_by_role("button", name="Forget this", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Forget", exact=True).click()
    expect(page.get_by_text("Nothing is remembered yet")).to_be_visible()
    with place.store() as store:
        assert store.notes(everything=True) == []


def test_a_long_note_is_cut_until_it_is_asked_for(site: Any, contexts: Any) -> None:
    place, long = site(), "Amounts are in euros. " * 60 + "The end."
    with place.store() as store:
        store.add_note(long, scope="user")
    page = open_page(contexts(), place, "#/notes")
    card = page.locator(".list-card")
    expect(card).to_contain_text("Amounts are in euros.")
    expect(card).not_to_contain_text("The end.")
    card.get_by_role("button", name="Show all of it", exact=True).click()
    expect(card).to_contain_text("The end.")


def test_the_line_of_a_run_in_the_list_is_whole(site: Any, contexts: Any, tmp_path: Path) -> None:
    asked = {
        "id": "q",
        "kind": "question",
        "action": {"tool": "ask_person", "arguments": {}},
        "risk": "read",
        "reason": "Which?",
    }
    steps = [record for number in range(1, 13) for record in step(number)]
    place = site()
    with place.store() as store:
        over = [("approval.requested", asked, 12), *end("r1", 12, "needs_person")[2:]]
        store.append_many("r1", [*begin("Read it", tmp_path, ["Read it"]), *steps, *over])
    page = open_page(contexts(viewport={"width": 1280, "height": 850}), place)
    line = page.locator(".run-item-meta")
    expect(line).to_contain_text("waits for you")
    expect(line).to_contain_text("5.2k tok")
    assert line.evaluate("(it) => it.scrollWidth <= it.clientWidth")


def test_curves_are_drawn_from_the_runs(site: Any, contexts: Any, tmp_path: Path) -> None:
    place = site()
    for n in range(12):
        run, status = f"20261120-10{n:02}00-abcdef", "unmet" if n % 4 == 0 else "met"
        records: list[Record] = [*begin("Sum the invoices", tmp_path, ["Sum"]), *step(1), *end(run, 1, status)]
        with place.store() as store:
            store.append_many(run, records)
    page = open_page(contexts(), place, "#/learning")
    expect(page.locator(".chart")).to_have_count(2)
    success, tokens = page.locator(".chart").all()
    assert "12 runs in all" in str(success.get_attribute("aria-label"))
    assert tokens.locator(".dot").count() == 12
    assert tokens.locator(".dot.unmet").count() == 3
    points = str(success.locator(".curve").get_attribute("points")).split()
    assert len(points) == 12
    expect(page.locator(".figures")).to_contain_text("75%")
    page.get_by_text("As a table").click()
    expect(page.locator(".curve-table tbody tr")).to_have_count(12)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(tokens.locator(".dot")).to_have_count(12)
    expect(page.locator(".curve-table tbody tr")).to_have_count(12)  # drawn anew for the width, and still open
    assert page.evaluate("document.querySelector('.body').scrollWidth") <= 390
    expect(page.get_by_text("No policy has been learnt yet")).to_be_visible()


def test_policies_are_promoted_rolled_back_and_compared(site: Any, contexts: Any) -> None:
    place = site()
    run = "20261120-101500-abcdef"
    with place.store() as store:
        registry = Registry.of(store)
        for seed in (1, 2):
            registry.add(
                policy(seed),
                {"algorithm": "dqn", "episodes": 30 * seed, "metrics": {"success": 0.7}},
                why=f"learnt {seed}",
            )
        for n in range(3):
            record_run(store, f"20261120-09150{n}-abcdef")
        record_run(store, run, version="v1", taken=(0, 1))
    page = open_page(contexts(), place, "#/learning")
    first = page.locator(".policy-item", has_text="learnt 1")
    expect(first).to_contain_text("DQN · 30 episodes")
    first.get_by_role("button", name="Promote", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Promote", exact=True).click()
    expect(page.locator(".current-policy strong")).to_have_text("v1")
    with place.store() as store:
        assert Registry.of(store).current == "v1"

    page.goto(f"{place.url}/#/runs/{run}/compare")
    expect(page.locator(".compare-step")).to_have_count(2)
    page.get_by_label("First policy").select_option("v2")
    page.get_by_label("Second policy").select_option("prior")
    top = (
        page.locator(".compare-step")
        .first.locator(".compare-line", has_text="orders.csv")
        .locator(".bar.policy .bar-value")
    )
    expect(top).to_contain_text("59%")  # 0.9 of the model's 0.6, and 0.1 shared among two
    expect(page.locator(".compare-step").first.locator(".tag", has_text="taken")).to_have_count(1)

    page.goto(f"{place.url}/#/runs/{run}/steps/1")
    expect(page.locator(".candidate.chosen")).to_contain_text("Done in 3 runs before, mean return +0.9")
    expect(page.locator(".evidence li")).to_have_count(3)

    page.goto(f"{place.url}/#/learning")
    page.get_by_role("button", name="Roll back", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back", exact=True).click()
    expect(page.locator(".current-policy strong")).to_have_text("prior")
    with place.store() as store:
        assert Registry.of(store).current == "prior"


def test_a_run_is_deleted(done: Any) -> None:
    place, page, _ = done
    page.get_by_role("button", name="Delete this run", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete this run", exact=True).click()
    page.wait_for_url("**/#/")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    with place.store() as store:
        assert store.runs() == []
