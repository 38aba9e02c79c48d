"""What is told of learning: advice, why a step was taken, how versions differ, curves and whether it gets better."""

from __future__ import annotations

import dataclasses
import json
import random

import numpy as np
import pytest
from version_world import BAD, policy, record_run

from wornpath.core import Goal, UsageError, to_json
from wornpath.experience.live import Experience
from wornpath.experience.records import Lesson, Outcome
from wornpath.experience.situation import Situation
from wornpath.experience.template import Template
from wornpath.learn.forgetting import remove
from wornpath.policy import assign
from wornpath.policy.advice import advise, target_probabilities
from wornpath.policy.compare import compare_run, differences
from wornpath.policy.counts import CountPolicy
from wornpath.policy.explain import explain
from wornpath.policy.forgetting import mark, runs_of, spoiled, tainted_runs, with_attempts
from wornpath.policy.learnt import LearntPolicy
from wornpath.policy.past import lived
from wornpath.policy.prior import PriorPolicy
from wornpath.policy.registry import Registry
from wornpath.policy.report import curves, policies, status
from wornpath.store import SqliteStore


class Fixed(PriorPolicy):
    """Wants candidate WANTED with probability P."""

    def __init__(self, wanted: int, p: float = 1.0) -> None:
        self.wanted, self.p = wanted, p

    def decide(self, state, candidates, mask, *, explore=False, rng):  # type: ignore[no-untyped-def]
        made = super().decide(state, candidates, mask, rng=rng)
        other = (1 - self.p) / (len(candidates) - 1)
        p = tuple(self.p if i == self.wanted else other for i in range(len(candidates)))
        return dataclasses.replace(made, chosen=self.wanted, probabilities=p)


def logged(store: SqliteStore, n: int = 400) -> None:
    """One-step runs: the second candidate, taken in a fifth of them, always meets the goal, the first never."""
    for i in range(n):
        other = i % 5 == 0
        record_run(store, f"r{i:04d}", "met" if other else "unmet", taken=(int(other),), probability=0.8)


def test_the_estimate_of_a_policy_that_was_tried_is_what_it_earns(store: SqliteStore) -> None:
    logged(store)
    episodes = list(lived(store))
    good = advise(Fixed(1), episodes)
    assert good.estimate == pytest.approx(0.99, abs=1e-6)  # each weighs 1 / 0.2, a fifth of the runs
    assert good.logged == pytest.approx(0.2 * 0.99 + 0.8 * -0.51)
    assert (good.runs, good.deviating) == (400, 80) and good.effective == pytest.approx(80)
    assert good.enough and good.interval[0] < 0.99 < good.interval[1]
    assert advise(Fixed(0), episodes).estimate == pytest.approx(-0.51, abs=1e-6)


def test_without_a_tried_deviation_it_says_so(store: SqliteStore) -> None:
    for i in range(30):
        record_run(store, f"r{i:02d}", "met", taken=(0, 0), probability=1.0)
    advice = advise(Fixed(1), list(lived(store)))
    assert (advice.deviating, advice.effective, advice.enough) == (0, 0.0, False)
    assert "too few to go by" in advice.text
    assert "no run" in advise(Fixed(1), []).text


def test_a_learnt_policy_is_taken_as_it_would_be_deployed(store: SqliteStore) -> None:
    record_run(store, "a")
    t = next(iter(lived(store))).steps[0]
    p, q = target_probabilities(policy(1), t)
    assert p.sum() == pytest.approx(1) and q is not None and p.max() > 0.9
    assert np.isfinite(advise(policy(1), list(lived(store))).estimate)


# -- why -------------------------------------------------------------------------------------------


def test_a_step_is_explained_by_the_past_it_draws_on(store: SqliteStore) -> None:
    record_run(store, "a", "met", taken=(0, 0))
    record_run(store, "b", "unmet", taken=(1, 0))
    record_run(store, "c", "met", taken=(0, 0))
    record_run(store, "d", "met", taken=(0,))
    found = explain(store, "c", 1)
    assert (found["run_id"], found["by"], found["chosen"], found["skipped"]) == ("c", "policy", 0, False)
    first, second = found["candidates"]
    assert (first["tool"], first["prior"], first["probability"]) == ("read_file", 0.6, 0.9)
    assert first["evidence"] == {"runs": 1, "mean_return": pytest.approx(0.9701, abs=1e-4), "success": 1.0}
    assert second["evidence"]["runs"] == 1 and second["evidence"]["success"] == 0.0
    assert [(p["run_id"], p["step"], p["candidate"], p["met"]) for p in found["evidence"]] == [
        ("a", 1, 0, True),
        ("b", 1, 1, False),
    ]
    assert found["outcome"] == {"result": "ok", "reward": -0.01}
    assert found["now"] is None
    json.dumps(found)


def test_the_past_of_a_paused_run_is_what_came_before_it(store: SqliteStore) -> None:
    record_run(store, "a", "met")
    for event in list(store.events("a")):
        if event.type != "run.finished":
            store.append("b", event.type, event.data, step=event.step)
    store.append("b", "run.paused", {"reason": "Ctrl-C"})
    record_run(store, "c", "unmet")
    found = explain(store, "b", 1)
    assert {p["run_id"] for p in found["evidence"]} == {"a"}
    assert found["candidates"][0]["evidence"]["runs"] == 1
    assert [one.run_id for one in lived(store, before="b")] == ["a"]


def test_what_the_version_in_use_would_choose_is_told_too(store: SqliteStore) -> None:
    record_run(store, "a", "met")
    registry = Registry.of(store)
    registry.add(policy(2), {}, why="")
    registry.promote("v1", "")
    now = explain(store, "a", 2)["now"]
    assert now["version"] == "v1" and sum(now["probabilities"]) == pytest.approx(1, abs=1e-3) and len(now["q"]) == 2
    (registry.path("v1") / "policy.json").unlink()
    assert explain(store, "a", 2)["now"] is None


@pytest.mark.parametrize(("run", "step", "said"), [("a", 9, "its steps are 1 to 2"), ("zzz", 1, "no run")])
def test_there_is_no_such_step(store: SqliteStore, run: str, step: int, said: str) -> None:
    record_run(store, "a", "met")
    with pytest.raises(UsageError, match=said):
        explain(store, run, step)


# -- versions side by side -------------------------------------------------------------------------


def test_versions_are_compared_on_logged_decisions(store: SqliteStore) -> None:
    for i in range(4):
        record_run(store, f"r{i}", "met", taken=(0, 0))
    registry = Registry.of(store)
    with pytest.raises(UsageError, match="no candidate"):
        differences(store)
    made = next(p for p in map(policy, range(50)) if _first_choice(store, p) == 1)
    registry.add(made, {"algorithm": "dqn", "episodes": 4}, why="after 4 runs")
    found = differences(store)
    assert (found["a"]["version"], found["b"]["version"]) == ("prior", "v1")
    assert found["decisions"] == 8 and found["different"] >= 4 and found["examples"][0]["a"].startswith("read_file")
    assert found["a"]["runs"] == {"judged": 4, "met": 4}
    assert found["b"]["history"][0]["change"] == "made" and found["b"]["history"][0]["why"] == "after 4 runs"
    assert found["advice"]["deviating"] == 0 and not found["advice"]["enough"]
    json.dumps(found)
    with pytest.raises(UsageError, match="twice"):
        differences(store, "v1", "v1")
    with pytest.raises(UsageError, match="no policy version"):
        differences(store, "v1", "v8")
    steps = compare_run(store, "r0", "prior", "v1")["steps"]
    assert [s["step"] for s in steps] == [1, 2] and len(steps[0]["a"]) == len(steps[0]["candidates"]) == 2
    assert steps[0]["a"][0] > 0.5 > steps[0]["b"][0]


def test_without_a_version_the_counts_are_compared(store: SqliteStore) -> None:
    record_run(store, "a", "met", taken=(0,), recalled={BAD.key: ["T", 20, 0, 0.95]})
    registry = Registry.of(store)
    made = next(p for p in map(policy, range(50)) if _first_choice(store, p) == 1)
    registry.add(made, {}, why="")
    t = next(iter(lived(store))).steps[0]
    acts = assign.policy_for(store, "b", CountPolicy()).decide(t.state, t.candidates, t.mask, rng=random.Random(0))
    assert acts.chosen == 1, "the model's prior alone is for the other one"
    assert differences(store)["different"] == 0
    (step,) = compare_run(store, "a", "prior", "v1")["steps"]
    assert step["a"][1] > 0.8


def _first_choice(store: SqliteStore, made: LearntPolicy) -> int:
    t = next(iter(lived(store))).steps[0]
    return int(made.posterior(t.state, t.candidates, t.mask)[0].argmax())


# -- is it getting better --------------------------------------------------------------------------


def test_curves_have_a_point_a_run_and_marks_of_versions(store: SqliteStore) -> None:
    empty = curves(store)
    assert (empty["points"], empty["versions"], empty["summary"]["success"]) == ([], [], None)
    record_run(store, "a", "unmet", tokens=500)
    record_run(store, "b", "met", tokens=300, family="mail")
    registry = Registry.of(store)
    registry.add(policy(0), {}, why="")
    registry.promote("v1", "")
    record_run(store, "c", "met", tokens=100, version="v1")
    record_run(store, "d", "unverified")
    found = curves(store)
    assert [(p["n"], p["run_id"], p["success"], p["tokens"], p["family"]) for p in found["points"]] == [
        (1, "a", 0, 500, "orders"),
        (2, "b", 1, 300, "mail"),
        (3, "c", 1, 100, "orders"),
        (4, "d", None, 1000, "orders"),
    ]
    assert found["versions"] == [{"version": "v1", "n": 2}]
    assert found["families"] == ["mail", "orders"]
    assert found["summary"]["runs"] == 4 and found["summary"]["success"] == pytest.approx(2 / 3)
    assert found["summary"]["tokens_per_met_goal"] == 950
    mail = curves(store, "mail")
    assert [p["n"] for p in mail["points"]] == [1] and mail["versions"] == [{"version": "v1", "n": 1}]
    listed = policies(store)
    assert listed["current"] == "v1" and listed["policies"][0]["status"] == "promoted"
    json.dumps([found, listed])


def test_runs_that_are_no_experience_are_in_no_curve(store: SqliteStore) -> None:
    stream(store, "+" * 12, [100] * 12)
    for i in range(12):
        record_run(store, f"aside{i:02d}", "unmet", learn=False)
    mark(store, [record_run(store, f"poisoned{i:02d}", "unmet") for i in range(12)], "poisoned")
    assert {p["success"] for p in curves(store)["points"]} == {1} and curves(store)["summary"]["runs"] == 12
    found = status(store)
    assert (found["runs"], found["judged"], found["verdict"]) == (12, 12, "unclear")


def stream(store: SqliteStore, outcomes: str, tokens: list[int], family: str = "orders") -> None:
    for i, (sign, used) in enumerate(zip(outcomes, tokens, strict=True)):
        record_run(store, f"{family}{i:03d}", "met" if sign == "+" else "unmet", tokens=used, family=family, taken=(0,))


def test_better_worse_unclear_and_too_few(store: SqliteStore) -> None:
    stream(store, "+-+", [100] * 3)
    assert status(store)["verdict"] == "too few runs"
    stream(store, "---------+++++++++++", [1000] * 20, "csv")
    found = status(store)
    assert found["verdict"] == "better" and found["success_change"][1] > 0
    assert found["text"].startswith("Getting better: ") and "policy prior" in found["text"]
    families = {f["family"]: f for f in found["families"]}
    assert families["csv"]["early"]["success"] == pytest.approx(0.1) and families["csv"]["late"]["success"] == 1.0


def test_fewer_tokens_at_equal_success_is_better(store: SqliteStore) -> None:
    stream(store, "++++++++++", [1000, 1100, 900, 1000, 1050, 200, 150, 100, 220, 180])
    found = status(store)
    assert found["verdict"] == "better" and found["token_ratio"][2] < 0.5


def test_getting_worse_is_said(store: SqliteStore) -> None:
    stream(store, "++++++++++----------", [1000] * 20)
    assert status(store)["verdict"] == "worse"


def test_no_change_is_unclear(store: SqliteStore) -> None:
    stream(store, "+-" * 10, [1000] * 20)
    assert status(store)["verdict"] == "unclear"


def test_a_new_hard_family_does_not_look_like_a_decline(store: SqliteStore) -> None:
    stream(store, "+" * 10, [1000] * 10, "a-easy")
    stream(store, "-" * 10, [1000] * 10, "b-hard")
    assert status(store)["success_change"][0] == 0.0


# -- forgetting ------------------------------------------------------------------------------------


def test_what_to_forget_is_a_family_or_a_run(store: SqliteStore) -> None:
    for name, family in (
        ("20260101-000001-aaa", "mail"),
        ("20260101-000002-bbb", "orders"),
        ("20260101-000003-ccc", "mail"),
    ):
        record_run(store, name, family=family)
    assert sorted(runs_of(store, "mail")) == ["20260101-000001-aaa", "20260101-000003-ccc"]
    assert runs_of(store, "20260101-000002") == ["20260101-000002-bbb"]
    assert runs_of(store, "bbb") == ["20260101-000002-bbb"]
    assert runs_of(store, "last") == ["20260101-000003-ccc"]
    for what in ("nobody", "20260101", " "):
        with pytest.raises(UsageError):
            runs_of(store, what)


def test_all_runs_that_others_may_have_steered_can_be_meant(store: SqliteStore) -> None:
    for name in ("20260101-000001-aaa", "20260101-000002-bbb"):
        record_run(store, name, family="mail")
    with pytest.raises(UsageError, match="nothing to forget"):
        tainted_runs(store)
    seen = {"observation": {"untrusted": True}, "id": "x", "seconds": 0.0}
    store.append("20260101-000002-bbb", "action.finished", seen, step=1)
    assert tainted_runs(store) == ["20260101-000002-bbb"]


def test_versions_made_before_a_run_are_not_spoiled_by_it(store: SqliteStore) -> None:
    registry = Registry.of(store)
    registry.add(policy(0), {}, why="")
    record_run(store, "a")
    registry.add(policy(0), {}, why="")
    registry.add(policy(0), {}, why="", imported=True)
    assert spoiled(store, registry, ["a"]) == ["v2"]


def begin(store: SqliteStore, run_id: str, workspace: str, parent: str | None = None, **options: object) -> None:
    goal = to_json(Goal("Total the orders", workspace))
    start = {"options": options, "parent": parent, "pid": None}
    store.append_many(run_id, [("run.started", start, 0), ("goal.set", {"goal": goal}, 0)])


def end(store: SqliteStore, run_id: str) -> None:
    store.append(run_id, "run.finished", {"result": {"run_id": run_id, "status": "met"}})


def test_a_run_of_several_attempts_stands_for_them(store: SqliteStore) -> None:
    whole, alone = "20260101-000001-aaa", "20260101-000002-bbb"
    begin(store, whole, "/w", attempts=2)
    for number in "12":
        begin(store, f"20260101-00000{number}-ccc", f"/tmp/{number}", whole)
        end(store, f"20260101-00000{number}-ccc")
    end(store, whole)
    begin(store, alone, "/w")
    end(store, alone)
    attempts = {"20260101-000001-ccc", "20260101-000002-ccc"}
    for last, (parent, place) in enumerate(((whole, "/w"), (whole, "/other"), (alone, "/w"))):  # --continue
        begin(store, f"20260101-00000{last}-ddd", place, parent)
    assert runs_of(store, "aaa")[0] == whole and set(runs_of(store, "aaa")[1:]) == attempts
    assert runs_of(store, whole) == runs_of(store, "aaa")
    assert with_attempts(store, alone) == [alone]
    assert runs_of(store, "20260101-000001-ccc") == ["20260101-000001-ccc"]


def test_what_is_removed_is_in_no_memory_and_in_no_version(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr("wornpath.learn.forgetting.spawn_after_run", lambda store, run_id: started.append(run_id))
    registry, memory, known = Registry.of(store), Experience.of(store).memory, Template("python", {"code": ("Jane",)})
    for number, run_id in enumerate(("a", "b", "c")):
        record_run(store, run_id, learn=run_id != "c")
        if run_id != "c":
            at = Situation(words=frozenset({"sum"}))
            memory.learn(run_id, run_id, at, [Lesson("compute|", known.id, True, 1.0, "action", known)], Outcome(True))
        registry.add(policy(number), {}, why="")
    registry.promote("v1", "")
    registry.promote("v2", "")
    store.append("a", "run.resumed", {"pid": None})
    with pytest.raises(UsageError, match="Run a is still running"):
        remove(store, ["b", "a"])
    assert memory.runs() == {"a", "b"} and registry.current == "v2"
    end(store, "a")
    assert remove(store, ["c"]) == [], "it taught nothing"
    assert registry.current == "v2" and started == []
    mark(store, ["b"], "poisoned")
    assert remove(store, ["b"]) == [], "what was forgotten is in none that is left"
    assert remove(store, ["a"]) == ["v3", "v2", "v1"] and registry.current == "prior" and started == ["last"]
    assert store.runs() == [] and memory.runs() == set() and memory.families() == {}
    assert not memory.knows("a", known.id) and not memory.bodies("a", known.id)
    assert not list((store.root / "policies").glob("v*"))
