"""The model judge, the final verdict, and the predicates that guide but never reward."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wornpath.core import (
    Action,
    Evaluation,
    Event,
    EventType,
    Goal,
    Observation,
    Plan,
    Predicate,
    Subtask,
    to_json,
)
from wornpath.experience import Tracker
from wornpath.judge import final, predicates
from wornpath.judge import model as judge
from wornpath.llm import ScriptedChat
from wornpath.llm.chat import Sizes
from wornpath.llm.tokens import count_messages
from wornpath.tools import Workspace

GOAL = Goal("Write a poem about a boat to poem.txt", rubric="Four lines")
MADE = [("poem.txt", "A boat, a boat")]
YES, NO = {"reason": "all is there", "met": True}, {"reason": "it has one line", "met": False}


def chat(*answers: Any, large: bool = False) -> ScriptedChat:
    return ScriptedChat(answers, sizes=Sizes.large() if large else None)


async def verdict(model: ScriptedChat, made: Any = MADE, answer: str = "") -> Evaluation:
    return await final.by_model(GOAL, made, answer, model, lambda messages: judge.ask(model, messages))


@pytest.mark.parametrize(
    ("answer", "large", "status", "reward"),
    [
        (YES, True, "met", 0.5),
        (NO, True, "unmet", -0.25),
        (YES, False, "unverified", 0.0),
        (NO, False, "unverified", 0.0),
        ("I think so", True, "unverified", 0.0),
        ('{"met": "true"}', True, "unverified", 0.0),
        ('{"met": 1}', True, "unverified", 0.0),
        ("", True, "unverified", 0.0),
    ],
)
async def test_verdicts(answer: Any, large: bool, status: str, reward: float) -> None:
    made = await verdict(chat(answer, large=large))
    assert (made.verdict, made.source, made.reward) == (status, "judge", pytest.approx(reward))


async def test_a_doubt_is_told_to_people() -> None:
    assert "one line" in (await verdict(chat(NO))).comment
    assert "no objection" in (await verdict(chat(YES))).comment


async def test_nothing_made_is_not_even_judged() -> None:
    model = chat()
    made = await verdict(model, made=[])
    assert made.verdict == "unverified" and not model.calls


async def test_the_judge_sees_goal_rubric_and_artefacts_and_is_greedy() -> None:
    model = chat(YES)
    await verdict(model, answer="It is done")
    (call,) = model.calls
    for text in ("poem about a boat", "Four lines", "A boat, a boat", "poem.txt", "It is done"):
        assert text in call.prompt
    assert call.temperature == 0 and call.schema is not None
    assert list(call.schema["properties"]) == ["reason", "met"], "reasons come before the verdict"


def test_the_prompt_stays_within_the_models_size() -> None:
    small = ScriptedChat([])
    made = [(f"{n}.txt", "word " * 50_000) for n in range(6)]
    goal = Goal("Do it. " * 10_000, rubric="Fine")
    assert count_messages(judge.messages(goal, made, "answer " * 5000, small)) < 3 * small.sizes.argument_context


@settings(deadline=None)
@given(st.text(max_size=200) | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(json.dumps))
def test_reading_a_verdict_never_fails_and_never_guesses(text: str) -> None:
    assert judge.read(text) is None


def test_artefacts_are_read_newest_first_and_bounded(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.txt").write_text(f"number {number}\n" * 5000)
    (tmp_path / "b.bin").write_bytes(bytes(range(256)) * 100)
    shown = final.read_artefacts(Workspace(tmp_path), [f"{n}.txt" for n in range(9)], 6000)
    assert [path for path, _ in shown] == ["8.txt", "7.txt", "6.txt", "5.txt", "4.txt", "3.txt"]
    assert sum(len(text) for _, text in shown) <= 6600
    assert final.read_artefacts(Workspace(tmp_path), ["gone.txt"], 6000) == []
    assert final.read_artefacts(Workspace(tmp_path), [], 6000) == []


# -- predicates ----------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Workspace:
    work = tmp_path / "work"
    (work / "full").mkdir(parents=True)
    (work / "hollow").mkdir()
    for name, data in {
        "t.csv": "\ufeffName, Total\nA,1\n".encode(),
        "semicolons.csv": b"name;city;total, net\nA;B;1\n",
        "list.json": b'[{"a": 1}]',
        "object.json": b'{"a": 1, "b": 2}',
        "broken.json": b'{"a": ',
        "empty.txt": b"",
        "blank.txt": b" \n",
        "text.txt": "Grüße aus Köln".encode(),
        "latin.txt": b"caf\xe9",
        "full/x": b"x",
    }.items():
        (work / name).write_bytes(data)
    (tmp_path / "outside.txt").write_text("secret")
    (work / "link.txt").symlink_to(tmp_path / "outside.txt")
    return Workspace(work)


@pytest.mark.parametrize(
    ("kind", "path", "values", "expected"),
    [
        ("exists", "t.csv", (), True),
        ("exists", "empty.txt", (), False),
        ("exists", "missing.txt", (), False),
        ("exists", "full", (), True),
        ("exists", "hollow", (), False),
        ("exists", "../outside.txt", (), False),
        ("exists", "link.txt", (), False),
        ("exists", "a\0b", (), False),
        ("gone", "missing.txt", (), True),
        ("gone", "t.csv", (), False),
        ("gone", "../outside.txt", (), False),
        ("columns", "t.csv", ("total", "NAME"), True),
        ("columns", "t.csv", ("price",), False),
        ("columns", "semicolons.csv", ("total, net",), True),
        ("header", "t.csv", ("name", "total"), True),
        ("header", "t.csv", ("total", "name"), False),
        ("header", "t.csv", ("total",), True),
        ("header", "semicolons.csv", ("name", "total, net"), True),
        ("columns", "full", ("a",), False),
        ("columns", "blank.txt", ("a",), False),
        ("contains", "text.txt", ("GRÜSSE", "köln"), True),
        ("contains", "text.txt", ("Bonn",), False),
        ("contains", "latin.txt", ("caf",), True),
        ("json", "object.json", ("a", "b"), True),
        ("json", "object.json", ("c",), False),
        ("json", "object.json", (), True),
        ("json", "list.json", ("a",), True),
        ("json", "broken.json", (), False),
    ],
)
def test_predicates(files: Workspace, kind: Any, path: str, values: tuple[str, ...], expected: bool) -> None:
    assert predicates.holds(Predicate(kind, path, values), files) is expected


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        ("gone", (), "t.csv is still there"),
        ("header", ("x", "y"), "t.csv does not have the columns x, y in this order: it has y, x"),
        ("columns", ("z",), "t.csv does not have the columns z: it has y, x"),
        ("json", ("x",), "t.csv is no JSON with the keys x"),
        ("json", (), "t.csv is no JSON"),
        ("contains", ("x",), "t.csv does not contain x"),
    ],
)
def test_what_is_lacking_is_said_in_words(tmp_path: Path, kind: Any, values: tuple[str, ...], says: str) -> None:
    (tmp_path / "t.csv").write_text("y;x\n1;2\n")
    assert predicates.lacking(Predicate(kind, "t.csv", values), Workspace(tmp_path)) == says


@pytest.mark.parametrize("kind", ["exists", "header", "json"])
def test_a_file_that_was_written_elsewhere_is_named(tmp_path: Path, kind: Any) -> None:
    wanted, workspace = Predicate(kind, "out/t.csv", ("x",)), Workspace(tmp_path)
    assert predicates.lacking(wanted, workspace, ["a.csv"]) == "out/t.csv is not there"
    assert predicates.lacking(wanted, workspace, ["t.csv"]) == "out/t.csv is not there: t.csv was written in its place"


def test_originals_are_captured_once(tmp_path: Path) -> None:
    work, file = tmp_path / "work", tmp_path / "originals.json"
    work.mkdir()
    (work / "check.py").write_bytes(b"print(1)\xff")
    first = final.load_originals(file, ["python check.py"], work)
    assert first == {"check.py": b"print(1)\xff"}
    (work / "check.py").write_text("raise SystemExit(0)")
    assert final.load_originals(file, ["python check.py"], work) == first
    assert final.load_originals(tmp_path / "none.json", [], work) == {}


def test_a_predicate_is_open_until_this_subtasks_own_work_made_it_true(tmp_path: Path) -> None:
    there, gone = Predicate("exists", "out.txt"), Predicate("gone", "old.txt")
    plan = Plan((Subtask(1, "Write", predicates=(there, gone)),))
    tracker, workspace = Tracker(), Workspace(tmp_path)

    def told(seq: int, type_: EventType, data: dict[str, Any], step: int) -> None:
        tracker.apply(Event(seq, "r", 0.0, step, type_, data))

    told(1, "goal.set", {"goal": to_json(Goal("Write out.txt"))}, 0)
    assert predicates.still_open(tracker, workspace) == [], "nothing is planned"
    told(2, "plan.made", {"plan": to_json(plan)}, 0)
    (tmp_path / "out.txt").write_text("there before")
    assert predicates.still_open(tracker, workspace) == [there]
    action, seen = Action.of("write_file", path="out.txt"), Observation.of("done", changed=("out.txt",))
    told(3, "action.decided", {"decision": {}, "skipped": False}, 1)
    told(4, "action.started", {"id": "a", "action": to_json(action), "risk": "write", "idempotent": True}, 1)
    told(5, "action.finished", {"id": "a", "observation": to_json(seen), "seconds": 0.0}, 1)
    assert predicates.still_open(tracker, workspace) == []
    (tmp_path / "out.txt").unlink()
    (tmp_path / "old.txt").write_text("still there")
    assert predicates.still_open(tracker, workspace) == [there, gone]
