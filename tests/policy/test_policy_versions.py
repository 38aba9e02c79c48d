from __future__ import annotations

import contextlib
import importlib.util
import json
import random
from pathlib import Path

import numpy as np
import pytest

from wornpath.core import Action, Candidate, State, UsageError
from wornpath.policy import features, live, versions
from wornpath.policy.evidence import Evidence
from wornpath.policy.features import WIDTH
from wornpath.policy.files import replace_file
from wornpath.policy.learnt import LearntPolicy
from wornpath.policy.network import Network, Spec

OFFER = [Candidate(Action.of("search_text", query=q), "llm", 0.5) for q in ("发票", "invoice")]
STATE = State("g", {"goal": "find the invoice 发票"})


def make(seed: int = 0) -> LearntPolicy:
    spec = Spec(inputs=WIDTH, hidden=(8,), heads=("q", "success"), buckets=64)
    rng = np.random.default_rng(seed)
    evidence = Evidence()
    evidence.add_episode(["||ok|search_text query=?"], [0.7], 1.0)
    weights = {k: rng.standard_normal(s).astype(np.float32) for k, s in spec.shapes().items()}
    return LearntPolicy(Network(spec, weights), evidence, version="dqn-s0-e5", alpha=0.3, n0=2)


def test_a_version_decides_the_same_after_saving_and_loading(tmp_path: Path) -> None:
    policy = make()
    versions.save(policy, tmp_path / "v", info={"algorithm": "dqn"})
    back = versions.load(tmp_path / "v")
    for explore in (True, False):
        ours = policy.decide(STATE, OFFER, [True, True], explore=explore, rng=random.Random(3))
        assert back.decide(STATE, OFFER, [True, True], explore=explore, rng=random.Random(3)) == ours
    assert (back.alpha, back.n0, back.version) == (0.3, 2, "dqn-s0-e5")
    assert versions.read_meta(tmp_path / "v")["info"] == {"algorithm": "dqn"}
    assert sorted(p.name for p in (tmp_path / "v").iterdir()) == ["policy.json", "policy.safetensors"]


def change(key: str, value: object) -> object:
    def apply(folder: Path) -> None:
        meta = json.loads((folder / versions.META).read_text())
        meta[key] = value
        (folder / versions.META).write_text(json.dumps(meta))

    return apply


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / versions.ARRAYS).write_bytes((f / versions.ARRAYS).read_bytes()[:-40]), "truncated"),
        (lambda f: (f / versions.ARRAYS).unlink(), "incomplete"),
        (lambda f: (f / versions.META).write_text((f / versions.META).read_text()[:50]), "truncated"),
        (lambda f: (f / versions.META).write_text('{"model": "other"}'), "not a Wornpath policy"),
        (lambda f: (f / versions.META).write_text("[1, 2]"), "not a Wornpath policy"),
        (lambda f: (f / versions.META).unlink(), "no policy version"),
        (change("format_version", 99), "format version 99"),
        (change("features", "0" * 16), "other features"),
        (change("network", {"kind": "rows", "inputs": 3}), "do not fit"),
        (change("network", 7), "not a policy that can be read"),
        (change("evidence", {"a": [1]}), "not a policy that can be read"),
    ],
)
def test_a_damaged_or_foreign_version_is_refused_with_a_sentence(tmp_path: Path, damage: object, says: str) -> None:
    folder = versions.save(make(), tmp_path / "v")
    damage(folder)  # type: ignore[operator]
    with pytest.raises(UsageError, match=says):
        versions.load(folder)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("files", range(4))
def test_a_kill_while_saving_over_a_version_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, again: bool
) -> None:
    """The process ends after so many FILES were replaced; AGAIN: so does the next one that tries."""
    folder = versions.save(make(0), tmp_path / "v")
    for seed in range(1, 2 + again):
        written = []

        def until_killed(file: Path, data: bytes, written: list[Path] = written) -> None:
            if len(written) == files:
                raise Killed
            replace_file(file, data)
            written.append(file)

        with monkeypatch.context() as patch:
            patch.setattr(versions, "replace_file", until_killed)
            with contextlib.suppress(Killed):
                versions.save(make(seed), folder)
        weights, expected = (p.network.weights for p in (versions.load(folder), make(seed if files == 3 else 0)))
        assert all((weights[name] == expected[name]).all() for name in expected)
    versions.save(make(9), folder)
    assert sorted(p.name for p in folder.iterdir()) == ["policy.json", "policy.safetensors"]
    assert (versions.load(folder).network.weights["q.0.bias"] == make(9).network.weights["q.0.bias"]).all()


def test_a_policy_with_broken_weights_is_not_saved(tmp_path: Path) -> None:
    policy = make()
    policy.network.weights["q.0.bias"][0] = np.nan
    with pytest.raises(UsageError, match=r"q\.0\.bias"):
        versions.save(policy, tmp_path / "v")
    assert not (tmp_path / "v" / versions.META).exists()


def test_a_new_meaning_of_the_dense_features_is_one_of_the_live_rows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "SIGNATURE", "another meaning")
    found = importlib.util.spec_from_file_location("live_of_another_release", live.__file__)
    assert found is not None and found.loader is not None
    another = importlib.util.module_from_spec(found)
    found.loader.exec_module(another)
    assert another.NAMES == live.NAMES and another.SIGNATURE != live.SIGNATURE
