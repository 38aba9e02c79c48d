"""Deep Q-learning over ragged action lists (Mnih et al. 2015; double Q: van Hasselt et al., 1509.06461).

    y_t = w · G_t^λ + (1 − w) · (r_t + γ Σ_a π(a|s') Q̄(s',a)),     L = mean u_t · Huber(Q(s_t,a_t) − y_t)

Deviations from the paper: targets mix a λ-return with a one-step target under the acting policy π = softmax(log μ̃ +
c A/α) (expected SARSA with the choice rule), since pure one-step TD is too slow for the few hundred episodes a
person's work gives; batches are balanced between success and failure, and prioritised; a cross-entropy term on
demonstrated actions stays on (as in DQfD, 1704.03732, whose margin it replaces); a success-probability head is
trained beside Q; exploration draws from the posterior, whose temperature α follows a target for KL(π ‖ μ̃).
`classic()` switches all of it off: that is Stable-Baselines3's DQN, to 1e-5 an update.

Curve: python benchmarks/learning_file_finding.py --algorithms dqn
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
from wornpath.learn.inputs import NEVER, Inputs, Step, column, pack, taken
from wornpath.learn.learner import descend, logits, posterior, rng_state
from wornpath.learn.networks import TrainableNetwork
from wornpath.learn.replay import Replay
from wornpath.learn.returns import lambda_returns
from wornpath.policy.choice import Array
from wornpath.policy.evidence import Evidence
from wornpath.policy.learnt import LearntPolicy
from wornpath.policy.network import Spec


@dataclass(frozen=True, slots=True)
class DQNConfig:
    hidden: tuple[int, ...] = (64, 64)
    buckets: int = 0
    """Size of the table of hashed n-grams; 0: dense features only."""
    learning_rate: float = 1e-3
    gamma: float = 0.99
    batch: int = 32
    capacity: int = 20_000
    """Steps kept for replay."""
    learning_starts: int = 64
    """Steps before the first update."""
    train_every: int = 1
    """Steps between rounds of updates."""
    updates: int = 2
    """Updates a round."""
    target_every: int = 1
    """Updates between moves of the target network."""
    tau: float = 0.01
    """How far it moves towards the online network; below 1 it is a running average, and the policy that is handed out."""
    max_norm: float = 10.0
    """Gradient norm clipped to."""
    lambda_weight: float = 0.8
    """w: share of the λ-return in the target; with 0 steps are learnt from at once, else when their episode has
    ended.
    """
    lam: float = 0.95
    bootstrap: Literal["policy", "max"] = "policy"
    """What follows a step: the acting policy's mean of Q̄, or its maximum."""
    double: bool = True
    """Choose with the online network, value with the target network."""
    balanced: bool = True
    priority: float = 0.6
    demo_weight: float = 0.5
    """Weight of the cross-entropy on demonstrated actions."""
    demo_alpha: float = 0.1
    success_weight: float = 0.5
    """Weight of the success head's loss; 0: no such head."""
    exploration: Literal["posterior", "epsilon"] = "posterior"
    alpha: float = 0.1
    """Temperature of the choice rule in return units, at the start."""
    kl_target: float = 1.0
    """Mean KL(π ‖ μ̃) in nats that α is steered to; 0 leaves α alone."""
    n0: float = 2.0
    """Episodes of evidence at which a learnt score is half trusted; 0: always wholly."""
    epsilon_start: float = 1.0
    epsilon_end: float = 0.05
    epsilon_steps: int = 10_000
    """Steps over which ε falls (exploration "epsilon")."""


def classic(**changes: Any) -> DQNConfig:
    """DQN as Stable-Baselines3 has it: one-step maximum targets, uniform replay, ε-greedy."""
    plain: dict[str, Any] = {
        "lambda_weight": 0.0,
        "bootstrap": "max",
        "double": False,
        "balanced": False,
        "priority": 0.0,
        "demo_weight": 0.0,
        "success_weight": 0.0,
        "exploration": "epsilon",
        "n0": 0.0,
        "target_every": 100,
        "tau": 1.0,
    }
    return DQNConfig(**{**plain, **changes})


class DQN:
    """The learner. `spec_for` gives the network that a configuration needs."""

    def __init__(self, spec: Spec, config: DQNConfig, seed: int = 0) -> None:
        self.spec, self.config = spec, config
        self.rng = np.random.default_rng([seed, 1])
        self.network = TrainableNetwork(spec, np.random.default_rng([seed, 2]))
        self.target = TrainableNetwork(spec, np.random.default_rng([seed, 2]))
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate, fused=True)
        self.replay = Replay(config.capacity, balanced=config.balanced, priority=config.priority)
        self.alpha = config.alpha
        self.steps = self.updates = 0
        self.metrics: dict[str, float] = {}
        self._view = self.network.view()
        self._parameters: list[Tensor] = list(self.network.parameters())
        self._averages: list[Tensor] = list(self.target.parameters())

    @staticmethod
    def spec_for(config: DQNConfig, *, kind: Literal["rows", "vector"], inputs: int, outputs: int = 1) -> Spec:
        heads: tuple[Any, ...] = ("q", "success") if config.success_weight else ("q",)
        return Spec(kind, inputs, outputs, config.hidden, "relu", heads, config.buckets if kind == "rows" else 0)

    @property
    def off_policy(self) -> bool:
        return self.config.lambda_weight > 0  # relabelled episodes come with λ-returns

    def assess(self, inputs: Inputs) -> tuple[Array, float]:
        q = self._view.scores("q", inputs.rows, inputs.grams)
        if self.config.exploration == "epsilon":
            allowed = inputs.bias > NEVER / 2
            p = np.where(allowed, self.epsilon / allowed.sum(), 0.0)
            best = int(np.where(allowed, q, -np.inf).argmax())
            p[best] += 1 - self.epsilon
            return p, float(q[best])
        p = posterior(inputs, q, self.alpha)
        return p, float(p @ q)

    @property
    def epsilon(self) -> float:
        c = self.config
        return c.epsilon_start + min(1.0, self.steps / c.epsilon_steps) * (c.epsilon_end - c.epsilon_start)

    def observe(self, step: Step) -> None:
        self.steps += 1
        if self.config.lambda_weight == 0:
            self.replay.add([step])
            if self.steps % self.config.train_every == 0:
                self._learn(self.config.updates)

    def finish(self, steps: Sequence[Step], *, learn: bool = True) -> None:
        if self.config.lambda_weight == 0:
            self.replay.settle(len(steps))
            return
        self.add(steps)
        if learn:
            self._learn(len(steps) * self.config.updates // self.config.train_every)

    def add(self, steps: Sequence[Step], *, lam: float | None = None) -> None:
        """Put an ended episode (acted, demonstrated, relabelled or recorded) into the replay, with its λ-returns."""
        lam = self.config.lam if lam is None else lam
        after = [s.value for s in steps[1:]] + [0.0 if steps[-1].after is None else self.assess(steps[-1].after)[1]]
        returns = lambda_returns([s.reward for s in steps], after, self.config.gamma, lam)
        for step, value in zip(steps, returns.tolist(), strict=True):
            step.lam_return = value
        self.replay.add(steps)

    def clone(self, demonstrations: Sequence[Step], updates: int) -> None:
        for _ in range(updates):
            chosen = self.rng.integers(0, len(demonstrations), self.config.batch)
            self.update([demonstrations[i] for i in chosen], np.ones(len(chosen)), outcomes=False)

    def _learn(self, updates: int) -> None:
        if len(self.replay) >= self.config.learning_starts:
            self.rehearse(updates)

    def clear(self) -> None:
        c = self.config
        self.replay = Replay(c.capacity, balanced=c.balanced, priority=c.priority)

    def rehearse(self, updates: int) -> None:
        for _ in range(updates):
            places, steps, weights = self.replay.sample(self.config.batch, self.rng)
            self.replay.update(places, self.update(steps, weights))

    def update(
        self, steps: Sequence[Step], weights: Array, *, outcomes: bool = True
    ) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """One gradient step on STEPS weighted by WEIGHTS; the |TD error| of each. Without OUTCOMES, which came about by
        choice (only successes are cloned), the success head learns nothing. Raises TrainingDiverged."""
        c = self.config
        ragged = self.spec.kind == "rows"
        batch = pack([taken(s) if ragged else s.inputs for s in steps], self.spec)
        place = torch.tensor([0 if ragged else s.chosen for s in steps]).unsqueeze(1)
        read = self.network.read(batch)
        chosen = self.network.scores("q", batch, read).gather(1, place).squeeze(1)
        target = self.targets(steps)
        importance = column(weights * np.asarray([s.weight for s in steps]))
        loss = (importance * functional.smooth_l1_loss(chosen, target, reduction="none")).mean()
        shown = [s for s in steps if s.demo] if c.demo_weight else []
        if shown:
            loss = loss + c.demo_weight * self._demo_loss(shown)
        if c.success_weight and outcomes:
            logit = self.network.scores("success", batch, read).gather(1, place).squeeze(1)
            loss = loss + c.success_weight * self._success_loss(logit, steps, self.replay.undone(weights))
        self.updates += 1
        if c.kl_target and c.exploration == "posterior" and self.updates % 4 == 0:
            self._steer(steps)
        descend(loss, self.optimiser, self._parameters, c.max_norm, self.updates)
        if self.updates % c.target_every == 0:
            self._move_target()
        self.metrics["loss"] = float(loss.detach())
        errors: np.ndarray[tuple[int], np.dtype[np.float32]] = (chosen.detach() - target).abs().numpy()
        return errors

    @torch.no_grad()
    def _move_target(self) -> None:
        torch._foreach_lerp_(self._averages, self._parameters, self.config.tau)

    @torch.no_grad()
    def targets(self, steps: Sequence[Step]) -> Tensor:
        """y of the header for each of STEPS."""
        c = self.config
        batch = pack([s.inputs if s.after is None else s.after for s in steps], self.spec)
        values = self.target.scores("q", batch)
        choosing = self.network.scores("q", batch) if c.double else values
        if c.bootstrap == "policy":
            policy = torch.softmax(logits(choosing, batch.bias, batch.trust, self.alpha), dim=1)
            following = (policy * values).sum(dim=1)
        else:
            allowed = torch.where(batch.bias > NEVER / 2, choosing, -torch.inf)
            following = (
                values.gather(1, allowed.argmax(dim=1, keepdim=True)).squeeze(1) if c.double else allowed.amax(1)
            )
        going_on = column([float(s.after is not None) for s in steps])
        one_step = column([s.reward for s in steps]) + going_on * c.gamma * following
        if c.lambda_weight == 0:
            return one_step
        return c.lambda_weight * column([s.lam_return for s in steps]) + (1 - c.lambda_weight) * one_step

    def _demo_loss(self, shown: Sequence[Step]) -> Tensor:
        """Cross-entropy of the actions of demonstrated steps, as if all were trusted."""
        batch = pack([s.inputs for s in shown], self.spec)
        z = logits(self.network.scores("q", batch), batch.bias, torch.ones_like(batch.trust), self.config.demo_alpha)
        losses = functional.cross_entropy(z, torch.tensor([s.chosen for s in shown]), reduction="none")
        return (column([s.weight for s in shown]) * losses).mean()

    def _success_loss(self, logit: Tensor, steps: Sequence[Step], drawn: Array) -> Tensor:
        """Cross-entropy of the outcomes as often as they come in the replay: DRAWN undoes the priorities, `outcome_weights` the balance."""
        outcome = column([s.success for s in steps])
        known = ~torch.isnan(outcome) & torch.tensor([not s.relabelled for s in steps])
        good, bad = self.replay.outcome_weights()
        losses = functional.binary_cross_entropy_with_logits(logit, torch.where(known, outcome, 0.5), reduction="none")
        weight = column(drawn * np.asarray([s.weight for s in steps]))
        return (known * torch.where(outcome == 1.0, good, bad) * weight * losses).mean()

    @torch.no_grad()
    def _steer(self, steps: Sequence[Step]) -> None:
        """Move α towards the target KL(π ‖ μ̃), capped by what the lists at hand allow."""
        batch = pack([s.inputs for s in steps], self.spec)
        scores = self.network.scores("q", batch)
        logp = torch.log_softmax(logits(scores, batch.bias, batch.trust, self.alpha), dim=1)
        kl = float((logp.exp() * (logp - batch.bias)).sum(dim=1).mean())
        self.alpha = float(np.clip(self.alpha * np.exp(0.02 * (kl - self.config.kl_target)), 0.01, 10.0))
        self.metrics.update(kl=kl, alpha=self.alpha)

    def policy(self, evidence: Evidence, version: str) -> LearntPolicy:
        network = self.target if self.config.tau < 1 else self.network
        return LearntPolicy(network.snapshot(), evidence, version=version, alpha=self.alpha, n0=self.config.n0)

    def checkpoint(self) -> tuple[Arrays, dict[str, Any]]:
        arrays, keys = pack_steps("replay.", self.replay.steps)
        arrays.update({f"online.{k}": v for k, v in self.network.arrays().items()})
        arrays.update({f"target.{k}": v for k, v in self.target.arrays().items()})
        arrays.update(optimiser_arrays("adam.", self.optimiser))
        arrays["priorities"] = self.replay.priorities()
        state = {
            "keys": keys,
            "rng": rng_state(self.rng),
            "alpha": self.alpha,
            "steps": self.steps,
            "updates": self.updates,
        }
        return arrays, {**state, "next": self.replay.next, "top": self.replay.top, "metrics": dict(self.metrics)}

    def restore(self, arrays: Arrays, state: dict[str, Any]) -> None:
        self.network.load_arrays({k[7:]: v for k, v in arrays.items() if k.startswith("online.")})
        self.target.load_arrays({k[7:]: v for k, v in arrays.items() if k.startswith("target.")})
        restore_optimiser("adam.", self.optimiser, arrays)
        steps = unpack_steps("replay.", arrays, state["keys"])
        self.replay.restore(steps, state["next"], arrays["priorities"], state["top"])
        self.rng.bit_generator.state = state["rng"]
        self.alpha, self.steps, self.updates = state["alpha"], state["steps"], state["updates"]
        self.metrics = state["metrics"]
