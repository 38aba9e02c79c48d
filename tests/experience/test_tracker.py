"""The tracker: a fold over events whose text is bounded, deterministic, and does not grow with the episode; and the rewards."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count as numbers
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wornpath.core import (
    Action,
    Entity,
    Event,
    Goal,
    Observation,
    Plan,
    Predicate,
    RewardWeights,
    State,
    Subtask,
    from_json,
    to_json,
)
from wornpath.experience import Tracker, final_reward, step_reward
from wornpath.llm.chat import Sizes
from wornpath.llm.tokens import count
from wornpath.store import SqliteStore

SIZES = Sizes()
Record = tuple[str, dict[str, Any], int]


def fold(records: Iterable[Record], tracker: Tracker | None = None) -> Tracker:
    tracker = tracker or Tracker(SIZES.state, SIZES.result)
    for seq, (type, data, step) in zip(numbers(1), records, strict=False):
        tracker.apply(Event(seq, "r", 0.0, step, type, data))  # type: ignore[arg-type]
    return tracker


def goal(text: str = "Sort the letters") -> Record:
    return "goal.set", {"goal": to_json(Goal(text))}, 0


def plan(*subtasks: Subtask, changed: str = "") -> Record:
    made = subtasks or (Subtask(1, "Look"), Subtask(2, "Sort"))
    return ("plan.changed" if changed else "plan.made"), {"plan": to_json(Plan(made)), "reason": changed}, 0


def acted(step: int, action: Action, seen: Observation) -> list[Record]:
    start = {"id": str(step), "action": to_json(action), "risk": "read", "idempotent": True}
    return [
        ("action.decided", {"decision": {}, "skipped": False}, step),
        ("action.started", start, step),
        ("action.finished", {"id": str(step), "observation": to_json(seen), "seconds": 0.0}, step),
    ]


# -- the size of the state -----------------------------------------------------------------------------

words = st.text(st.sampled_from("ab c\n,.1209发票é🎉\u202e\t"), max_size=40)
texts = words | st.builds(lambda word, times: word * times, words, st.integers(1, 3000))
short = st.lists(words, max_size=4).map(tuple)
actions = st.builds(Action.of, st.sampled_from(["read_file", "python", "move_file", "x" * 60]), path=texts, code=texts)
entities = st.lists(st.builds(Entity, texts, st.sampled_from(["file", "folder", "column"])), max_size=5).map(tuple)
seen = st.builds(
    lambda result, text, facts, changed, found: Observation.of(
        text, result, facts=tuple(facts), changed=changed, entities=found
    ),
    st.sampled_from(["ok", "empty", "error", "denied", "timeout"]),
    texts,
    st.lists(texts, max_size=6),
    short,
    entities,
)
subtasks = st.builds(
    Subtask,
    st.integers(1, 7),
    texts,
    st.sampled_from(["find", "compute", "other"]),
    predicates=st.lists(st.builds(Predicate, st.just("exists"), texts), max_size=3).map(tuple),
)
plans = st.lists(subtasks, min_size=1, max_size=7)


@settings(max_examples=80, deadline=None)
@given(texts, plans, st.lists(st.tuples(actions, seen), max_size=8), texts, texts, st.lists(texts, max_size=4))
@example("g" * 100_000, [Subtask(1, "s" * 9999)], [], "f" * 9999, "o" * 9999, ["n" * 9999])
def test_the_state_is_small_whatever_happened(
    text: str, made: list[Subtask], did: list[tuple[Action, Observation]], why: str, overview: str, notes: list[str]
) -> None:
    records = [goal(text), plan(*made), plan(*made, changed=why or "x")]
    for step, (action, observation) in enumerate(did, 1):
        records += acted(step, action, observation)
    records.append(("approval.answered", {"id": "1", "answer": "answer", "comment": why, "by": "person"}, len(did)))
    records.append(
        ("evaluation.made", {"scope": "run", "evaluation": {"verdict": "unmet", "source": "check"}}, len(did))
    )
    tracker = fold(records)
    tracker.overview = overview
    state = tracker.state(notes)
    assert count(state.text) <= SIZES.state
    assert from_json(State, to_json(state)) == state
    again = fold(records)
    again.overview = overview
    assert again.state(notes) == state and again.state(notes).text == state.text
    assert all(isinstance(value, (str, int)) for value in state.features.values())


def test_a_goal_of_a_book_leaves_room_for_the_rest() -> None:
    tracker = fold(
        [
            goal("Sort every letter. " * 5000),
            plan(Subtask(1, "Look at the first letter " * 50)),
            *acted(
                1,
                Action.of("read_file", path="a.txt"),
                Observation.of("Dear Anna, " * 900, facts=("Anna lives in Köln",)),
            ),
        ]
    )
    tracker.overview = "letters/: a.txt b.txt " * 200
    text = tracker.text()
    assert count(text) <= SIZES.state
    for expected in ("Sort every letter", "Look at the first letter", "letters/", "Anna lives in Köln", "Dear Anna"):
        assert expected in text


def test_the_state_does_not_grow_with_the_episode() -> None:
    tracker = fold([goal(), plan(Subtask(1, "Read all letters"))])
    sizes, held = [], []
    for step in range(100, 400):
        action = Action.of("read_file", path=f"letters/{step:03}.txt")
        found = Observation.of(
            f"Letter {step}. " * 30, facts=(f"Letter {step} is from {step}",), entities=(Entity(f"e{step}", "file"),)
        )
        fold(acted(step, action, found), tracker)
        sizes.append(count(tracker.text()))
        held.append(len(tracker.tried) + len(tracker.facts) + len(tracker.entities))
    assert max(sizes) <= SIZES.state
    assert max(sizes[150:]) <= max(sizes[20:50]) + 5
    assert max(held[100:]) == held[-1] <= 200, "what it keeps is bounded too"


def test_a_larger_model_is_given_more() -> None:
    records = [goal("g " * 5000), plan(), *acted(1, Action.of("read_file", path="a"), Observation.of("long " * 5000))]
    large = fold(records, Tracker(Sizes.large().state, Sizes.large().result))
    assert SIZES.state < count(large.text()) <= Sizes.large().state


# -- what it knows -------------------------------------------------------------------------------------


def test_the_first_open_subtask_is_at_work() -> None:
    tracker = fold([goal()])
    assert tracker.active is None
    fold([plan()], tracker)
    assert tracker.active is not None and tracker.active.id == 1
    fold([("subtask.started", {"subtask": 1}, 0)], tracker)
    assert tracker.active.status == "active"
    fold([("subtask.finished", {"subtask": 1, "status": "failed", "why": ""}, 3)], tracker)
    assert tracker.active.id == 2
    fold([("subtask.finished", {"subtask": 2, "status": "done", "why": ""}, 3)], tracker)
    assert tracker.active is None


def test_a_repeat_is_the_same_action_in_the_same_world() -> None:
    read, write = Action.of("read_file", path="a.txt"), Action.of("write_file", path="b.txt", content="x")
    tracker = fold([goal(), plan(), *acted(1, read, Observation.of("a"))])
    assert tracker.is_repeat(read, False)
    assert not tracker.is_repeat(Action.of("read_file", path="b.txt"), False)
    fold(acted(2, write, Observation.of("done", changed=("b.txt",))), tracker)
    assert not tracker.is_repeat(read, False), "the world is another one now"
    assert tracker.is_repeat(Action.of("write_file", path="b.txt"), True)
    assert not tracker.is_repeat(Action.of("write_file", path="c.txt"), True)


def test_facts_answers_and_refusals_are_kept() -> None:
    answer = {"id": "1", "answer": "answer", "comment": "It is 2025", "by": "person"}
    refusal = {"id": "2", "answer": "deny", "comment": "hands off", "by": "person"}
    records: list[Record] = [
        goal(),
        plan(),
        *acted(1, Action.of("read_file", path="a.txt"), Observation.of("x", facts=("a has 3 lines",))),
        ("note.added", {"text": "the boss is Ann", "scope": "run", "where": "r"}, 1),
        ("approval.answered", answer, 1),
        ("approval.answered", refusal, 1),
        ("person.said", {"kind": "comment", "text": "be brief"}, 1),
    ]
    text = fold(records).text()
    for expected in ("a has 3 lines", "the boss is Ann", "It is 2025", "hands off", "be brief"):
        assert expected in text


def test_of_the_checks_only_pass_or_fail_is_told() -> None:
    evaluation = {"verdict": "unmet", "source": "check", "comment": "check 1 of 1 ended with 3 SECRET"}
    tracker = fold([goal(), plan(), ("evaluation.made", {"scope": "run", "evaluation": evaluation}, 1)])
    assert tracker.checks == "failed" and tracker.failures == 1
    assert "SECRET" not in tracker.text() and "not right yet" in tracker.text()


def test_entities_have_the_roles_that_hold_now() -> None:
    found = (Entity("in/letter-7.txt", "file"), Entity("other.txt", "file"))
    tracker = fold(
        [
            goal("Answer letter-7"),
            plan(),
            *acted(1, Action.of("list_files"), Observation.of("2 files", entities=found)),
            *acted(2, Action.of("read_file", path="other.txt"), Observation.of("x")),
        ]
    )
    roles = {e.value: set(e.roles) for e in tracker.visible_entities()}
    assert "named in the goal" in roles["in/letter-7.txt"] and "opened" not in roles["in/letter-7.txt"]
    assert "opened" in roles["other.txt"] and "named in the goal" not in roles["other.txt"]


def test_unknown_events_and_fields_change_nothing() -> None:
    tracker = fold([goal(), plan()])
    before = to_json(tracker)
    fold(
        [("policy.changed", {"version": "3"}, 0), ("budget.reached", {"kind": "steps"}, 0), ("run.paused", {}, 0)],
        tracker,
    )
    assert to_json(tracker) == before


def test_what_is_read_back_from_the_store_is_the_same(tmp_path: Path) -> None:
    records = [goal("发票 " * 99), plan()]
    for step in range(1, 30):
        found = Observation.of(f"result {step}\x1b[31m\u2028", facts=(f"fact {step} é",), changed=(f"f{step % 4}",))
        records += acted(step, Action.of("read_file", path=f"{step}.txt", page=step), found)
    live = fold(records)
    with SqliteStore(tmp_path) as store:
        for type, data, step in records:
            store.append("r", type, data, step=step)  # type: ignore[arg-type]
        again = Tracker(SIZES.state, SIZES.result)
        for event in store.events("r"):
            again.apply(event)
    assert to_json(again) == to_json(live)
    assert again.state(["a note"]) == live.state(["a note"])


# -- rewards -------------------------------------------------------------------------------------------

WEIGHTS = RewardWeights()


@pytest.mark.parametrize("result", ["ok", "empty", "error", "denied", "timeout"])
def test_the_reward_of_a_step(result: Any) -> None:
    worse = result in ("error", "denied", "timeout")
    assert step_reward(Observation.of("x", result), WEIGHTS).reward == pytest.approx(-0.03 if worse else -0.01)
    looped = step_reward(Observation.of("x", result), WEIGHTS, tokens=2000, loop=True).reward
    assert looped == pytest.approx((-0.03 if worse else -0.01) - 0.05 - 0.02)


@pytest.mark.parametrize(
    ("verdict", "source", "reward"),
    [
        ("met", "check", 1.0),
        ("met", "person", 1.0),
        ("met", "judge", 0.5),
        ("unmet", "check", -0.5),
        ("unmet", "judge", -0.25),
        ("unverified", "check", 0.0),
        ("unverified", "judge", 0.0),
    ],
)
def test_the_reward_of_an_end(verdict: Any, source: Any, reward: float) -> None:
    assert final_reward(verdict, source, WEIGHTS).reward == pytest.approx(reward)


def test_giving_up_at_once_never_pays() -> None:
    """Forty failing steps and a failed check are worth more than nothing only in what they may bring; giving up is never better."""
    giving_up = final_reward("unmet", "check", WEIGHTS).reward + step_reward(Observation(), WEIGHTS).reward
    trying = 10 * step_reward(Observation(), WEIGHTS).reward
    assert trying + final_reward("met", "check", WEIGHTS).reward > giving_up
    assert trying + final_reward("unverified", "check", WEIGHTS).reward > giving_up
