"""Goals handed in on the page, watched, approved, denied, reloaded and shared, on a real server and a model that the test plays."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from agent_world import FINISH, act, subtask
from page_world import PATIENCE, TOKEN, Site, chip, ended, hand_in, open_page, rows
from playwright.sync_api import expect

ASK = {"approve": "ask"}
REPORT = "# Report\n\nAll is **well**, <img src=x onerror=alert(1)> and so on.\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n"
WRITING: dict[str, Any] = {
    "plan": [subtask("Write the report", "write", "report.md")],
    "actions": [act("write_file", path="report.md"), FINISH],
    "texts": [REPORT],
}
DONE = "not verified"  # a run without checks, as its model judges it
WAITS = "May write_file run?"


def workspace(site: Site, run_id: str) -> Path:
    return site.root / "workspaces" / run_id


def test_a_goal_is_handed_in_and_seen_to_its_end(site: Any, contexts: Any) -> None:
    place = site(**WRITING)
    page = open_page(contexts(), place)
    assert "token" not in page.url  # the cookie has it now; what is in the address bar can be shown
    assert [c["httpOnly"] for c in page.context.cookies()] == [True]
    assert "token" not in page.evaluate("document.cookie")
    expect(page.get_by_text("No runs yet")).to_be_visible()

    run_id = hand_in(page, "Write a report on this folder")
    ended(page, DONE)
    expect(page.locator(".plan-tree li")).to_have_attribute("class", "subtask is-done")
    told = rows(page)
    assert told[0].startswith("Plan with 1 subtask")
    assert any("write_file" in row and "report.md" in row and "ok" in row and "model" in row for row in told)
    assert told[-1] == f"Finished {DONE}"
    item = page.locator(".run-item")
    expect(item).to_have_attribute("aria-current", "page")
    expect(item.locator(".status-icon")).to_have_attribute("aria-label", DONE)
    assert (workspace(place, run_id) / "report.md").read_text("utf-8") == REPORT


def test_an_empty_goal_is_not_handed_in(site: Any, contexts: Any) -> None:
    page = open_page(contexts(), site())
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="Say in a sentence")).to_be_visible()
    assert "runs/" not in page.url


def test_what_the_server_refuses_is_said_and_nothing_is_lost(site: Any, contexts: Any) -> None:
    page = open_page(contexts(), site())
    page.locator(".options > summary").click()
    page.get_by_label("Folder", exact=True).fill("/etc")
    page.get_by_role("textbox", name="Goal", exact=True).fill("Tidy this folder")
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="/etc")).to_be_visible()
    expect(page.get_by_role("textbox", name="Goal", exact=True)).to_have_value("Tidy this folder")
    page.reload()
    expect(page.get_by_role("textbox", name="Goal", exact=True)).to_have_value("Tidy this folder")


def test_files_dropped_on_the_page_are_in_the_workspace(site: Any, contexts: Any) -> None:
    place = site(**WRITING)
    page = open_page(contexts(), place)
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["customer,total\\nAnna,3\\n"], "orders 一.csv", {type: "text/csv"}));
            for (const type of ["dragover", "drop"])
                document.querySelector(".home").dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
        }"""
    )
    expect(page.locator(".file-chip")).to_contain_text("orders 一.csv")
    run_id = hand_in(page, "Write a report on the orders")
    chip(page, DONE)
    assert (workspace(place, run_id) / "orders 一.csv").read_text("utf-8") == "customer,total\nAnna,3\n"


def test_options_are_those_of_the_run(site: Any, contexts: Any) -> None:
    place = site(**WRITING)
    page = open_page(contexts(), place)
    page.locator(".options > summary").click()
    page.get_by_label("Checks", exact=True).fill("test -s report.md\ngrep -q well report.md")
    page.get_by_label("Ask before", exact=True).select_option("never")
    page.get_by_label("Steps", exact=True).fill("7")
    page.get_by_label("Learn from this run").uncheck()
    run_id = hand_in(page, "Write a report")
    chip(page, "goal met")
    expect(page.locator(".outcome")).to_contain_text("2 of 2 checks passed")
    with place.store() as store:
        start, goal = list(store.events(run_id, types=("run.started", "goal.set")))
    options = start.data["options"]
    assert (options["approve"], options["learn"], options["limits"]["max_steps"]) == ("never", False, 7)
    assert goal.data["goal"]["checks"] == ["test -s report.md", "grep -q well report.md"]


def test_an_action_is_allowed_by_mouse_with_its_diff_in_view(site: Any, contexts: Any) -> None:
    place = site(settings=ASK, **WRITING)
    page = open_page(contexts(), place)
    run_id = hand_in(page, "Write a report")
    card = page.get_by_role("region", name=WAITS)
    expect(card).to_be_visible()
    expect(card.locator(".diff-head")).to_contain_text("report.md")
    expect(card.locator(".diff-line.added").first).to_contain_text("# Report")
    expect(card.locator("img")).to_have_count(0)  # what the model wrote is text, never markup
    chip(page, "waits for you")
    expect(page.locator(".waiting-link")).to_contain_text("1 waiting for you")
    expect(page).to_have_title(re.compile(r"^\(1\) "))
    assert not (workspace(place, run_id) / "report.md").exists()

    card.get_by_role("button", name="Allow", exact=True).click()
    chip(page, DONE)
    expect(card).to_have_count(0)
    assert (workspace(place, run_id) / "report.md").exists()


def test_an_action_is_denied_by_mouse_and_says_why(site: Any, contexts: Any) -> None:
    place = site(
        settings=ASK, **{**WRITING, "actions": [*WRITING["actions"][:1], act("ask_person", question="What now?")]}
    )
    page = open_page(contexts(), place)
    run_id = hand_in(page, "Write a report")
    card = page.get_by_role("region", name=WAITS)
    card.get_by_role("button", name="Deny", exact=True).click()
    card.get_by_label("Why not?").fill("Wrong folder")
    card.get_by_role("button", name="Deny", exact=True).click()
    expect(page.locator(".row-button.answer-deny")).to_contain_text("Wrong folder")
    with place.store() as store:
        answer = next(iter(store.events(run_id, types=("approval.answered",))))
    assert (answer.data["answer"], answer.data["comment"], answer.data["by"]) == ("deny", "Wrong folder", "person")
    assert not (workspace(place, run_id) / "report.md").exists()


def test_arguments_are_changed_before_they_are_allowed(site: Any, contexts: Any) -> None:
    place = site(settings=ASK, **WRITING)
    page = open_page(contexts(), place)
    run_id = hand_in(page, "Write a report")
    card = page.get_by_role("region", name=WAITS)
    card.get_by_role("button", name="Change first", exact=True).click()
    expect(card.get_by_label("content", exact=True)).to_be_focused()
    expect(card.get_by_label("content", exact=True)).to_have_value(REPORT)
    card.get_by_label("content", exact=True).fill("My own words, 340.\n")
    card.get_by_role("button", name="Allow as changed", exact=True).click()
    chip(page, DONE)
    assert (workspace(place, run_id) / "report.md").read_text("utf-8") == "My own words, 340.\n"


def test_one_allowance_can_hold_for_the_whole_run(site: Any, contexts: Any) -> None:
    names = ("one.txt", "two.txt")
    place = site(
        settings=ASK,
        plan=[subtask(f"Write {name}", "write", name) for name in names],
        actions=[act("write_file", path=name) for name in names],
    )
    page = open_page(contexts(), place)
    run_id = hand_in(page, "Write two files")
    card = page.get_by_role("region", name=WAITS)
    card.get_by_label("For how long").select_option("run")
    expect(card).to_contain_text("Allows from then on: allow write_file")
    card.get_by_role("button", name="Allow", exact=True).click()
    chip(page, DONE)
    assert sorted(file.name for file in workspace(place, run_id).iterdir()) == [*names]
    with place.store() as store:
        asked = list(store.events(run_id, types=("approval.requested",)))
    assert len(asked) == 1


@pytest.mark.parametrize("answer", ["allow", "deny"])
def test_keyboard_alone_is_enough(site: Any, contexts: Any, answer: str) -> None:
    place = site(
        settings=ASK, **{**WRITING, "actions": [*WRITING["actions"][:1], act("ask_person", question="What now?")]}
    )
    page = open_page(contexts(), place)
    keys = page.keyboard
    expect(page.get_by_role("textbox", name="Goal", exact=True)).to_be_focused()
    keys.type("Write a report")
    keys.press("Control+Enter")
    title = page.get_by_role("heading", name=WAITS)
    expect(title).to_be_focused()  # what waits has the focus
    if answer == "allow":
        keys.press("a")
    else:
        keys.press("d")
        expect(page.get_by_label("Why not?")).to_be_focused()
        keys.press("Escape")  # back, nothing said yet
        expect(title).to_be_focused()
        for _ in range(20):
            keys.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "DenyD":
                break
        keys.press("Enter")
        expect(page.get_by_label("Why not?")).to_be_focused()
        keys.type("Not today")
        keys.press("Enter")
    expect(page.locator(f".row-button.answer-{answer}").first).to_be_visible()
    run_id = page.url.rpartition("/")[2]
    with place.store() as store:
        said = next(iter(store.events(run_id, types=("approval.answered",)))).data
    assert (said["answer"], said["comment"]) == (answer, "" if answer == "allow" else "Not today")


def test_a_letter_typed_elsewhere_answers_nothing(site: Any, contexts: Any) -> None:
    place = site(settings=ASK, **WRITING)
    page = open_page(contexts(), place)
    hand_in(page, "Write a report")
    expect(page.get_by_role("heading", name=WAITS)).to_be_focused()
    search = page.get_by_role("searchbox")
    search.focus()
    page.keyboard.type("add a deadline")
    expect(page.get_by_role("heading", name=WAITS)).to_be_visible()
    expect(search).to_have_value("add a deadline")


def test_a_question_is_answered(site: Any, contexts: Any) -> None:
    place = site(
        plan=[subtask("Find the contract", "find")], actions=[act("ask_person", question="Which year?"), FINISH]
    )
    page = open_page(contexts(), place)
    run_id = hand_in(page, "Find the contract")
    card = page.get_by_role("region", name="Which year?", exact=True)
    expect(card.get_by_label("Your answer")).to_be_focused()
    page.keyboard.press("Enter")
    expect(card.get_by_role("alert")).to_have_text("Write an answer first.")
    page.keyboard.type("二〇二五")
    page.keyboard.press("Enter")
    expect(page.locator(".row-button.answer-answer")).to_contain_text("二〇二五")
    with place.store() as store:
        assert next(iter(store.events(run_id, types=("approval.answered",)))).data["comment"] == "二〇二五"


def test_a_reload_in_the_middle_loses_nothing(site: Any, contexts: Any) -> None:
    place = site(**WRITING)
    page = open_page(contexts(), place)
    place.chat.hold()
    run_id = hand_in(page, "Write a report")
    assert place.chat.waits.wait(PATIENCE)
    expect(page.locator(".plan-tree, .plan .empty").first).to_be_visible()
    page.reload()
    chip(page, "running")
    place.chat.let_go()
    ended(page, DONE)
    live = rows(page)
    page.reload()
    ended(page, DONE)
    assert rows(page) == live
    with place.store() as store:
        steps = sum(event.type == "action.decided" for event in store.events(run_id))
    assert page.locator(".row-button.step").count() == steps


def test_what_the_model_writes_is_seen_while_it_writes(site: Any, contexts: Any) -> None:
    place = site(**WRITING)
    page = open_page(contexts(), place)
    asked = place.chat.inner.calls
    place.chat.hold()
    hand_in(page, "Write a report")
    assert place.chat.waits.wait(PATIENCE)
    expect(page.locator(".plan-tree, .plan .empty").first).to_be_visible()  # the page listens
    place.chat.hold_when = lambda: len(asked) > 2  # the plan and the choice are through; now the text
    place.chat.go_on()
    expect(page.locator(".writing pre")).to_contain_text("All is **well**")
    place.chat.let_go()
    chip(page, DONE)
    expect(page.locator(".writing")).to_be_hidden()


def test_two_browsers_see_the_same_and_one_answer_counts(site: Any, contexts: Any) -> None:
    place = site(settings=ASK, **WRITING)
    here, there = open_page(contexts(), place), open_page(contexts(locale="zh-CN", color_scheme="dark"), place)
    run_id = hand_in(here, "Write a report")
    item = there.locator(".run-item")
    expect(item.locator(".run-item-goal")).to_have_text("Write a report")
    expect(item).to_contain_text("等你处理")
    item.click()
    cards = [page.locator(".approval") for page in (here, there)]
    for card in cards:
        expect(card).to_be_visible()
    cards[1].get_by_role("button", name="允许", exact=True).click()
    for card in cards:
        expect(card).to_have_count(0)
    ended(here, DONE)
    ended(there, "未验证")
    assert here.locator(".row-button").count() == there.locator(".row-button").count()
    with place.store() as store:
        assert sum(1 for _ in store.events(run_id, types=("approval.answered",))) == 1


def test_an_answer_that_comes_late_does_not_hide_what_came_live(site: Any, contexts: Any) -> None:
    place = site(settings=ASK, **WRITING)
    here, there = open_page(contexts(), place), open_page(contexts(), place)
    late: list[tuple[Any, Any]] = []
    there.route("**/runs?*", lambda route: late.append((route, route.fetch())))
    place.chat.hold()
    with there.expect_request("**/runs?*"):
        hand_in(here, "Write a report")
    while not late:  # the answer is being fetched
        there.wait_for_function("() => true")
    assert [row["status"] for row in late[0][1].json()["runs"]] == ["running"]
    place.chat.let_go()
    expect(there).to_have_title(re.compile(r"^\(1\) "))
    for route, answer in late:
        route.fulfill(response=answer)
    expect(there.locator(".run-item")).to_contain_text("waits for you")


@pytest.mark.parametrize("live", ["while the problem stands", "while it is asked for again"])
def test_a_run_that_could_not_be_loaded_is_whole_after_a_reconnect(site: Any, contexts: Any, live: str) -> None:
    place = site(settings=ASK, **WRITING)
    here, there = open_page(contexts(), place), open_page(contexts(), place)
    events, late = "**/runs/*/events?*", []
    there.route(events, lambda route: route.abort())
    asked = place.chat.inner.calls
    place.chat.hold_when = lambda: len(asked) > 1  # the plan is there, and would be what is lost
    run_id = hand_in(here, "Write a report")
    assert place.chat.waits.wait(PATIENCE)
    there.evaluate("(run) => { location.hash = `#/runs/${run}`; }", run_id)
    expect(there.locator(".run .problem")).to_be_visible()
    there.unroute(events)
    if live == "while the problem stands":
        place.chat.let_go()
        expect(there).to_have_title(re.compile(r"^\(1\) "))
    else:
        there.route(events, lambda route: late.append((route, route.fetch())))
    there.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")  # connects anew
    if live == "while it is asked for again":
        while not late:  # the answer is being fetched
            there.wait_for_function("() => true")
        place.chat.let_go()
        expect(there).to_have_title(re.compile(r"^\(1\) "))
        for route, answer in late:
            route.fulfill(response=answer)
    expect(there.locator(".run .problem")).to_have_count(0)
    expect(here.get_by_role("region", name=WAITS)).to_be_visible()
    expect(there.locator(".plan-tree li")).to_have_count(1)
    expect(there.locator(".row-button")).to_have_count(here.locator(".row-button").count())
    assert rows(there) == rows(here)


def test_a_double_click_resumes_once(site: Any, contexts: Any) -> None:
    place = site(**WRITING)
    page = open_page(contexts(), place)
    place.chat.hold()
    hand_in(page, "Write a report")
    assert place.chat.waits.wait(PATIENCE)
    with page.expect_response("**/pause"):
        page.get_by_role("button", name="Pause", exact=True).click()
    place.chat.let_go()
    chip(page, "paused")
    sent: list[Any] = []
    page.route("**/resume", lambda route: sent.append(route))
    page.get_by_role("button", name="Resume", exact=True).dblclick()
    expect(page.get_by_role("button", name="Resume", exact=True)).to_be_disabled()
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_disabled()
    assert len(sent) == 1
    sent[0].continue_()
    chip(page, DONE)


def test_a_run_that_begins_while_its_page_is_loading_is_at_work(site: Any, contexts: Any) -> None:
    place = site(settings={"jobs": 1}, **WRITING)
    first, page = open_page(contexts(), place), open_page(contexts(), place)
    place.chat.hold()
    hand_in(first, "Write a report")
    assert place.chat.waits.wait(PATIENCE)
    late: list[tuple[Any, Any]] = []
    page.route(
        re.compile(r"/api/v1/runs/[\w-]+$"),
        lambda route: route.continue_() if late else late.append((route, route.fetch())),
    )
    hand_in(page, "Write another report")
    while not late:  # the answer is being fetched
        page.wait_for_function("() => true")
    assert late[0][1].json()["status"] == "queued"
    place.chat.hold_when = lambda: len(place.chat.inner.calls) > 5  # the first run is through
    place.chat.go_on()
    expect(page.locator(".run-item[aria-current=page] .status-icon")).to_have_attribute("aria-label", "running")
    late[0][0].fulfill(response=late[0][1])
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    chip(page, "running")


def test_a_run_is_paused_and_gone_on_with(site: Any, contexts: Any) -> None:
    place = site(**WRITING)
    page = open_page(contexts(), place)
    place.chat.hold()
    hand_in(page, "Write a report")
    assert place.chat.waits.wait(PATIENCE)
    with page.expect_response("**/pause"):  # the run must not be over before it is told to pause
        page.get_by_role("button", name="Pause", exact=True).click()
    place.chat.let_go()
    chip(page, "paused")
    page.get_by_role("button", name="Resume", exact=True).click()
    chip(page, DONE)


def test_a_run_that_reached_a_limit_goes_on_with_a_higher_one(site: Any, contexts: Any) -> None:
    place = site(
        plan=[subtask("Write the notes", "write", "notes.txt"), subtask("Write the report", "write", "report.md")],
        actions=[act("write_file", path="notes.txt"), act("write_file", path="report.md"), FINISH],
    )
    page = open_page(contexts(), place)
    page.locator(".options > summary").click()
    page.get_by_label("Steps", exact=True).fill("1")
    run_id = hand_in(page, "Write a report")
    chip(page, "limit reached")
    page.get_by_role("button", name="Resume", exact=True).click()
    more = page.get_by_label("The limit of 1 step was reached. Go on up to:")
    expect(more.last).to_have_value("2")
    more.last.fill("9")
    page.keyboard.press("Enter")
    chip(page, DONE)
    assert (workspace(place, run_id) / "report.md").exists()


def test_a_run_is_cancelled_after_a_question(site: Any, contexts: Any) -> None:
    place = site(settings=ASK, **WRITING)
    page = open_page(contexts(), place)
    hand_in(page, "Write a report")
    expect(page.get_by_role("region", name=WAITS)).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Keep as it is", exact=True).click()
    chip(page, "waits for you")
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog.get_by_role("button", name="Cancel the run", exact=True).click()
    chip(page, "cancelled")
    expect(page.get_by_role("region", name=WAITS)).to_have_count(0)


def test_a_server_that_comes_back_is_found_again(site: Any, contexts: Any) -> None:
    place = site(**WRITING)
    page = open_page(contexts(), place)
    page.context.set_offline(True)
    page.evaluate("window.dispatchEvent(new Event('offline'))")
    page.get_by_role("textbox", name="Goal", exact=True).fill("Write a report")
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_visible()
    page.context.set_offline(False)
    hand_in(page, "Write a report")
    chip(page, DONE)


def test_without_its_token_the_page_says_what_to_do(site: Any, contexts: Any) -> None:
    place = site()
    page = contexts().new_page()
    answer = page.goto(f"{place.url}/")
    assert answer.status == 401
    page.goto(f"{place.url}/t/{TOKEN}/")  # for browsers and clients that keep no cookies
    expect(page.locator(".connection.is-live")).to_be_attached()
    expect(page.get_by_role("heading", name="What should be done?", exact=True)).to_be_visible()
