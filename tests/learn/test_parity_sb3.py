"""One update from identical weights on an identical batch equals Stable-Baselines3's, with the extras switched off."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch

from wornpath.learn.dqn import DQN, classic
from wornpath.learn.inputs import Inputs, Step
from wornpath.learn.ppo import PPO, PPOConfig

sb3 = pytest.importorskip("stable_baselines3")

SIZE = 64


def transitions(rng: np.random.Generator) -> dict[str, np.ndarray]:
    ends = rng.random(SIZE) < 0.15
    return {
        "obs": rng.standard_normal((SIZE, 4)).astype(np.float32),
        "next": rng.standard_normal((SIZE, 4)).astype(np.float32),
        "action": rng.integers(0, 2, SIZE),
        "reward": rng.standard_normal(SIZE).astype(np.float32),
        "end": ends,
    }


def inputs(row: np.ndarray) -> Inputs:
    return Inputs(row, np.full(2, -np.log(2), dtype=np.float32), np.ones(2, dtype=np.float32))


def assert_same(ours: torch.nn.Module, theirs: dict[str, torch.Tensor], before: dict[str, np.ndarray]) -> None:
    moved = 0.0
    for name, parameter in ours.named_parameters():
        assert np.abs(parameter.detach().numpy() - theirs[name].detach().numpy()).max() < 1e-5, name
        moved = max(moved, float(np.abs(parameter.detach().numpy() - before[name]).max()))
    assert moved > 1e-4, "the update changed nothing, so the comparison would say nothing"


@pytest.mark.parametrize("gamma", [0.99, 0.9])
def test_dqn_update_equals_sb3(gamma: float) -> None:
    from stable_baselines3.common.buffers import ReplayBufferSamples
    from stable_baselines3.common.logger import configure

    data = transitions(np.random.default_rng(3))
    model = sb3.DQN(
        "MlpPolicy", gym.make("CartPole-v1"), policy_kwargs={"net_arch": [32, 32]}, learning_rate=1e-3, gamma=gamma
    )
    model.set_logger(configure(None, []))
    ours = DQN(
        DQN.spec_for(classic(hidden=(32, 32)), kind="vector", inputs=4, outputs=2),
        classic(hidden=(32, 32), gamma=gamma, learning_rate=1e-3),
    )
    names = {f"q.{i}.{part}": f"q_net.{2 * i}.{part}" for i in range(3) for part in ("weight", "bias")}
    online, target = dict(model.q_net.named_parameters()), dict(model.q_net_target.named_parameters())
    for parameter in target.values():  # a target network unlike the online one, as in the midst of training
        parameter.data.add_(0.05)
    ours.network.load_arrays({k: online[v].detach().numpy() for k, v in names.items()})
    ours.target.load_arrays({k: target[v].detach().numpy() for k, v in names.items()})
    before = ours.network.arrays()
    sample = ReplayBufferSamples(
        torch.from_numpy(data["obs"]),
        torch.from_numpy(data["action"]).unsqueeze(1),
        torch.from_numpy(data["next"]),
        torch.from_numpy(data["end"].astype(np.float32)).unsqueeze(1),
        torch.from_numpy(data["reward"]).unsqueeze(1),
        None,
    )
    model.replay_buffer.sample = lambda *a, **k: sample
    model.train(gradient_steps=1, batch_size=SIZE)
    steps = [
        Step(
            inputs(data["obs"][i]),
            int(data["action"][i]),
            0.0,
            float(data["reward"][i]),
            None if data["end"][i] else inputs(data["next"][i]),
        )
        for i in range(SIZE)
    ]
    ours.update(steps, np.ones(SIZE))
    assert_same(ours.network, {k: online[v] for k, v in names.items()}, before)


def test_ppo_update_equals_sb3() -> None:
    from stable_baselines3.common.logger import configure

    data = transitions(np.random.default_rng(4))
    model = sb3.PPO(
        "MlpPolicy",
        gym.make("CartPole-v1"),
        n_steps=SIZE,
        batch_size=SIZE,
        n_epochs=1,
        learning_rate=3e-4,
        ent_coef=0.01,
    )
    model.set_logger(configure(None, []))
    model._current_progress_remaining = 1.0
    config = PPOConfig(rollout=SIZE, batch=SIZE, epochs=1, learning_rate=3e-4, entropy=0.01, prior_kl=0.0, imitation=0)
    ours = PPO(PPO.spec_for(config, kind="vector", inputs=4, outputs=2), config)
    theirs = dict(model.policy.named_parameters())
    names = {}
    for part in ("weight", "bias"):
        for i in range(2):
            names[f"policy.{i}.{part}"] = f"mlp_extractor.policy_net.{2 * i}.{part}"
            names[f"value.{i}.{part}"] = f"mlp_extractor.value_net.{2 * i}.{part}"
        names[f"policy.2.{part}"], names[f"value.2.{part}"] = f"action_net.{part}", f"value_net.{part}"
    with torch.no_grad():
        theirs["action_net.weight"].mul_(50)  # far from uniform, so that ratios and entropies matter
    ours.network.load_arrays({k: theirs[v].detach().numpy() for k, v in names.items()})
    before = ours.network.arrays()
    # obs[i + 1] follows obs[i] unless the episode ended there; the behaviour is off-policy, so that the clip is met
    rng = np.random.default_rng(5)
    obs = torch.from_numpy(data["obs"])
    with torch.no_grad():
        values, logp, _ = model.policy.evaluate_actions(obs, torch.from_numpy(data["action"]))
        behaviour = logp + torch.from_numpy(rng.normal(0, 0.3, SIZE).astype(np.float32))
        last = model.policy.predict_values(torch.from_numpy(data["next"][-1:]))
    started = True
    for i in range(SIZE):
        model.rollout_buffer.add(
            data["obs"][i : i + 1],
            data["action"][i],
            data["reward"][i : i + 1],
            np.array([started]),
            values[i],
            behaviour[i : i + 1],
        )
        started = bool(data["end"][i])
    model.rollout_buffer.compute_returns_and_advantage(last, np.array([started]))
    model.train()
    views = [inputs(row) for row in data["obs"]] + [inputs(data["next"][-1])]
    steps = [
        Step(
            views[i],
            int(data["action"][i]),
            float(behaviour[i]),
            float(data["reward"][i]),
            None if data["end"][i] else views[i + 1],
            last=bool(data["end"][i]),
        )
        for i in range(SIZE)
    ]
    ours.improve(steps)
    assert_same(ours.network, {k: theirs[v] for k, v in names.items()}, before)
