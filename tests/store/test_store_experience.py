"""Transitions and episodes out of events, by hand-made runs with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wornpath.core import (
    Action,
    Candidate,
    Decision,
    Evaluation,
    Goal,
    Observation,
    Result,
    RewardWeights,
    State,
    Transition,
    to_json,
)
from wornpath.store.sqlite import SqliteStore

GOAL = Goal("Write report.md", "/w", ("test -s report.md",), weights=RewardWeights(met=2.0, unmet=-1.0))


class Recorder:
    """Writes a run's events in the order that the loop does."""

    def __init__(self, store: SqliteStore, run_id: str = "r1") -> None:
        self.store, self.run_id, self.step = store, run_id, 0
        store.append(run_id, "run.started", {"model": "m1", "policy_version": "v1", "pid": None})
        store.append(run_id, "goal.set", {"goal": to_json(GOAL)})

    def decide(self, *, source: str = "llm") -> Decision:
        self.step += 1
        candidates = (
            Candidate(Action.of("read_file", path=f"{self.step}.txt"), source, 0.75, -0.5),  # type: ignore[arg-type]
            Candidate(Action.of("finish"), "control", 0.25),
        )
        state = State(f"at {self.step}", {"n": self.step})
        made = Decision(state, candidates, 0, (0.75, 0.25), (True, True), by="policy", policy_version="v1")
        self.record("action.decided", decision=to_json(made))
        return made

    def finish(self, result: str = "ok") -> None:
        self.record("action.finished", id="a", observation=to_json(Observation.of("x", result)))  # type: ignore[arg-type]

    def evaluate(self, scope: str, reward: float, *, step: int | None = None, **more: Any) -> None:
        evaluation = to_json(Evaluation(reward, **more))
        self.store.append(
            self.run_id, "evaluation.made", {"scope": scope, "evaluation": evaluation}, step=step or self.step
        )

    def record(self, type: Any, **data: Any) -> None:
        self.store.append(self.run_id, type, data, step=self.step)

    def end(self, status: Any, reward: float = 0.0) -> None:
        result = Result(self.run_id, status, reward=reward, steps=self.step)
        self.record("run.finished", result=result.as_dict())


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "home")


def three_steps(store: SqliteStore) -> Recorder:
    run = Recorder(store)
    for n, result in enumerate(("ok", "error", "ok"), 1):
        run.decide()
        run.finish(result)
        run.evaluate("step", -0.125 * n)
    return run


def test_a_met_run(store: SqliteStore) -> None:
    run = three_steps(store)
    run.evaluate("subtask", 0.25)
    run.evaluate("run", 2.0, verdict="met", source="check")
    run.end("met", 1.5)
    steps = list(store.transitions())
    assert [t.reward for t in steps] == [-0.125, -0.25, -0.375 + 0.25 + 2.0]
    assert [t.terminated for t in steps] == [False, False, True]
    assert not any(t.truncated for t in steps)
    assert [t.next_state.text if t.next_state else None for t in steps] == ["at 2", "at 3", None]
    assert [t.result for t in steps] == ["ok", "error", "ok"]
    first = steps[0]
    assert first == Transition(
        run_id="r1",
        step=1,
        state=State("at 1", {"n": 1}),
        candidates=first.candidates,
        chosen=0,
        probabilities=(0.75, 0.25),
        mask=(True, True),
        reward=-0.125,
        next_state=State("at 2", {"n": 2}),
        policy_version="v1",
        model="m1",
        verdict_source="check",
    )
    assert first.candidates[0] == Candidate(Action.of("read_file", path="1.txt"), "llm", 0.75, -0.5)
    (episode,) = store.episodes("r1")
    assert episode.goal == GOAL and episode.met and episode.transitions == tuple(steps)
    assert episode.result.reward == 1.5 == sum(t.reward for t in steps)


@pytest.mark.parametrize("status", ["met", "unmet", "unverified"])
def test_a_verdict_terminates(store: SqliteStore, status: str) -> None:
    three_steps(store).end(status)
    assert [(t.terminated, t.truncated) for t in store.transitions()][-1] == (True, False)


@pytest.mark.parametrize("status", ["budget", "cancelled", "error", "needs_person", "paused"])
def test_anything_else_cuts_the_episode_short(store: SqliteStore, status: str) -> None:
    run = three_steps(store)
    if status == "paused":
        run.record("run.paused", reason="Ctrl-C")
    else:
        run.end(status)
    assert [(t.terminated, t.truncated) for t in store.transitions()][-1] == (False, True)
    assert len(list(store.episodes())) == (status != "paused")


def test_a_run_goes_on_after_a_pause_as_if_nothing_had_been(store: SqliteStore) -> None:
    run = three_steps(store)
    run.end("needs_person")
    run.record("run.resumed", pid=1)
    assert not list(store.episodes())
    run.decide()
    run.finish()
    run.end("met")
    steps = list(store.transitions())
    assert [t.truncated for t in steps] == [False] * 4
    assert steps[2].next_state == steps[3].state


def test_an_action_whose_outcome_is_unknown_is_left_out(store: SqliteStore) -> None:
    run = three_steps(store)
    run.decide()  # killed here
    run.record("run.resumed", pid=1)
    run.step -= 1
    run.decide()
    run.finish()
    run.evaluate("step", 0.5)
    run.end("met")
    steps = list(store.transitions())
    assert [t.step for t in steps] == [1, 2, 3, 4]
    assert steps[3].reward == 0.5


def test_control_actions_count_though_no_tool_runs(store: SqliteStore) -> None:
    run = Recorder(store)
    run.decide(source="control")
    run.end("met")
    assert len(list(store.transitions())) == 1


def test_late_evaluations_find_their_step(store: SqliteStore) -> None:
    run = three_steps(store)
    run.evaluate("step", 8.0, step=1)
    assert [t.reward for t in store.transitions()] == [7.875, -0.25, -0.375]


def test_a_rating_takes_the_place_of_the_verdict_only(store: SqliteStore) -> None:
    run = three_steps(store)
    run.evaluate("run", 2.0 * 0.5, verdict="met", source="judge")
    run.end("met", 0.25)
    run.record("person.said", kind="rating", rating="bad", text="wrong year")
    steps = list(store.transitions())
    assert [t.reward for t in steps] == [-0.125, -0.25, -0.375 - 1.0]
    assert {t.verdict_source for t in steps} == {"person"}
    (episode,) = store.episodes()
    assert (episode.result.status, episode.result.reward, episode.result.verdict_source) == ("unmet", -1.75, "person")
    run.evaluate("run", -1.0, verdict="unmet", source="person")  # saying it twice does not count twice
    assert [t.reward for t in store.transitions()] == [-0.125, -0.25, -1.375]
    run.record("person.said", kind="rating", rating="good", text="sorry")
    assert [t.reward for t in store.transitions()][-1] == -0.375 + 2.0


def test_a_rating_where_there_was_no_verdict(store: SqliteStore) -> None:
    run = three_steps(store)
    run.end("budget", -0.75)
    run.record("person.said", kind="rating", rating="good", text="")
    last = list(store.transitions())[-1]
    assert (last.reward, last.terminated, last.truncated) == (-0.375 + 2.0, True, False)
    (episode,) = store.episodes()
    assert (episode.result.status, episode.result.reward) == ("met", 1.25)
    run.record("person.said", kind="rating", rating="bad", text="")
    (episode,) = store.episodes()
    assert (episode.result.status, episode.transitions[-1].terminated) == ("unmet", True)
    run.record("person.said", kind="rating", rating="none", text="")
    (episode,) = store.episodes()
    assert (episode.result.status, episode.transitions[-1].truncated) == ("budget", True)


@pytest.mark.parametrize("status", ["cancelled", "error", "needs_person"])
def test_a_rating_judges_no_run_that_broke_off(store: SqliteStore, status: str) -> None:
    run = three_steps(store)
    run.end(status)
    run.record("person.said", kind="rating", rating="good", text="")
    (episode,) = store.episodes()
    assert episode.result.status == status and episode.transitions[-1].truncated


def test_several_verdicts_in_one_run_add_up_as_in_its_result(store: SqliteStore) -> None:
    run = three_steps(store)
    run.evaluate("run", -1.0, verdict="unmet", source="check")
    run.decide()
    run.finish()
    run.evaluate("run", 2.0, verdict="met", source="check")
    run.end("met", 0.25)
    assert sum(t.reward for t in store.transitions()) == 0.25 == store.run("r1").reward


def test_runs_are_kept_apart_however_their_events_are_mixed(store: SqliteStore) -> None:
    one, two = Recorder(store, "r1"), Recorder(store, "r2")
    for _ in range(3):
        for run in (two, one):
            run.decide()
            run.finish()
            run.evaluate("step", 1.0 if run is one else 2.0)
    one.end("met")
    two.end("budget")
    assert [(t.run_id, t.reward) for t in store.transitions()] == [("r1", 1.0)] * 3 + [("r2", 2.0)] * 3
    assert [t.run_id for t in store.transitions("r2")] == ["r2"] * 3
    assert [e.result.run_id for e in store.episodes()] == ["r1", "r2"]


def test_one_odd_record_does_not_take_the_others_with_it(store: SqliteStore) -> None:
    run = three_steps(store)
    run.record("action.decided", decision={"state": 3, "candidates": "?"})
    run.record("evaluation.made", scope="step", evaluation={"reward": "lots"})
    run.end("met")
    assert len(list(store.transitions())) == 3
