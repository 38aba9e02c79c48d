"""Versions: candidates, promotion, rollback, trials, and what happens when files are damaged."""

from __future__ import annotations

import json
import random
import sys
import threading
from pathlib import Path

import pytest
from version_world import policy

from wornpath.core import Action, Candidate, State, UsageError
from wornpath.policy import assign
from wornpath.policy.counts import CountPolicy
from wornpath.policy.files import file_lock
from wornpath.policy.registry import KEPT_CANDIDATES, PRIOR, Registry
from wornpath.store import SqliteStore

INFO = {"algorithm": "dqn", "episodes": 7, "metrics": {"brier": 0.2}}
OFFER = [Candidate(Action.of("read_file", path=p), "llm", 0.5) for p in ("a.txt", "b.txt")]


def changes(store: SqliteStore) -> list[tuple[str, str, str]]:
    events = store.events("", types=("policy.changed",))
    return [(e.data["change"], e.data["version"], e.data["previous"]) for e in events]


def test_a_version_goes_from_candidate_to_promoted_to_retired_and_back(store: SqliteStore) -> None:
    registry = Registry.of(store)
    assert (registry.current, registry.versions(), registry.load().version) == (PRIOR, [], PRIOR)
    first = registry.add(policy(1), INFO, why="after 7 runs")
    assert (first.version, first.status, first.episodes, first.metrics) == ("v1", "candidate", 7, {"brier": 0.2})
    registry.add(policy(2), INFO, why="after 8 runs", parent="v1")
    registry.promote("v1", "trial won", baseline=0.5, figures={"pairs": 9})
    assert (registry.current, registry.info("v1").status, registry.info("v1").baseline) == ("v1", "promoted", 0.5)
    registry.promote("v2", "better")
    assert [v.status for v in registry.versions()] == ["promoted", "retired"]
    assert registry.history == (PRIOR, "v1", "v2")
    assert registry.rollback("it fails") == "v1"
    assert [(v.version, v.status) for v in registry.versions()] == [("v2", "retired"), ("v1", "promoted")]
    assert registry.rollback("it fails too") == PRIOR
    assert registry.current == PRIOR
    with pytest.raises(UsageError, match="nothing to roll back"):
        registry.rollback("again")
    assert changes(store) == [
        ("made", "v1", ""),
        ("made", "v2", ""),
        ("promoted", "v1", PRIOR),
        ("promoted", "v2", "v1"),
        ("rolled back", "v1", "v2"),
        ("rolled back", PRIOR, "v1"),
    ]


def test_the_prior_can_be_put_back_and_versions_stay_immutable(store: SqliteStore) -> None:
    registry = Registry.of(store)
    registry.add(policy(1), INFO, why="")
    before = {p.name: p.read_bytes() for p in registry.path("v1").iterdir()}
    registry.promote("v1", "good")
    registry.promote(PRIOR, "a person's decision")
    assert registry.current == PRIOR and registry.info("v1").status == "retired"
    assert {p.name: p.read_bytes() for p in registry.path("v1").iterdir()} == before
    with pytest.raises(UsageError, match="in use already"):
        registry.promote(PRIOR, "again")


def test_a_rollback_goes_back_to_the_prior_where_that_was_in_use(store: SqliteStore) -> None:
    registry = Registry.of(store)
    for _ in range(2):
        registry.add(policy(1), INFO, why="")
    registry.promote("v1", "")
    registry.promote(PRIOR, "a person's decision: v1 is bad")
    registry.promote("v2", "")
    assert (registry.history, registry.before) == (("v1", PRIOR, "v2"), PRIOR)
    assert registry.rollback("v2 is bad too") == PRIOR
    assert (registry.current, registry.history) == (PRIOR, ("v1", PRIOR))
    registry.promote("v1", "once more")
    assert registry.rollback("still bad") == PRIOR


def test_a_history_of_an_older_release_lacks_the_prior(store: SqliteStore) -> None:
    registry = Registry.of(store)
    for _ in range(2):
        registry.add(policy(1), INFO, why="")
    file = registry.folder / "registry.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "history": ["v1"]}))
    assert registry.history == ("v1", PRIOR)
    registry.promote("v2", "")
    assert registry.rollback("bad") == PRIOR
    file.write_text(json.dumps({**json.loads(file.read_text()), "history": ["v1"], "current": "v1"}))
    assert (registry.history, registry.before) == (("v1",), PRIOR)


def test_what_is_loaded_decides_like_what_was_added(store: SqliteStore) -> None:
    registry, made = Registry.of(store), policy(3)
    registry.add(made, INFO, why="")
    state = State("Goal: x", {"goal": "read b"})
    ours, theirs = (p.decide(state, OFFER, [True, True], rng=random.Random(0)) for p in (made, registry.load("v1")))
    assert ours == theirs and theirs.policy_version == "v1"


def test_old_candidates_lose_their_files_but_not_those_in_use_or_on_trial(store: SqliteStore) -> None:
    registry = Registry.of(store)
    registry.add(policy(0), INFO, why="")
    registry.promote("v1", "")
    registry.add(policy(0), INFO, why="")
    registry.try_out("v2", "newest")
    for _ in range(KEPT_CANDIDATES + 2):
        registry.add(policy(0), INFO, why="")
    removed = {v.version for v in registry.versions() if v.removed}
    assert removed == {"v3", "v4"}
    assert {p.name for p in registry.folder.iterdir() if p.is_dir()} == {"v1", "v2", "v5", "v6", "v7"}
    with pytest.raises(UsageError, match="files were removed"):
        registry.promote("v3", "")


def test_only_candidates_are_tried_and_a_refused_one_is_retired(store: SqliteStore) -> None:
    registry = Registry.of(store)
    registry.add(policy(0), INFO, why="")
    registry.try_out("v1", "newest")
    assert registry.trial == "v1"
    registry.retire("v1", "worse", change="refused", figures={"runs": 12})
    assert (registry.trial, registry.info("v1").status, registry.info("v1").why) == ("", "retired", "worse")
    with pytest.raises(UsageError, match="only a candidate"):
        registry.try_out("v1", "again")


def test_retiring_what_is_in_use_rolls_back(store: SqliteStore) -> None:
    registry = Registry.of(store)
    for _ in range(2):
        registry.add(policy(0), INFO, why="")
    registry.promote("v1", "")
    registry.promote("v2", "")
    registry.retire("v2", "to be forgotten", change="forgotten", remove=True)
    assert (registry.current, registry.history, registry.path("v2").exists()) == ("v1", (PRIOR, "v1"), False)


@pytest.mark.parametrize("name", ["v9", "../v1", "", "v1/../v1"])
def test_versions_that_are_not_there(store: SqliteStore, name: str) -> None:
    registry = Registry.of(store)
    registry.add(policy(0), INFO, why="")
    for call in (registry.load, registry.path, lambda n: registry.promote(n, ""), lambda n: registry.try_out(n, "")):
        with pytest.raises(UsageError, match="no policy version"):
            call(name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": "other"}', "damaged"),
        ('{"format": "wornpath-policies", "format_version": 9}', "another release"),
        ('{"format": "wornpath-policies", "format_version": 1, "versions": {"v1": 3}}', "damaged"),
    ],
)
def test_a_damaged_registry_is_named_and_a_run_goes_on_with_the_prior(store: SqliteStore, text: str, said: str) -> None:
    registry = Registry.of(store)
    registry.folder.mkdir(parents=True)
    (registry.folder / "registry.json").write_text(text)
    with pytest.raises(UsageError, match=said):
        registry.versions()
    assert assign.policy_for(store, "r1").version == PRIOR


def test_a_version_that_cannot_be_read_never_stops_a_run(store: SqliteStore) -> None:
    registry = Registry.of(store)
    registry.add(policy(1), INFO, why="")
    registry.add(policy(2), INFO, why="")
    registry.promote("v1", "")
    registry.promote("v2", "")
    (registry.path("v2") / "policy.safetensors").write_bytes(b"")
    assert assign.policy_for(store, "r1").version == "v1"
    assert registry.info("v2").status == "retired" and "cannot be used" in registry.info("v2").why
    (registry.path("v1") / "policy.json").unlink()
    assert assign.policy_for(store, "r1").version == PRIOR


def test_a_missing_package_retires_nothing(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry.of(store)
    for _ in range(2):
        registry.add(policy(1), INFO, why="")
    registry.promote("v1", "")
    registry.try_out("v2", "newest")
    drawn = {assign.assigned(registry, run): run for run in map(str, range(20))}
    with monkeypatch.context() as patch:
        for name in ("safetensors", "safetensors.numpy"):
            patch.setitem(sys.modules, name, None)
        acting = [assign.policy_for(store, drawn[version], CountPolicy()).version for version in ("v1", "v2")]
    assert acting == ["counts", "counts"]
    assert [(v.version, v.status) for v in registry.versions()] == [("v2", "candidate"), ("v1", "promoted")]
    assert (registry.current, registry.trial) == ("v1", "v2")
    assert [r.getMessage() for r in caplog.records] == [
        f"This run does without policy {version}: Reading and writing policies needs the package safetensors; "
        "install it with: pip install 'wornpath[learn]'"
        for version in ("v1", "v2")
    ]
    assert assign.policy_for(store, drawn["v1"]).version == "v1"


def test_a_share_of_the_runs_draws_the_candidate_and_always_the_same(store: SqliteStore) -> None:
    registry = Registry.of(store)
    registry.add(policy(0), INFO, why="")
    registry.try_out("v1", "")
    drawn = [assign.assigned(registry, f"20260101-{i:06d}-abc") for i in range(600)]
    assert 0.22 < drawn.count("v1") / 600 < 0.38
    assert drawn == [assign.assigned(registry, f"20260101-{i:06d}-abc") for i in range(600)]


def test_writers_take_turns(store: SqliteStore) -> None:
    def add() -> None:
        for _ in range(3):
            Registry.of(store).add(policy(0), INFO, why="")

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(v.version for v in Registry.of(store).versions()) == sorted(f"v{i}" for i in range(1, 13))


def test_a_lock_is_not_given_twice(tmp_path: Path) -> None:
    with file_lock(tmp_path / "l") as first, file_lock(tmp_path / "l", wait=False) as second:
        assert first and not second
    with file_lock(tmp_path / "l", wait=False) as third:
        assert third


def test_the_registry_is_plain_json(store: SqliteStore) -> None:
    registry = Registry.of(store)
    registry.add(policy(0), INFO, why="发票")
    data = json.loads((registry.folder / "registry.json").read_text("utf-8"))
    assert data["format"] == "wornpath-policies" and data["versions"]["v1"]["why"] == "发票"
