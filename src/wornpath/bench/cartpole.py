"""CartPole-v1 with the same hyper-parameters for ours and Stable-Baselines3's: the plain-vector check of both
algorithms.
"""

from __future__ import annotations

import importlib.util
import random
import time
from typing import Any, NamedTuple

import numpy as np

DQN_SETTINGS: dict[str, Any] = {
    "hidden": (64, 64),
    "learning_rate": 1e-3,
    "gamma": 0.99,
    "batch": 64,
    "capacity": 25_000,
    "learning_starts": 1000,
    "train_every": 1,
    "updates": 1,
    "target_every": 1,
    "tau": 0.01,
    "epsilon_end": 0.05,
}
"""Chosen by runs of Stable-Baselines3 on seeds that are not measured."""
TRAINING: dict[str, dict[str, Any]] = {"dqn": {"sutton_barto_reward": True}, "ppo": {}}
"""Options of the environment that is trained on; all are tested on CartPole-v1 as it is. DQN learns from Sutton and Barto's reward, -1 for
a fall and 0 otherwise: with 1 a step its values, a hundred and more, are overestimated without end, by either implementation.
"""
EXPLORATION = 0.2
"""Share of the steps over which DQN's ε falls."""
PPO_SETTINGS: dict[str, Any] = {
    "rollout": 2048,
    "batch": 64,
    "epochs": 10,
    "learning_rate": 3e-4,
    "entropy": 0.0,
    "prior_kl": 0.0,
    "imitation": 0,
}
"""Stable-Baselines3's defaults."""
STEPS = {"dqn": 25_000, "ppo": 30_720}
"""Training steps: multiples of a round and of a rollout, or Stable-Baselines3 would go on to the next one."""
EPISODES = 3
"""Episodes of one evaluation."""


class Run(NamedTuple):
    """What one training run came to."""

    value: float
    """Mean return of the last evaluations."""
    cpu_s: float
    """CPU seconds of training, evaluations left out."""
    updates: int
    """Gradient steps."""


def sb3_installed() -> bool:
    return importlib.util.find_spec("stable_baselines3") is not None


def random_return(seed: int) -> Run:
    """Mean return of random actions, and no training time."""
    rng = random.Random(seed)
    return Run(_score(lambda observation: rng.randrange(2), seed, 20), 0.0, 0)


def ours(algorithm: str, steps: int, seed: int, evaluations: int) -> Run:
    """Train for STEPS; the value is the mean of EVALUATIONS evaluations, spread over the last tenth of training. They fall on steps, as
    Stable-Baselines3's do: at the end of an episode the policy has often just got worse."""
    import gymnasium

    from wornpath.learn.dqn import classic
    from wornpath.learn.ppo import PPOConfig
    from wornpath.learn.trainer import Trainer, TrainOptions

    dqn = classic(**DQN_SETTINGS, epsilon_steps=int(EXPLORATION * steps))
    config: Any = dqn if algorithm == "dqn" else PPOConfig(**PPO_SETTINGS)
    scores: list[float] = []
    spent = 0.0
    due = _schedule(steps, evaluations)
    head: Any = "q" if algorithm == "dqn" else "policy"

    def best(observation: Any) -> int:
        return int(trainer.learner.network.view().scores(head, np.asarray(observation, dtype=np.float32)).argmax())

    class Watched(gymnasium.Wrapper[Any, Any, Any, Any]):
        taken = 0

        def step(self, action: Any) -> Any:
            nonlocal spent
            self.taken += 1
            while due and self.taken >= due[0]:
                due.pop(0)
                started = time.process_time()
                scores.append(_score(best, seed, EPISODES))
                spent += time.process_time() - started
            return self.env.step(action)

    started = time.process_time()
    trainer = Trainer(
        lambda s: Watched(gymnasium.make("CartPole-v1", **TRAINING[algorithm])),
        "dqn" if algorithm == "dqn" else "ppo",
        TrainOptions(steps=steps, seed=seed),
        config,
    )
    trainer.train()
    return Run(float(np.mean(scores)), time.process_time() - started - spent, trainer.learner.updates)


def theirs(algorithm: str, steps: int, seed: int, evaluations: int) -> Run:
    """The same for Stable-Baselines3."""
    import gymnasium
    from stable_baselines3 import DQN, PPO
    from stable_baselines3.common.callbacks import BaseCallback

    scores: list[float] = []
    spent = 0.0
    due = _schedule(steps, evaluations)

    class Watch(BaseCallback):
        def _on_step(self) -> bool:
            nonlocal spent
            while due and self.num_timesteps >= due[0]:
                due.pop(0)
                started = time.process_time()
                scores.append(_score(lambda o: int(self.model.predict(o, deterministic=True)[0]), seed, EPISODES))
                spent += time.process_time() - started
            return True

    env = gymnasium.make("CartPole-v1", **TRAINING[algorithm])
    model: Any
    if algorithm == "dqn":
        model = DQN(
            "MlpPolicy",
            env,
            seed=seed,
            policy_kwargs={"net_arch": list(DQN_SETTINGS["hidden"])},
            learning_rate=DQN_SETTINGS["learning_rate"],
            batch_size=DQN_SETTINGS["batch"],
            buffer_size=DQN_SETTINGS["capacity"],
            learning_starts=DQN_SETTINGS["learning_starts"],
            train_freq=DQN_SETTINGS["train_every"],
            gradient_steps=DQN_SETTINGS["updates"],
            gamma=DQN_SETTINGS["gamma"],
            target_update_interval=DQN_SETTINGS["target_every"],
            tau=DQN_SETTINGS["tau"],
            exploration_fraction=EXPLORATION,
            exploration_final_eps=DQN_SETTINGS["epsilon_end"],
        )
    else:
        model = PPO("MlpPolicy", env, seed=seed, device="cpu")
    started = time.process_time()
    model.learn(steps, callback=Watch())
    cpu_s = time.process_time() - started - spent
    # its PPO counts passes over a rollout, not gradient steps
    each = 1 if algorithm == "dqn" else PPO_SETTINGS["rollout"] // PPO_SETTINGS["batch"]
    return Run(float(np.mean(scores)), cpu_s, int(model._n_updates) * each)


def _schedule(steps: int, evaluations: int) -> list[int]:
    """After how many steps to evaluate: evenly over the last tenth, the last one a little before the end, at which
    training may stop.
    """
    return [int(x) for x in np.linspace(0.9 * steps, 0.99 * steps, evaluations)]


def _score(act: Any, seed: int, episodes: int) -> float:
    """Mean return of ACT over EPISODES fresh episodes."""
    import gymnasium

    env = gymnasium.make("CartPole-v1")
    total = 0.0
    for i in range(episodes):
        observation, _ = env.reset(seed=1_000_000 + 100 * seed + i)
        over = False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(act(observation))
            total += float(reward)
            over = terminated or truncated
    env.close()
    return total / episodes
