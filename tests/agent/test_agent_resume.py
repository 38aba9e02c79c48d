"""Runs that are cut off, anywhere, and taken up again: nothing is lost, and no effect comes twice without a person."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from agent_world import FINISH, Brain, Make, Person, act, audit, chat, events, subtask
from kill_points import RUN

from wornpath import AutoGPT
from wornpath.core import Action, Event, Rule, UsageError, to_json
from wornpath.experience import Tracker
from wornpath.guard import ApprovalAnswer, Limits, Session
from wornpath.judge.person import rate
from wornpath.store import SqliteStore
from wornpath.store.snapshot import run_snapshot

EVENTS = 34
SEED = 20261123


def killed(folder: Path, points: list[str]) -> list[dict[str, Any]]:
    """What became of one run for each of POINTS."""
    script = Path(__file__).with_name("kill_points.py")
    environment = {**os.environ, "WORNPATH_HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, str(script), str(folder), str(SEED), *points],
        capture_output=True,
        text=True,
        timeout=400,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def points() -> list[str]:
    rng = random.Random(SEED)
    single = [f"event:{n}" for n in sorted(rng.sample(range(1, EVENTS + 1), 20))]
    inside = [f"{kind}:{n}" for kind in ("effect", "before") for n in (1, 2, 3)]
    timed = [f"time:{rng.uniform(0.002, 0.06):.4f}" for _ in range(4)]
    twice = [
        "+".join((f"event:{n}", rng.choice(["effect:1", "before:1", f"event:{n + rng.randint(1, 6)}"])))
        for n in rng.sample(range(3, EVENTS - 4), 4)
    ]
    return [*single, *inside, *timed, *twice, "effect:1+effect:1+effect:1", "before:1+before:1+event:20"]


def test_killed_anywhere_a_run_goes_on_and_does_everything_once(tmp_path: Path) -> None:
    runs = killed(tmp_path, points())
    assert sum(run["statuses"].count("killed") for run in runs) >= 35, "the killing itself works"
    for run in runs:
        assert run["statuses"][-1] == "unverified", run
        assert Counter(run["lines"]) == {"line 1": 1, "line 2": 1, "line 3": 1}, run
        with SqliteStore(Path(run["folder"]) / "home") as store:
            audit_killed(store, run)


def audit_killed(store: SqliteStore, run: dict[str, Any]) -> None:
    audit(store, RUN)
    found = list(store.events(RUN))
    assert [e.type for e in found].count("plan.made") == 1, "a plan that was made is kept"
    result = found[-1].data["result"]
    used = [e.data["usage"] for e in found if e.type == "model.called"]
    assert result["tokens"]["prompt"] == sum(u["prompt"] for u in used), "what was spent before counts"
    assert result["llm_calls"] == len(used)
    assert result["steps"] == sum(e.type == "action.started" for e in found)
    open_action = ""
    for event in found:
        if event.type == "action.started" and event.data["action"]["tool"] == "append_line":
            assert event.data["id"] != open_action, "begun again, and nobody was asked"
            open_action = event.data["id"]
        elif event.type in ("action.finished", "approval.answered") and event.data["id"] == open_action:
            open_action = ""
    finished = Counter(e.data["subtask"] for e in found if e.type == "subtask.finished")
    assert finished == {1: 1, 2: 1, 3: 1}
    judged = [e for e in found if e.type == "evaluation.made" and e.data["scope"] == "run"]
    assert len(judged) == 1
    point = run["point"]
    if point.startswith("event:") and "+" not in point and run["statuses"][0] == "killed":
        at = int(point.removeprefix("event:"))
        assert [e.seq for e in found[: at + 1]] == [*range(1, at + 2)], (
            "what was reported before the kill is still there"
        )
        after = [e.type for e in found[at : at + 2]]  # what is committed together is there together
        assert "run.resumed" in after, "and the record goes on right after it"


def test_the_fold_of_the_store_is_the_live_tracker(make: Make, work: Path) -> None:
    (work / "a.txt").write_text("a\n")
    actions = [act("read_file", path="a.txt"), act("note", fact="a is short"), act("write_file", path="b.txt"), FINISH]
    agent = make(plan=[subtask("Look"), subtask("Write", "write", "b.txt")], actions=actions)
    live: dict[int, dict[str, Any]] = {}

    def saw(event: Event) -> None:
        if agent._actor is not None:
            live[event.seq] = to_json(agent._actor.session.tracker)

    agent.listeners.append(saw)
    agent.run()
    folded = Tracker(agent.model.sizes.state, agent.model.sizes.result)  # type: ignore[union-attr]
    for event in agent.store.events(agent.run_id):
        folded.apply(event)
        if event.seq in live:
            live[event.seq].pop("overview", None)  # looked at, not folded
            assert to_json(folded) == live[event.seq]
    assert len(live) > 20


def test_a_stopped_run_is_paused_and_goes_on(make: Make, work: Path) -> None:
    for name in "abcd":
        (work / f"{name}.txt").write_text(f"{name}\n")
    reading = [act("read_file", path=f"{name}.txt") for name in "abcd"]
    agent = make(actions=reading, on_event=lambda e: agent.request_stop() if e.type == "action.finished" else None)
    paused = agent.run().result
    assert (paused.status, paused.steps) == ("paused", 1)
    assert agent.run_id in paused.summary
    assert events(agent)[-1].type == "run.paused"
    resumed = AutoGPT.resume(agent.run_id, store=agent.store, model=chat(actions=[*reading[1:], FINISH]))
    with resumed:
        result = resumed.run().result
    assert result.status == "unverified" and result.steps == 5
    read = [e.data["action"]["arguments"]["path"] for e in events(agent, "action.started")[:4]]
    assert read == ["a.txt", "b.txt", "c.txt", "d.txt"]


def test_the_same_agent_goes_on_after_a_stop(make: Make, work: Path) -> None:
    (work / "a.txt").write_text("a\n")
    agent = make(actions=[act("read_file", path="a.txt"), FINISH])
    agent.request_stop()
    assert agent.run().result.status == "paused"
    run = agent.run_id
    assert agent.run().result.status == "unverified" and agent.run_id == run


def user_at_work(work: Path) -> dict[str, str]:
    """What a user changes in the workspace while a run does not, and all files that are there then."""
    with (work / "notes.txt").open("a") as file:
        file.write("mine\n")
    (work / "new-by-user.txt").write_text("mine\n")
    (work / "keep.txt").unlink()
    return contents(work)


def contents(work: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in work.iterdir()}


PROGRAM = "open('totals.csv', 'a').write('1\\n')\nopen('log.txt', 'w').write('done')"


@pytest.mark.parametrize("status", ["budget", "paused"])
def test_undo_leaves_what_the_user_changed_between_two_sittings(make: Make, work: Path, status: str) -> None:
    for name in ("notes.txt", "keep.txt"):
        (work / name).write_text("old\n")
    limits = Limits(max_steps=1) if status == "budget" else Limits()
    agent = make(actions=[act("python")], texts=[PROGRAM], limits=limits)
    if status == "paused":
        agent.listeners.append(lambda e: agent.request_stop() if e.type == "action.finished" else None)
    assert agent.run().result.status == status and (work / "log.txt").exists()
    users = user_at_work(work)
    model = chat(actions=[act("shell", command="echo 1 >> totals.csv"), FINISH])
    with AutoGPT.resume(agent.run_id, store=agent.store, model=model, limits=Limits(max_steps=8)) as resumed:
        assert resumed.run().result.steps >= 2
    assert (work / "totals.csv").read_text() == "1\n1\n"
    snapshot = run_snapshot(agent.store, agent.store.run(agent.run_id))
    assert [change.path for change in snapshot.changes()] == ["log.txt", "totals.csv"]
    assert snapshot.undo().conflicts == ()
    assert contents(work) == {name: users[name] for name in ("notes.txt", "new-by-user.txt")}


def test_undo_leaves_what_the_user_changed_between_two_steps(make: Make, work: Path) -> None:
    for name in ("notes.txt", "keep.txt"):
        (work / name).write_text("old\n")
    users: list[dict[str, str]] = []

    def at_work(event: Event) -> None:
        if event.type == "evaluation.made" and not users:  # after the first step
            users.append(user_at_work(work))

    looking = act("shell", command="ls")
    make(actions=[looking, act("python"), FINISH], texts=[PROGRAM], on_event=at_work).run()
    agent = make(actions=[looking, FINISH])
    agent.listeners.append(lambda e: (work / "late.txt").write_text("mine") if e.type == "action.finished" else None)
    agent.run()
    assert users and {"totals.csv", "late.txt"} <= contents(work).keys()
    for run in agent.store.runs():
        assert run_snapshot(agent.store, run).undo().conflicts == ()
    assert contents(work) == {name: users[0][name] for name in ("notes.txt", "new-by-user.txt")} | {"late.txt": "mine"}


def test_a_cancelled_run_is_paused(make: Make) -> None:
    import asyncio

    async def go() -> None:
        task: asyncio.Task[Any]

        def stop(messages: Any, schema: Any, n: int) -> Any:
            task.cancel()
            return "x"

        agent = make(model=__import__("wornpath").ScriptedChat(stop))
        task = asyncio.ensure_future(agent.arun())
        with pytest.raises(asyncio.CancelledError):
            await task
        assert agent.store.run(agent.run_id).status == "paused"

    asyncio.run(go())


@pytest.mark.parametrize("status", ["met", "unverified"])
def test_a_finished_run_is_not_resumed(make: Make, status: str) -> None:
    agent = make(actions=[FINISH], checks=["true"] if status == "met" else [])
    assert agent.run().result.status == status
    with pytest.raises(UsageError, match=rf"has ended \({status}\).*--continue {agent.run_id}"):
        AutoGPT.resume(agent.run_id, store=agent.store)
    with pytest.raises(UsageError, match="no run"):
        AutoGPT.resume("nothing", store=agent.store)


def test_a_run_at_work_elsewhere_is_not_resumed(make: Make) -> None:
    agent = make(actions=[FINISH])
    agent.decompose_task()
    agent.store.append(agent.run_id, "run.resumed", {"pid": os.getppid(), "options": {}})
    with pytest.raises(UsageError, match=f"at work in process {os.getppid()}"):
        AutoGPT.resume(agent.run_id, store=agent.store)


def test_budgets_go_on_where_they_were(make: Make, work: Path) -> None:
    for name in "abcdef":
        (work / f"{name}.txt").write_text(f"{name}\n")
    reading = [act("read_file", path=f"{name}.txt") for name in "abcdef"]
    agent = make(actions=reading, limits=Limits(max_steps=2))
    assert agent.run().result.status == "budget"
    same = AutoGPT.resume(agent.run_id, store=agent.store, model=chat(actions=reading[2:]))
    with same:
        assert same.run().result.status == "budget"
    assert len(events(agent, "action.started")) == 2, "not a step more"
    wider = AutoGPT.resume(agent.run_id, store=agent.store, model=chat(actions=reading[2:]), limits=Limits(max_steps=4))
    with wider:
        assert wider.run().result.steps == 4
    kept = AutoGPT.resume(agent.run_id, store=agent.store, model=chat(actions=reading[4:]))
    with kept:
        assert kept.limits.max_steps == 4, "the limits that a resume was given last"


def test_time_of_every_sitting_counts(make: Make, store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("wornpath.store.sqlite.time.time", lambda: clock[0])
    start = {"version": "", "model": "", "policy_version": "", "seed": 0, "options": {}, "parent": None, "pid": 1}

    def at(time: float, type: Any, data: Any) -> None:
        clock[0] = time
        store.append("r1", type, data)

    at(1000, "run.started", start)
    at(1010, "note.added", {"text": "x", "scope": "run", "where": "r1"})  # cut off here: 10 s
    clock[0] = 1500
    rate(store, store.run("r1"), "bad", "it hung")  # later, and no time of a sitting
    at(2000, "run.resumed", {"pid": 1, "options": {}})
    at(2005, "run.paused", {"reason": ""})  # 5 s
    at(3000, "run.resumed", {"pid": 1, "options": {}})
    at(3007, "note.added", {"text": "y", "scope": "run", "where": "r1"})  # cut off: 7 s
    at(99_000, "person.said", {"kind": "comment", "text": "again"})
    session = Session("r1", store, Tracker())
    session.replay()
    assert session.budget.spent_seconds == pytest.approx(22)
    store.remove_note(1)
    monkeypatch.undo()
    store.append("r1", "run.paused", {"reason": ""})
    store.remove("r1")


def test_an_agent_that_has_ended_does_another_run(make: Make) -> None:
    agent = make(brain=Brain(actions=[FINISH]))
    first = agent.run().result
    second = agent.run().result
    assert first.run_id != second.run_id
    assert [r.status for r in agent.store.runs()] == ["unverified", "unverified"]


def test_a_note_that_is_made_again_is_kept_once(make: Make, store: SqliteStore) -> None:
    """Its tool calls itself idempotent: after a crash it is simply called again."""
    agent = make()
    for scope in ("user", "user", "folder", "run", "run"):
        assert agent.call_tool(Action.of("note", fact="The boss is Ann", scope=scope)).result == "ok"
    assert [note.scope for note in store.notes(everything=True)] == ["user", "folder", "run"]
    assert len(events(agent, "note.added")) == 3


class CutOff(BaseException):
    """As a killed process ends: nothing more is recorded."""


def cut_off(make: Make, type: str, tool: str, **more: Any) -> AutoGPT:
    """A run that ended when an event of TYPE about TOOL was committed."""
    agent = make(**more)

    def stop(event: Event) -> None:
        if event.type == type and event.data.get("action", {}).get("tool", tool) == tool:
            raise CutOff

    agent.listeners.append(stop)
    with pytest.raises(CutOff):
        agent.run()
    agent.close()
    return agent


@pytest.mark.parametrize("kept", ["in the folder", "for the run"])
@pytest.mark.parametrize("asked", [False, True])
def test_a_rule_that_is_younger_than_the_intent_holds_at_the_resume(
    make: Make, store: SqliteStore, work: Path, kept: str, asked: bool
) -> None:
    """An action was begun, or allowed, and not done when the process died; by now a rule denies it."""
    (work / "old.txt").write_text("old")
    action = act("delete_file", path="old.txt") if asked else act("write_file", path="new.txt")
    more = {"approver": Person(ApprovalAnswer("allow"))} if asked else {}
    type, kind = ("approval.answered", "organise") if asked else ("action.started", "other")
    agent = cut_off(make, type, action["tool"], plan=[subtask("Do it", kind)], actions=[action, FINISH], **more)
    deny = Rule("deny", action["tool"], scope="folder", where=str(work))
    if kept == "in the folder":
        store.add_rule(deny)
    again = AutoGPT.resume(
        agent.run_id, store=store, model=chat(actions=[FINISH]), rules=[deny] if kept == "for the run" else None
    )
    again.run()
    again.close()
    assert (work / "old.txt").exists() and not (work / "new.txt").exists()
    (seen,) = [e.data["observation"] for e in events(again, "action.finished")][:1]
    assert seen["result"] == "denied"


def test_what_needs_a_person_by_now_is_asked_about_at_the_resume(make: Make, store: SqliteStore, work: Path) -> None:
    plan, actions = [subtask("Do it", "other")], [act("write_file", path="new.txt"), FINISH]
    agent = cut_off(make, "action.started", "write_file", plan=plan, actions=actions)
    store.add_rule(Rule("ask", "write_file", scope="folder", where=str(work)))
    person = Person(ApprovalAnswer("deny", "not any more"))
    again = AutoGPT.resume(agent.run_id, store=store, model=chat(actions=[FINISH]), approver=person)
    again.run()
    again.close()
    assert len(person.asked) == 1 and not (work / "new.txt").exists()


def test_what_a_person_allowed_is_not_asked_again_at_the_resume(make: Make, store: SqliteStore, work: Path) -> None:
    (work / "old.txt").write_text("old")
    plan, actions = [subtask("Do it", "organise")], [act("delete_file", path="old.txt"), FINISH]
    more = {"approver": Person(ApprovalAnswer("allow"))}
    agent = cut_off(make, "action.started", "delete_file", plan=plan, actions=actions, **more)
    person = Person()
    again = AutoGPT.resume(agent.run_id, store=store, model=chat(actions=[FINISH]), approver=person)
    again.run()
    again.close()
    assert person.asked == [] and not (work / "old.txt").exists()
