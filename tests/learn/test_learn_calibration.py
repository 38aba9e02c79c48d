"""Success probabilities mean what they say: the balance of the replay is undone, and the picture is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_env import make

from wornpath.core import UsageError
from wornpath.policy.calibration import reliability

pytest.importorskip("torch")

from wornpath.learn import train
from wornpath.learn.calibration import picture, said_on
from wornpath.learn.dqn import DQNConfig
from wornpath.learn.inputs import Inputs, Step
from wornpath.learn.ppo import PPOConfig
from wornpath.learn.replay import Replay


def steps(n: int, success: float) -> list[Step]:
    return [Step(Inputs(*([None] * 3)), 0, 0.0, 0.0, None, success=success) for _ in range(n)]  # type: ignore[arg-type]


def test_the_weights_undo_the_balance_of_the_batches() -> None:
    replay = Replay(100)
    assert replay.outcome_weights() == (1.0, 1.0)
    replay.add(steps(9, 1.0))
    assert replay.outcome_weights() == (1.0, 1.0)  # nothing to balance: batches are as the replay is
    replay.add(steps(1, 0.0))
    assert replay.outcome_weights() == pytest.approx((1.8, 0.2))
    uniform = Replay(100, balanced=False)
    uniform.add(steps(9, 1.0) + steps(1, 0.0))
    assert uniform.outcome_weights() == (1.0, 1.0)


def test_every_step_of_the_test_draws_is_held_against_its_outcome(tmp_path: Path) -> None:
    policy = train(make, "dqn", episodes=90, seed=1, config=DQNConfig(hidden=(32,), learning_starts=24))
    said = said_on(policy, make, episodes=60)
    found = reliability(said)
    assert found is not None and {was for _, was in said} <= {0.0, 1.0} and len(said) >= 60
    assert said == said_on(policy, make, episodes=60)
    assert all(0 < p < 1 for p, _ in said)
    picture(found, tmp_path / "r.svg", "Boxes & more")
    text = (tmp_path / "r.svg").read_text("utf-8")
    assert text.count("<circle") == len(found.bins) and "Boxes &amp; more" in text


def test_a_policy_without_a_success_head_is_named() -> None:
    policy = train(make, "ppo", episodes=5, config=PPOConfig(hidden=(8,), rollout=64))
    with pytest.raises(UsageError, match="no success head"):
        said_on(policy, make, episodes=1)
