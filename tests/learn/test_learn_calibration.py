"""Success probabilities mean what they say: the balance of the replay is undone, and the picture is drawn."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from toy_env import make

from wornpath.core import UsageError
from wornpath.policy.calibration import reliability

pytest.importorskip("torch")

from wornpath.learn import train  # noqa: E402
from wornpath.learn.calibration import picture, said_on  # noqa: E402
from wornpath.learn.dqn import DQNConfig  # noqa: E402
from wornpath.learn.inputs import Inputs, Step  # noqa: E402
from wornpath.learn.ppo import PPOConfig  # noqa: E402
from wornpath.learn.replay import Replay  # noqa: E402


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


def test_what_is_said_on_test_draws_beats_the_base_rate(tmp_path: Path) -> None:
    policy = train(make, "dqn", episodes=90, seed=1, config=DQNConfig(hidden=(32,), learning_starts=24))
    said = said_on(policy, make, episodes=60)
    found = reliability(said)
    assert found is not None and {was for _, was in said} <= {0.0, 1.0}
    assert found.error < 0.2 and not math.isnan(found.brier)
    picture(found, tmp_path / "r.svg", "Boxes & more")
    text = (tmp_path / "r.svg").read_text("utf-8")
    assert text.count("<circle") == len(found.bins) and "Boxes &amp; more" in text


def test_a_policy_without_a_success_head_is_named() -> None:
    policy = train(make, "ppo", episodes=5, config=PPOConfig(hidden=(8,), rollout=64))
    with pytest.raises(UsageError, match="no success head"):
        said_on(policy, make, episodes=1)
