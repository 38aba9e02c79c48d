"""Policy gradient over ragged action lists: PPO-clip (Schulman et al., 1707.06347, eq. 7) with generalised
advantages, and advantage-weighted regression (Peng et al., 1910.00177, eq. 3) on replayed experience.

    L = −E min(ρ Â, clip(ρ, 1±ε) Â) + v · (V − R)² − h · H(π) + β · KL(π ‖ μ̃),      π = softmax(log μ̃ + c · f(s,a))

Deviations from the paper: the policy is the choice rule, so its logits start from the prior; β adapts to a target KL
from that prior, not from the last policy; V reads the mean and maximum of the candidates' rows, for there is no other
description of a ragged state; between rollouts it imitates what went better in its own episodes than V expects
(self-imitation, Oh et al., 1806.05635), since a rare success would be used once otherwise. `regression()` weighs
log-likelihood by exp(Â/τ) on replay, for when a person's runs are too few to be used once. With `prior_kl=0`,
`imitation=0` and plain vectors one update is Stable-Baselines3's PPO, to 1e-5.

Curve: python benchmarks/learning_file_finding.py --algorithms ppo
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from wornpath.learn.checkpoint import Arrays, optimiser_arrays, pack_steps, restore_optimiser, unpack_steps
from wornpath.learn.inputs import NEVER, Inputs, Step, column, pack
from wornpath.learn.learner import descend, logits, posterior, rng_state
from wornpath.learn.networks import TrainableNetwork
from wornpath.learn.replay import Replay
from wornpath.learn.returns import advantages, lambda_returns
from wornpath.policy.choice import Array
from wornpath.policy.evidence import Evidence
from wornpath.policy.learnt import LearntPolicy
from wornpath.policy.network import Spec


@dataclass(frozen=True, slots=True)
class PPOConfig:
    mode: Literal["ppo", "awr"] = "ppo"
    hidden: tuple[int, ...] = (64, 64)
    buckets: int = 0
    """Size of the table of hashed n-grams; 0: dense features only."""
    learning_rate: float = 1e-3
    gamma: float = 0.99
    lam: float = 0.95
    rollout: int = 128
    """Steps between updates (ppo)."""
    batch: int = 32
    epochs: int = 10
    """Passes over a rollout (ppo)."""
    clip: float = 0.2
    value_weight: float = 0.5
    entropy: float = 0.01
    prior_kl: float = 0.05
    """β at the start, weight of KL(π ‖ μ̃); 0 switches the term off."""
    kl_target: float = 1.2
    """KL(π ‖ μ̃) in nats above which β grows and below which it falls."""
    imitation: int = 1
    """Updates a step that imitate what went well in its own earlier episodes, half of the steps from successes (ppo)."""
    normalise: bool = True
    """Advantages to mean 0 and deviation 1 in every minibatch."""
    max_norm: float = 0.5
    capacity: int = 20_000
    """Steps kept for replay (awr)."""
    updates: int = 2
    """Updates a step (awr)."""
    temperature: float = 0.1
    """τ: advantage in return units that multiplies a step's weight by e (awr)."""
    max_weight: float = 20.0
    n0: float = 0.0
    """Episodes of evidence at which a learnt score is half trusted; 0: always wholly."""


def regression(**changes: Any) -> PPOConfig:
    """Advantage-weighted regression on replay instead of PPO; its β stays as it is."""
    return PPOConfig(**{"mode": "awr", "prior_kl": 0.01, **changes})


class PPO:
    """The learner. `spec_for` gives the network that a configuration needs."""

    def __init__(self, spec: Spec, config: PPOConfig, seed: int = 0) -> None:
        self.spec, self.config = spec, config
        self.rng = np.random.default_rng([seed, 1])
        self.network = TrainableNetwork(spec, np.random.default_rng([seed, 2]), orthogonal=True)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate, eps=1e-5, fused=True)
        self.replay = Replay(config.capacity, balanced=True, priority=0.0)
        self.buffer: list[Step] = []
        self.beta = config.prior_kl
        self.updates = 0
        self.metrics: dict[str, float] = {}
        self._view = self.network.view()
        self._parameters: list[Tensor] = list(self.network.parameters())

    @staticmethod
    def spec_for(config: PPOConfig, *, kind: Literal["rows", "vector"], inputs: int, outputs: int = 1) -> Spec:
        return Spec(
            kind, inputs, outputs, config.hidden, "tanh", ("policy", "value"), config.buckets if kind == "rows" else 0
        )

    @property
    def off_policy(self) -> bool:
        return self.config.mode == "awr"

    def assess(self, inputs: Inputs) -> tuple[Array, float]:
        return posterior(inputs, self._view.scores("policy", inputs.rows, inputs.grams), None), 0.0

    def observe(self, step: Step) -> None:
        if self.config.mode == "ppo" and not step.demo:
            self.buffer.append(step)
            if len(self.buffer) >= self.config.rollout:
                rollout, self.buffer = self.buffer, []
                self.improve(rollout)

    def finish(self, steps: Sequence[Step], *, learn: bool = True) -> None:
        each = self.config.updates if self.config.mode == "awr" else self.config.imitation
        if each:
            self.add(steps)
            self.rehearse(len(steps) * each if learn else 0)

    def rehearse(self, updates: int) -> None:
        for _ in range(updates):
            _, drawn, _ = self.replay.sample(self.config.batch, self.rng)
            if self.config.mode == "awr":
                self.regress(drawn)
            else:
                self.imitate(drawn)

    def clear(self) -> None:
        self.replay = Replay(self.config.capacity, balanced=True, priority=0.0)

    def add(self, steps: Sequence[Step], *, lam: float | None = None) -> None:
        """Put an ended episode into the replay with its λ-returns (awr; on-policy PPO must not learn from relabelled
        steps).
        """
        _, following = self._values(steps)
        lam = self.config.lam if lam is None else lam
        returns = lambda_returns([s.reward for s in steps], following, self.config.gamma, lam)
        for step, value in zip(steps, returns.tolist(), strict=True):
            step.lam_return = value
        self.replay.add(steps)

    def clone(self, demonstrations: Sequence[Step], updates: int) -> None:
        """Cross-entropy on the shown actions, and V towards the returns that followed them."""
        for _ in range(updates):
            steps = [demonstrations[i] for i in self.rng.integers(0, len(demonstrations), self.config.batch)]
            logp, _, values, _ = self._forward(steps)
            off = self.config.value_weight * (values - column([s.lam_return for s in steps])) ** 2
            self._descend((column([s.weight for s in steps]) * (off - logp)).mean())

    def improve(self, rollout: Sequence[Step]) -> None:
        """PPO on one ROLLOUT of consecutive steps. Raises TrainingDiverged."""
        c = self.config
        values, following = self._values(rollout)
        ends = [s.last or i == len(rollout) - 1 for i, s in enumerate(rollout)]
        gains = advantages([s.reward for s in rollout], values, following, ends, c.gamma, c.lam)
        returns = gains + np.asarray(values)
        for _ in range(c.epochs):
            order = self.rng.permutation(len(rollout))
            for start in range(0, len(order), c.batch):
                places = order[start : start + c.batch]
                self.update([rollout[i] for i in places], gains[places], returns[places])
        if c.prior_kl:
            over = self.metrics["kl"] > c.kl_target
            self.beta = float(np.clip(self.beta * (1.5 if over else 1 / 1.5), 1e-4, 1.0))
        self.metrics["beta"] = self.beta

    def update(self, steps: Sequence[Step], gains: Array, returns: Array) -> None:
        """One gradient step of PPO on STEPS with their advantages GAINS and RETURNS."""
        c = self.config
        logp, entropy, values, kl = self._forward(steps)
        gain = column(gains)
        if c.normalise and len(steps) > 1:
            gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        ratio = torch.exp(logp - column([s.logp for s in steps]))
        surrogate = torch.min(ratio * gain, ratio.clamp(1 - c.clip, 1 + c.clip) * gain).mean()
        loss = -surrogate + c.value_weight * functional.mse_loss(values, column(returns)) - c.entropy * entropy.mean()
        if self.beta:
            loss = loss + self.beta * kl.mean()
        self._descend(loss)
        self.metrics.update(kl=float(kl.detach().mean()), entropy=float(entropy.detach().mean()))

    def regress(self, steps: Sequence[Step]) -> None:
        """One gradient step of advantage-weighted regression on replayed STEPS."""
        c = self.config
        logp, entropy, values, kl = self._forward(steps)
        returns = column([s.lam_return for s in steps])
        own = column([s.weight for s in steps])
        weight = own * torch.exp((returns - values.detach()) / c.temperature).clamp(max=c.max_weight)
        loss = -(weight * logp).mean() / weight.mean().clamp(min=1e-3)
        loss = (
            loss
            + c.value_weight * (own * (values - returns) ** 2).mean()
            - c.entropy * entropy.mean()
            + self.beta * kl.mean()
        )
        self._descend(loss)
        self.metrics.update(kl=float(kl.detach().mean()), entropy=float(entropy.detach().mean()))

    def imitate(self, steps: Sequence[Step]) -> None:
        """One gradient step of self-imitation (Oh et al., 1806.05635, eq. 2) on replayed STEPS: towards what went better
        than V expects, and never towards what went worse.
        """
        c = self.config
        logp, entropy, values, kl = self._forward(steps)
        gain = (column([s.lam_return for s in steps]) - values.detach()).clamp(min=0.0)
        gain = gain * column([s.weight for s in steps])
        self._descend(-(gain * logp).mean() - c.entropy * entropy.mean() + self.beta * kl.mean())

    def _forward(self, steps: Sequence[Step]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """log π of the chosen actions, entropies, values and KL(π ‖ μ̃), one each for STEPS."""
        batch = pack([s.inputs for s in steps], self.spec)
        action = torch.tensor([s.chosen for s in steps]).unsqueeze(1)
        read = self.network.read(batch)
        scores = self.network.scores("policy", batch, read)
        logp = torch.log_softmax(logits(scores, batch.bias, batch.trust, None), dim=1)
        p = logp.exp()
        live = batch.bias > NEVER / 2
        entropy = -torch.where(live, p * logp, 0.0).sum(dim=1)
        kl = torch.where(live, p * (logp - batch.bias), 0.0).sum(dim=1)
        return logp.gather(1, action).squeeze(1), entropy, self.network.scores("value", batch, read), kl

    def _value(self, inputs: Sequence[Inputs]) -> list[float]:
        values: list[float] = self.network.scores("value", pack(inputs, self.spec)).tolist()
        return values

    @torch.no_grad()
    def _values(self, steps: Sequence[Step]) -> tuple[list[float], list[float]]:
        """V(s) and V(s') of consecutive STEPS: 0 after termination, and the value of what came after where an episode
        was cut.
        """
        values = self._value([s.inputs for s in steps])
        cut = [i for i, s in enumerate(steps) if s.after is not None and (s.last or i == len(steps) - 1)]
        beyond = self._value([s.after for i in cut if (s := steps[i]).after]) if cut else []
        following = [0.0 if s.after is None else v for s, v in zip(steps, [*values[1:], 0.0], strict=True)]
        for i, value in zip(cut, beyond, strict=True):
            following[i] = value
        return values, following

    def _descend(self, loss: Tensor) -> None:
        self.updates += 1
        descend(loss, self.optimiser, self._parameters, self.config.max_norm, self.updates)
        self.metrics["loss"] = float(loss.detach())

    def policy(self, evidence: Evidence, version: str) -> LearntPolicy:
        return LearntPolicy(self.network.snapshot(), evidence, version=version, n0=self.config.n0)

    def checkpoint(self) -> tuple[Arrays, dict[str, Any]]:
        arrays, keys = pack_steps("replay.", self.replay.steps)
        pending, pending_keys = pack_steps("buffer.", self.buffer)
        arrays.update(pending)
        arrays.update({f"online.{k}": v for k, v in self.network.arrays().items()})
        arrays.update(optimiser_arrays("adam.", self.optimiser))
        state = {"keys": keys, "pending_keys": pending_keys, "rng": rng_state(self.rng), "beta": self.beta}
        return arrays, {**state, "updates": self.updates, "next": self.replay.next, "metrics": dict(self.metrics)}

    def restore(self, arrays: Arrays, state: dict[str, Any]) -> None:
        self.network.load_arrays({k[7:]: v for k, v in arrays.items() if k.startswith("online.")})
        restore_optimiser("adam.", self.optimiser, arrays)
        steps = unpack_steps("replay.", arrays, state["keys"])
        self.replay.restore(steps, state["next"], np.ones(len(steps)), 1.0)
        self.buffer = unpack_steps("buffer.", arrays, state["pending_keys"])
        self.rng.bit_generator.state = state["rng"]
        self.beta, self.updates, self.metrics = state["beta"], state["updates"], state["metrics"]
