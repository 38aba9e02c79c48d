"""Learning from the event store: what is taken from past runs, and whether the policy prefers what went well."""

from __future__ import annotations

import math
import random
import threading

import numpy as np
import pytest
from version_world import record_run

from wornpath.core import UsageError
from wornpath.learn.after import MIN_EPISODES, after_run, balanced, learn_afresh, train_candidate
from wornpath.learn.forgetting import forget
from wornpath.policy import live
from wornpath.policy.files import file_lock
from wornpath.policy.past import Lived, counted, lived
from wornpath.policy.registry import FOLDER, Registry
from wornpath.store import SqliteStore

pytest.importorskip("torch")

from wornpath.learn.live import LiveConfig, inputs_of, learn, steps_of


def log(store: SqliteStore, runs: int = 12, **more: object) -> None:
    """Runs in which reading the orders leads to success and listing the old folder does not."""
    for i in range(runs):
        good = i % 2 == 0
        taken = (0, 0) if good else (1, 1)
        record_run(store, f"r{i:03d}", "met" if good else "unmet", taken=taken, probability=0.5, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", ["dqn", "ppo"])
def test_it_learns_to_prefer_what_went_well(store: SqliteStore, algorithm: str) -> None:
    log(store)
    episodes = list(lived(store))
    learnt = learn(episodes, LiveConfig(algorithm, seed=1))  # type: ignore[arg-type]
    t = episodes[0].steps[0]
    p = learnt.policy.posterior(t.state, t.candidates, t.mask)[0]
    assert p[0] > 0.9  # the prior says 0.58
    assert learnt.info["episodes"] == 12 and learnt.info["families"] == {"orders": 12}
    decision = learnt.policy.decide(t.state, t.candidates, t.mask, rng=random.Random(0))
    assert decision.chosen == 0 and decision.value is not None
    if algorithm == "dqn":
        success = learnt.policy.success(t.state, t.candidates)
        assert success is not None and success[0] > 0.6 > 0.4 > success[1]
        assert learnt.info["metrics"]["brier"] < learnt.info["metrics"]["brier_base"]


def test_equal_seeds_give_equal_weights_and_updates_stay_within_their_seconds(store: SqliteStore) -> None:
    log(store)
    episodes = list(lived(store))
    first, second = (learn(episodes, LiveConfig(seed=3, updates=40, clone_updates=20)) for _ in range(2))
    assert all((first.policy.network.weights[k] == v).all() for k, v in second.policy.network.weights.items())
    assert first.info["updates"] == 60
    stopped = learn(episodes, LiveConfig(updates=10_000, max_cpu_s=0.0))
    assert stopped.info["updates"] == 0


def test_warm_start_goes_on_from_the_weights_given(store: SqliteStore) -> None:
    log(store)
    episodes = list(lived(store))
    first = learn(episodes, LiveConfig(updates=20))
    again = learn(episodes, LiveConfig(updates=0, clone_updates=0), start=first.policy)
    assert again.info["warm"] and not first.info["warm"]
    assert all((again.policy.network.weights[k] == v).all() for k, v in first.policy.network.weights.items())


def test_a_cut_run_is_bootstrapped_and_an_ended_one_is_not(store: SqliteStore) -> None:
    record_run(store, "a", "met")
    record_run(store, "b", "budget")
    record_run(store, "c", "unverified")
    met, cut, open_ = lived(store)
    learner = __import__("wornpath.learn.live", fromlist=["_learner"])._learner(LiveConfig())
    steps = {e.run_id: steps_of(e, learner, counted([]), 1.0) for e in (met, cut, open_)}
    assert steps["a"][-1].after is None and not steps["a"][-1].truncated
    assert steps["b"][-1].after is not None and steps["b"][-1].truncated
    assert [s.success for s in (steps["a"][0], steps["b"][0])] == [1.0, 0.0]
    assert math.isnan(steps["c"][0].success)
    assert steps["a"][0].after is steps["a"][1].inputs


def test_only_clean_successes_are_cloned(store: SqliteStore) -> None:
    record_run(store, "a", "met", results=("ok", "error"))
    record_run(store, "b", "met", by_check=False)
    record_run(store, "c", "unmet")
    learner = __import__("wornpath.learn.live", fromlist=["_learner"])._learner(LiveConfig())
    shown = [[s.demo for s in steps_of(e, learner, counted([]), 1.0)] for e in lived(store)]
    assert shown == [[True, False], [False, False], [False, False]]


def test_other_models_judges_and_common_families_weigh_less(store: SqliteStore) -> None:
    from wornpath.learn.live import _family_weights, _weight

    for i in range(6):
        record_run(store, f"a{i}", family="often")
    record_run(store, "b", family="seldom")
    record_run(store, "c", family="seldom", model="m2")
    record_run(store, "d", family="seldom", by_check=False)
    episodes, config = list(lived(store)), LiveConfig()
    weights = _family_weights(episodes, config)
    assert weights["often"] < 1 < weights["seldom"]
    per = {e.run_id: _weight(e, "m1", weights, config) for e in episodes}
    assert per["c"] == pytest.approx(config.other_model * per["b"])
    assert per["d"] == pytest.approx(config.judged * per["b"])


def test_neither_source_nor_prior_nor_cost_reaches_the_network(store: SqliteStore) -> None:
    import dataclasses

    record_run(store, "a")
    t = next(iter(lived(store))).steps[0]
    changed = tuple(
        dataclasses.replace(c, source="recalled", prior=0.01, logprob=-9.0, note="cheap") for c in t.candidates
    )
    assert (live.rows(t.state, t.candidates) == live.rows(t.state, changed)).all()
    inputs = inputs_of(t, counted([]), 2.0)
    assert inputs.rows.shape == (2, live.WIDTH) and np.isfinite(inputs.rows).all()


def test_forgotten_runs_and_runs_not_to_learn_from_are_no_experience(store: SqliteStore) -> None:
    record_run(store, "a")
    record_run(store, "b", learn=False)
    record_run(store, "c")
    store.append("c", "person.said", {"kind": "forget", "text": "poisoned"})
    assert [e.run_id for e in lived(store)] == ["a"]
    assert {t.run_id for t in store.transitions()} == {"a"}
    assert {e.result.run_id for e in store.episodes()} == {"a"}
    assert len(list(store.transitions("c"))) == 2  # its history can still be looked at


def test_too_little_is_not_trained_on(store: SqliteStore) -> None:
    log(store, MIN_EPISODES - 1)
    made, said = train_candidate(store, quick=True)
    assert made is None and "too few" in said
    assert Registry.of(store).versions() == []


def test_after_a_run_a_candidate_is_made_and_then_tried(store: SqliteStore) -> None:
    log(store)
    said: list[str] = []
    after_run(store, "r011", said.append)
    registry = Registry.of(store)
    assert [v.version for v in registry.versions()] == ["v1"]
    assert registry.info("v1").episodes == 12 and "v1 was made" in said[-1]
    after_run(store, "r011", said.append)
    assert registry.trial == "v1"
    second = registry.info("v2")
    assert second.parent == "v1" and registry.current == "prior"
    assert registry.learnt("v2").network.spec.view == "live"


def test_two_learners_never_work_at_once_and_no_run_is_missed(store: SqliteStore) -> None:
    log(store)
    said: list[str] = []
    folder = store.root / FOLDER
    folder.mkdir()
    with file_lock(folder / "learn.lock"):
        after_run(store, "r000", said.append)
    assert "another learner" in said[0] and Registry.of(store).versions() == []
    assert (folder / "again").exists()  # the word that the one at work would see when it is done
    after_run(store, "r001", said.append)
    assert not (folder / "again").exists() and len(Registry.of(store).versions()) == 1


def test_what_is_forgotten_while_a_learner_is_at_work_is_in_no_version(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(store)
    waits, real, seen = threading.Event(), learn, []

    def person() -> None:
        try:
            forget(store, ["r003"], "poisoned", lambda line: waits.set())
        finally:
            waits.set()

    def trained(episodes: list[Lived], *more: object, **options: object) -> object:
        seen.append({e.run_id for e in episodes})
        if len(seen) == 1:  # the log is read, the version not made yet
            forgetting.start()
            assert waits.wait(60)
        return real(episodes, *more, **options)  # type: ignore[arg-type]

    forgetting = threading.Thread(target=person)
    monkeypatch.setattr("wornpath.learn.live.learn", trained)
    after_run(store, "r011", lambda line: None)
    forgetting.join()
    registry = Registry.of(store)
    assert ["r003" in runs for runs in seen] == [True, False]
    assert [(v.version, v.removed, v.parent) for v in registry.versions()] == [("v2", False, ""), ("v1", True, "")]


def test_who_forgets_sees_to_the_runs_that_end_meanwhile(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    log(store)
    said: list[str] = []
    started: list[str] = []
    real = learn

    def trained(*given: object, **options: object) -> object:
        after_run(store, "r011", said.append)
        return real(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("wornpath.learn.after.spawn_after_run", lambda store, run_id: started.append(run_id))
    forget(store, ["r003"], "poisoned")
    assert started == []
    monkeypatch.setattr("wornpath.learn.live.learn", trained)
    forget(store, ["r005"], "poisoned")
    assert "another learner" in said[0] and started == ["last"]
    assert store.run("last").run_id == "r011"


def test_a_short_look_takes_the_newest_of_every_family() -> None:
    def one(i: int, family: str) -> Lived:
        return Lived(f"{i:03d}", family, "prior", "m", 1.0, "check", 0, (None,) * 10)  # type: ignore[arg-type]

    episodes = [one(i, "often") for i in range(50)] + [one(50, "seldom")] + [one(i, "often") for i in range(51, 99)]
    kept = balanced(episodes, most=50)
    assert [e.run_id for e in kept] == ["050", "095", "096", "097", "098"]


def test_learning_afresh_does_not_start_from_old_weights(store: SqliteStore) -> None:
    log(store)
    train_candidate(store)
    name, said = learn_afresh(store)
    assert name == "v2" and Registry.of(store).info("v2").parent == ""
    assert "was made" in said
    with pytest.raises(UsageError):
        Registry.of(store).load("v3")
