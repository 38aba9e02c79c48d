"""When a candidate is promoted or refused, and when what is in use is taken back."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from version_world import policy, record_run

from wornpath.core import UsageError
from wornpath.experience.reading import read_run
from wornpath.judge.person import rate
from wornpath.policy import promotion, trials
from wornpath.policy.forgetting import mark
from wornpath.policy.past import lived
from wornpath.policy.registry import PRIOR, Registry
from wornpath.policy.report import curves
from wornpath.policy.trials import Pair
from wornpath.store import SqliteStore

Outcomes = Sequence[tuple[str, bool]]


def pairs(both: int = 0, won: int = 0, lost: int = 0, neither: int = 0, new_tokens: int = 100) -> list[Pair]:
    rows = [(True, True)] * both + [(False, True)] * won + [(True, False)] * lost + [(False, False)] * neither
    return [Pair(old, new, 100, new_tokens) for old, new in rows]


def test_the_sign_test_is_the_binomial_tail() -> None:
    assert trials.sign_test(0, 0) == 1.0
    assert trials.sign_test(5, 0) == pytest.approx(1 / 32)
    assert trials.sign_test(4, 1) == pytest.approx(6 / 32)


@pytest.mark.parametrize(
    ("trial", "decision"),
    [
        ({}, "undecided"),
        ({"both": 4, "new_tokens": 10}, "undecided"),  # four wins of four: p = .06
        ({"both": 5, "new_tokens": 10}, "promote"),
        ({"both": 5, "new_tokens": 100}, "undecided"),  # as many tokens, no difference at all
        ({"won": 5}, "promote"),
        ({"won": 4}, "undecided"),
        ({"lost": 4}, "refuse"),
        ({"lost": 3}, "undecided"),
        ({"both": 20, "lost": 1, "new_tokens": 10}, "undecided"),  # cheaper, but it lost more goals than it won
        ({"both": 20, "lost": 1, "won": 1, "new_tokens": 10}, "promote"),
        ({"both": 20, "lost": 4, "new_tokens": 1}, "refuse"),
    ],
)
def test_paired_trials(trial: dict[str, int], decision: str) -> None:
    ruling = trials.paired(pairs(**trial))
    assert ruling.decision == decision and ruling.figures["pairs"] == len(pairs(**trial))


def simulated(rate: float, n: int, rng: random.Random) -> Outcomes:
    return [("f", rng.random() < rate) for _ in range(n)]


def test_the_canary_keeps_its_error_bounds() -> None:
    """With a long baseline the chance to promote what is worse by DELTA is at most 5.6 %, to refuse what is as good 10.5 %."""
    rng, rate = random.Random(0), 0.75
    baseline = [("f", i % 4 != 0) for i in range(2000)]
    decided = {"same": [0, 0], "worse": [0, 0]}
    for _ in range(1500):
        for name, real in (("same", rate), ("worse", rate - trials.DELTA)):
            ruling = trials.canary(simulated(real, 300, rng), baseline)
            decided[name][0] += ruling.decision == "promote"
            decided[name][1] += ruling.decision == "refuse"
    assert decided["worse"][0] / 1500 < trials.PROMOTED + 0.018  # three standard errors
    assert decided["same"][1] / 1500 < trials.REFUSED + 0.024
    assert decided["same"][0] / 1500 > 0.85


@pytest.mark.parametrize(("met", "threshold", "error"), [(True, "promote_at", 0.0556), (False, "refuse_at", 0.1053)])
def test_a_ruling_names_the_error_that_its_threshold_allows(met: bool, threshold: str, error: float) -> None:
    """Wald: the chance of a wrong ruling is at most exp(-|threshold|)."""
    ruling = trials.canary([("f", met)] * 60, [("f", i % 4 != 0) for i in range(200)])
    assert math.exp(-abs(ruling.figures[threshold])) == pytest.approx(error, abs=1e-4)
    assert f"error at most {100 * error:.1f} %" in ruling.why


def test_the_canary_waits_for_something_to_compare_with() -> None:
    ruling = trials.canary([("f", True)] * 100, [("f", True)] * (trials.MIN_BASELINE - 1))
    assert ruling.decision == "undecided" and "only 7 judged runs" in ruling.why


def test_a_family_is_held_against_its_own_rate() -> None:
    """A candidate that is given the hard family is not refused for it."""
    baseline = [("easy", True)] * 40 + [("hard", False)] * 40
    assert trials.canary([("hard", False)] * 30, baseline).decision != "refuse"
    assert trials.canary([("easy", False)] * 6, baseline).decision == "refuse"


@given(st.lists(st.booleans(), max_size=60), st.floats(0, 1))
def test_a_success_never_speaks_for_a_loss(outcomes: list[bool], rate: float) -> None:
    for met in outcomes:
        evidence = trials.evidence_of_loss(met, rate, trials.DROP)
        assert math.isfinite(evidence) and (evidence < 0) == met


def test_false_alarms_are_rare_and_failures_are_found_at_once() -> None:
    rng = random.Random(1)
    times = []
    for _ in range(200):
        runs = simulated(0.8, 600, rng)
        alarm = trials.failing(runs, {}, 0.8)
        times.append(alarm.figures["runs"] if alarm else 600)
    assert sum(times) / len(times) > 100
    assert trials.failing([("f", True)] * 20 + [("f", False)] * 6, {}, 0.8) is not None
    assert trials.failing([("f", True)] * 20 + [("f", False)] * 5, {}, 0.8) is None
    assert trials.failing([("f", True)] * 20 + [("f", False)] * 4, {}, 0.9) is not None


# -- on a store ------------------------------------------------------------------------------------


def with_versions(store: SqliteStore, n: int = 1) -> Registry:
    registry = Registry.of(store)
    for _ in range(n):
        registry.add(policy(0), {"algorithm": "dqn", "episodes": 1}, why="")
    return registry


def runs(
    store: SqliteStore, n: int, version: str, status: str = "met", *, mark: str = "", learn: bool = True
) -> list[str]:
    names = [f"{mark or version}-{status}-{i:03d}" for i in range(n)]
    return [record_run(store, name, status, version=version, taken=(0,), learn=learn) for name in names]


def test_a_candidate_is_tried_and_promoted_by_real_runs(store: SqliteStore) -> None:
    registry = with_versions(store)
    runs(store, 12, "prior")
    runs(store, 3, "counts", "unmet")  # acted without learnt weights: part of the baseline too
    assert promotion.watch(store) == ["v1 is on trial"]
    runs(store, 8, "v1")
    assert promotion.watch(store) == []
    runs(store, 4, "v1", mark="more")
    said = promotion.watch(store)
    assert len(said) == 1 and said[0].startswith("v1 was promoted") and "not worse by 20%" in said[0]
    assert registry.current == "v1" and registry.info("v1").baseline == pytest.approx(13 / 17, abs=1e-3)
    event = next(e for e in store.events("", types=("policy.changed",)) if e.data["change"] == "promoted")
    assert event.data["figures"]["runs"] == 10 and event.data["previous"] == PRIOR


def test_a_worse_candidate_is_refused_and_the_next_one_tried(store: SqliteStore) -> None:
    registry = with_versions(store)
    runs(store, 12, "prior")
    promotion.watch(store)
    with_versions(store)
    runs(store, 8, "v1", "unmet")
    said = promotion.watch(store)
    assert said[0].startswith("v1 was refused") and said[1] == "v2 is on trial"
    assert registry.info("v1").status == "retired" and registry.current == PRIOR


def test_an_endless_trial_ends(store: SqliteStore) -> None:
    registry = with_versions(store)
    promotion.watch(store)
    runs(store, promotion.MAX_TRIAL_RUNS, "v1")  # nothing to compare with
    assert "did not decide" in promotion.watch(store)[0]
    assert registry.info("v1").status == "retired"


def test_imported_versions_wait_for_a_person(store: SqliteStore) -> None:
    Registry.of(store).add(policy(0), {}, why="", imported=True)
    assert promotion.watch(store) == []


def test_a_run_of_failures_rolls_back(store: SqliteStore) -> None:
    registry = with_versions(store)
    runs(store, 16, "prior")
    runs(store, 4, "prior", "unmet")
    assert promotion.promote(store, "v1", "a person's decision") == PRIOR
    runs(store, 4, "v1")
    runs(store, 4, "v1", "unmet")
    assert promotion.watch(store) == []
    runs(store, 2, "v1", "unmet", mark="late")
    said = promotion.watch(store)
    assert said[0].startswith("v1 was rolled back to prior: 6 of the last 6 runs failed")
    assert registry.current == PRIOR and registry.info("v1").status == "retired"


def test_what_was_in_use_before_is_what_a_version_is_held_against(store: SqliteStore) -> None:
    """Where `v1` met nothing, going on like it would be no alarm; where the prior was put back after it, it is one."""
    registry = with_versions(store, 2)
    promotion.promote(store, "v1", "a person's decision")
    runs(store, 20, "v1", "unmet")
    promotion.promote(store, PRIOR, "a person's decision")
    runs(store, 20, "prior")
    registry.promote("v2", "a person's decision")
    runs(store, 4, "v2", "unmet")
    assert promotion.watch(store)[0].startswith("v2 was rolled back to prior: ")
    assert registry.current == PRIOR


def test_runs_from_before_a_promotion_do_not_count_against_it(store: SqliteStore) -> None:
    registry = with_versions(store)
    runs(store, 10, "prior")
    runs(store, 12, "v1", "unmet")
    promotion.promote(store, "v1", "again")
    assert promotion.watch(store) == [] and registry.current == "v1"


def test_runs_that_are_no_experience_decide_nothing(store: SqliteStore) -> None:
    registry = with_versions(store, 2)
    runs(store, 12, "prior")
    promotion.promote(store, "v1", "a person's decision")
    runs(store, 12, "v1")
    runs(store, 12, "v1", "unmet", mark="aside", learn=False)
    assert promotion.watch(store) == ["v2 is on trial"] and registry.current == "v1"
    mark(store, runs(store, 12, "v2", "unmet"), "poisoned")
    mark(store, runs(store, 12, "v2", mark="poisoned"), "poisoned")
    runs(store, 12, "v2", mark="aside", learn=False)
    assert promotion.watch(store) == [] and registry.trial == "v2"
    assert promotion.Outcomes(store).of("v2") == []


def test_a_person_s_word_counts_before_a_limit(store: SqliteStore) -> None:
    """For the networks, the memory, the trials and the curves alike; the run itself can still be resumed."""
    good, bad, unrated = (record_run(store, name, "budget") for name in ("a", "b", "c"))
    for run_id, rating in ((good, "good"), (bad, "bad")):
        rate(store, store.run(run_id), rating)  # type: ignore[arg-type]
    assert [(one.success, one.steps[-1].truncated) for one in lived(store)] == [(1, False), (0, False), (0, True)]
    assert [read_run(store.events(run_id)).met for run_id in (good, bad, unrated)][:2] == [True, False]
    assert [met for _, met in promotion.Outcomes(store).of(PRIOR)] == [True, False, False]
    assert [p["success"] for p in curves(store)["points"]] == [1, 0, 0]
    assert {info.status for info in store.runs()} == {"budget"}


def test_promoting_what_is_not_there(store: SqliteStore) -> None:
    with pytest.raises(UsageError, match="no policy version"):
        promotion.promote(store, "v1", "")
