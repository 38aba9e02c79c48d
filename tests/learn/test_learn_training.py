from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_env import Boxes, make

from wornpath.core import UsageError
from wornpath.learn import checkpoint, evaluate, train
from wornpath.learn.dqn import DQNConfig
from wornpath.learn.evaluation import mean_interval, random_policy, summarise
from wornpath.learn.learner import TrainingDiverged
from wornpath.learn.ppo import PPOConfig
from wornpath.learn.table import train_table
from wornpath.policy import versions
from wornpath.policy.report import wilson


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


QUICK: dict[str, Any] = {
    "dqn": ("dqn", DQNConfig(hidden=(32,), learning_starts=24)),
    "dqn one-step": ("dqn", DQNConfig(hidden=(32,), learning_starts=32, lambda_weight=0.0, bootstrap="max")),
    "dqn n-grams": ("dqn", DQNConfig(hidden=(32,), learning_starts=32, buckets=256)),
    "ppo": ("ppo", PPOConfig(hidden=(32,), rollout=64)),
    "awr": ("ppo", PPOConfig(hidden=(32,), mode="awr")),
}


@pytest.mark.parametrize("name", ["dqn", "ppo", "awr"])
def test_it_learns_and_neither_loses_at_once_nor_never_answers(name: str) -> None:
    algorithm, config = QUICK[name]
    before = evaluate(random_policy(), make, episodes=100)
    policy = train(make, algorithm, episodes=400 if name == "ppo" else 90, seed=1, config=config)
    report = evaluate(policy, make, episodes=100)
    assert before.success < 0.5
    assert report.success > 0.9, report
    assert 2 <= report.mean_steps < 5  # looks first, and answers


@pytest.mark.parametrize("name", sorted(QUICK))
def test_a_resumed_run_gives_the_same_curve(name: str, tmp_path: Path) -> None:
    algorithm, config = QUICK[name]
    common: dict[str, Any] = {"seed": 3, "config": config, "checkpoint_every": 8}
    whole = train(make, algorithm, episodes=26, out=tmp_path / "whole", **common)

    class Killed(Exception):
        pass

    def kill(row: dict[str, Any]) -> None:
        if row["episode"] == 19:
            raise Killed

    with pytest.raises(Killed):
        train(make, algorithm, episodes=26, out=tmp_path / "cut", progress=kill, **common)
    assert len(rows(tmp_path / "cut")) == 19
    again = train(make, algorithm, episodes=26, out=tmp_path / "cut", resume=True, **common)
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    for key, weights in whole.network.weights.items():
        assert (again.network.weights[key] == weights).all(), key
    assert again.evidence.as_dict() == whole.evidence.as_dict()


def test_an_evaluation_at_a_checkpoint_is_not_lost(tmp_path: Path) -> None:
    common: dict[str, Any] = {"seed": 3, "config": QUICK["dqn"][1], "checkpoint_every": 8, "evaluate_every": 8}
    common |= {"evaluation_episodes": 4, "patience": 5}
    train(make, "dqn", episodes=26, out=tmp_path / "whole", **common)

    def kill(row: dict[str, Any]) -> None:
        if row["episode"] == 19:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(make, "dqn", episodes=26, out=tmp_path / "cut", progress=kill, **common)
    train(make, "dqn", episodes=26, out=tmp_path / "cut", resume=True, **common)
    assert sum(row.get("evaluation", False) for row in rows(tmp_path / "whole")) == 3
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")


def test_a_checkpoint_that_is_cut_off_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.write(tmp_path, {"a": np.zeros(3)}, {"episode": 8})
    real = Path.write_bytes

    def cut_off(self: Path, data: bytes) -> int:
        real(self, data[: len(data) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", cut_off)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.write(tmp_path, {"a": np.ones(3)}, {"episode": 8})
    arrays, _ = checkpoint.read(tmp_path)
    assert (arrays["a"] == 0).all()


def test_equal_seeds_are_equal_and_others_are_not() -> None:
    def weights(seed: int) -> Any:
        policy = train(make, "dqn", episodes=12, seed=seed, config=QUICK["dqn"][1])
        return policy.network.weights["q.0.weight"]

    assert (weights(1) == weights(1)).all()
    assert (weights(1) != weights(2)).any()


def test_a_run_leaves_metrics_a_picture_and_a_policy_that_loads(tmp_path: Path) -> None:
    policy = train(
        make, "dqn", episodes=40, out=tmp_path, config=QUICK["dqn"][1], evaluate_every=20, evaluation_episodes=10
    )
    episodes = [r for r in rows(tmp_path) if not r.get("evaluation")]
    assert [r["episode"] for r in episodes] == list(range(1, 41))
    assert len([r for r in rows(tmp_path) if r.get("evaluation")]) == 2
    assert (tmp_path / "curve.svg").read_text().startswith("<svg")
    import xml.etree.ElementTree

    xml.etree.ElementTree.parse(tmp_path / "curve.svg")
    back = versions.load(tmp_path / "policy")
    assert back.version == policy.version == "dqn-s0-e40"
    assert evaluate(back, make, episodes=20).returns == evaluate(policy, make, episodes=20).returns


def test_training_stops_early_with_the_best_policy(tmp_path: Path) -> None:
    policy = train(
        make,
        "dqn",
        episodes=400,
        seed=1,
        config=QUICK["dqn"][1],
        evaluate_every=25,
        evaluation_episodes=30,
        patience=2,
        out=tmp_path,
    )
    tests = [r for r in rows(tmp_path) if r.get("evaluation")]
    best = max(tests, key=lambda r: r["mean_return"])
    assert tests[-1]["episode"] < 400 and policy.version == f"dqn-s1-e{best['episode']}"


def test_a_reward_that_is_not_a_number_stops_with_the_step_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="finite number"):
        train(lambda seed: Boxes(broken_at=16), "dqn", episodes=30, out=tmp_path, checkpoint_every=10)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["episode"] == 10


@pytest.mark.parametrize("algorithm", ["dqn", "ppo"])
def test_divergence_names_the_update_and_changes_nothing(algorithm: Any, tmp_path: Path) -> None:
    config = (
        DQNConfig(hidden=(8,), learning_rate=1e30, learning_starts=16)
        if algorithm == "dqn"
        else PPOConfig(hidden=(8,), learning_rate=1e30, rollout=32)
    )
    with pytest.raises(TrainingDiverged, match=r"update \d+"):
        train(make, algorithm, episodes=200, config=config, out=tmp_path, checkpoint_every=1)
    from wornpath.learn.checkpoint import read

    arrays, state = read(tmp_path)
    assert state["episode"] >= 1
    assert not np.isnan(arrays["online.policy.0.weight" if algorithm == "ppo" else "online.q.0.weight"]).all()


def test_demonstrations_count_and_are_cloned() -> None:
    def teacher(situation: Any) -> int:
        goal = situation.state.features["goal"].split()[-2]
        right = [i for i, a in enumerate(situation.actions) if goal in a]
        return right[0] if right else 1

    shown = train(make, "dqn", episodes=10, demonstrations=10, teacher=teacher, clone_updates=150)
    assert evaluate(shown, make, episodes=50).success > 0.9
    shown = train(make, "ppo", episodes=10, demonstrations=10, teacher=teacher, clone_updates=150)
    assert evaluate(shown, make, episodes=50).success > 0.9


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "only one of the two"),
        ({"episodes": 1, "steps": 1}, "only one of the two"),
        ({"episodes": 5, "demonstrations": 2}, "need a teacher"),
        ({"episodes": 5, "resume": True}, "folder of the run"),
        ({"episodes": 5, "algorithm": "sarsa"}, "'sarsa'"),
        ({"episodes": 5, "algorithm": "ppo", "config": DQNConfig()}, "DQNConfig"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        train(make, **{"algorithm": "dqn", **options})


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out, says in (
        (tmp_path / "file", "is a file"),
        (tmp_path / "file" / "below", "--out"),
        (Path("/proc/x"), "--out"),
    ):
        with pytest.raises(UsageError, match=says):
            train(make, "dqn", episodes=1, out=out)


def test_one_episode_has_no_interval() -> None:
    report = summarise([(9.0, math.nan, 9, "")], 0.0)
    assert str(report) == "1 episode: return 9.00 [-], 9.0 steps"
    assert report.as_dict()["return_interval"] is None
    json.dumps(report.as_dict(), allow_nan=False)
    known = summarise([(1.0, 1.0, 2, "look"), (0.0, 0.0, 4, "look")], 0.0)
    assert known.as_dict()["success_interval"] == list(known.success_interval)
    assert known.as_dict()["families"] == {"look": 0.5}


def test_resuming_what_is_not_there_or_another_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint"):
        train(make, "dqn", episodes=5, out=tmp_path, resume=True)
    train(make, "dqn", episodes=5, out=tmp_path, seed=1)
    with pytest.raises(UsageError, match="dqn with seed 1"):
        train(make, "dqn", episodes=9, out=tmp_path, seed=2, resume=True)
    file = next(tmp_path.glob("checkpoint-*.safetensors"))
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(UsageError, match="truncated"):
        train(make, "dqn", episodes=9, out=tmp_path, seed=1, resume=True)


def test_a_fresh_start_leaves_nothing_of_an_older_run_to_resume(tmp_path: Path) -> None:
    common: dict[str, Any] = {"config": QUICK["dqn"][1], "evaluate_every": 4, "evaluation_episodes": 2, "patience": 9}
    train(make, "dqn", episodes=8, out=tmp_path, **common)
    assert (tmp_path / "best").is_dir()

    def kill(row: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(make, "dqn", episodes=8, out=tmp_path, progress=kill, **common)
    assert not (tmp_path / "best").exists() and not list(tmp_path.glob("checkpoint*"))
    with pytest.raises(UsageError, match="no checkpoint"):
        train(make, "dqn", episodes=8, out=tmp_path, resume=True, **common)


class Rooms(Boxes):
    """The same by another name."""


def test_resuming_with_another_environment_or_configuration_is_refused(tmp_path: Path) -> None:
    train(make, "dqn", episodes=5, out=tmp_path, config=DQNConfig(hidden=(32,)))
    with pytest.raises(UsageError, match="with environment Boxes, not Rooms; resume it with that"):
        train(lambda seed: Rooms(), "dqn", episodes=9, out=tmp_path, config=DQNConfig(hidden=(32,)), resume=True)
    with pytest.raises(UsageError, match=r"with learning_rate 0\.\d+, not 0\.125;"):
        config = DQNConfig(hidden=(32,), learning_rate=0.125)
        train(make, "dqn", episodes=9, out=tmp_path, config=config, resume=True)
    state = json.loads((tmp_path / "checkpoint.json").read_text())
    del state["settings"]  # as older releases wrote it
    (tmp_path / "checkpoint.json").write_text(json.dumps(state))
    policy = train(make, "dqn", episodes=9, out=tmp_path, config=DQNConfig(hidden=(32,)), resume=True)
    assert policy.version == "dqn-s0-e9"


@pytest.mark.parametrize(("patience", "first"), [(0, 1_000_000), (2, 2_000_000)])
def test_a_policy_is_not_chosen_on_the_draws_it_is_tested_on(patience: int, first: int) -> None:
    """What only reports has the draws of `evaluate`, what stops the training has its own."""
    seeds: list[int] = []

    class Noted(Boxes):
        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            seeds.append(seed or 0)
            return super().reset(seed=seed, options=options)

    options: dict[str, Any] = {"evaluate_every": 2, "evaluation_episodes": 3, "patience": patience}
    policy = train(lambda seed: Noted(), "dqn", episodes=2, config=QUICK["dqn"][1], **options)
    assert [seed for seed in seeds if seed >= 1_000_000] == [first, first + 1, first + 2]
    seeds.clear()
    evaluate(policy, lambda seed: Noted(), episodes=3)
    assert seeds == [1_000_000, 1_000_001, 1_000_002]


def test_without_pytorch_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UsageError, match=r"pip install 'wornpath\[learn\]'"):
        train(make, "dqn", episodes=1)


def test_plain_box_environments_train_too() -> None:
    gymnasium = pytest.importorskip("gymnasium")
    policy = train(
        lambda seed: gymnasium.make("CartPole-v1"), "ppo", steps=400, config=PPOConfig(rollout=200, prior_kl=0.0)
    )
    report = evaluate(policy, lambda seed: gymnasium.make("CartPole-v1"), episodes=2)
    assert report.mean_return >= 8 and math.isnan(report.success)


def test_the_count_table_learns_what_templates_can_tell() -> None:
    table = train_table(make, 60, seed=0)
    report = evaluate(table, make, episodes=60)
    assert report.success > evaluate(random_policy(), make, episodes=60).success
    assert report.success < 0.9  # it cannot tell one box from another


def test_intervals() -> None:
    low, high = wilson(8, 10)
    assert (low, high) == (pytest.approx(0.490, abs=1e-3), pytest.approx(0.943, abs=1e-3))
    assert wilson(0, 0) == (0.0, 1.0)
    mean, low, high = mean_interval([1.0, 2.0, 3.0])
    assert mean == 2.0 and high - mean == pytest.approx(4.303 / math.sqrt(3), abs=1e-3)
