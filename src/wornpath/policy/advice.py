"""What the log says a policy would have earned: a doubly robust estimate, as advice and never as a gate.

    V_t = v̂(s_t) + ρ_t (r_t + γ V_{t+1} − q̂(s_t, a_t)),      ρ_t = π(a_t|s_t) / b(a_t|s_t), clipped

(Jiang & Li, 1511.03722, eq. 10.) b are the logged behaviour probabilities, π is what the policy would deploy, q̂ its own Q
where it has one, which was fitted on the same log and so flatters it; without one q̂ is 0 and the estimate is plain
per-decision importance sampling. A log of a policy that never tries anything else cannot say what something else is worth:
the effective sample size counts only runs with a *tried deviation*, a step at which the policy prefers another action than
the logged one's most likely, and that action was taken."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wornpath.core import Transition
from wornpath.policy import choice
from wornpath.policy.learnt import LearntPolicy, looks_only
from wornpath.policy.past import GAMMA, Lived
from wornpath.policy.protocol import Policy

MAX_RATIO = 10.0
MIN_EFFECTIVE = 5.0
"""Effective runs with a tried deviation, below which the estimate is not to be trusted."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The estimate in return units, a run; `interval` is 95 %, normal over runs."""

    estimate: float
    interval: tuple[float, float]
    logged: float
    """Mean return of the same runs as they went."""
    runs: int
    deviating: int
    """Runs in which a deviation of the policy was tried."""
    effective: float
    """Effective sample size over those runs: (Σw)²/Σw² of their importance weights."""

    @property
    def enough(self) -> bool:
        return self.effective >= MIN_EFFECTIVE

    @property
    def text(self) -> str:
        """One sentence for people."""
        if not self.runs:
            return "there is no run to estimate from."
        low, high = self.interval
        about = f"a return of {self.estimate:+.2f} a run [{low:+.2f}, {high:+.2f}], {self.logged:+.2f} as it went"
        sample = (
            f"{self.deviating} of {self.runs} runs tried what it would do otherwise, worth {self.effective:.1f} runs"
        )
        return f"{about}; {sample}" + ("." if self.enough else ": too few to go by.")


def advise(policy: Policy, episodes: Sequence[Lived]) -> Advice:
    """The doubly robust estimate of POLICY's return on the goals of EPISODES (those with steps)."""
    values, weights, logged, deviating = [], [], [], 0
    for one in episodes:
        if not one.steps:
            continue
        value, weight, tried = _episode(policy, one.steps)
        values.append(value)
        logged.append(one.returns[0])
        if tried:
            deviating += 1
            weights.append(weight)
    if not values:
        return Advice(math.nan, (math.nan, math.nan), math.nan, 0, 0, 0.0)
    mean = float(np.mean(values))
    half = 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    squares = sum(w * w for w in weights)
    effective = sum(weights) ** 2 / squares if squares > 0 else 0.0
    return Advice(mean, (mean - half, mean + half), float(np.mean(logged)), len(values), deviating, effective)


def _episode(policy: Policy, steps: Sequence[Transition]) -> tuple[float, float, bool]:
    """The estimate for one run, its importance weight, and whether it holds a tried deviation."""
    rows = [_step(policy, t) for t in steps]
    value, weight, tried = 0.0, 1.0, False
    if steps[-1].truncated:
        value = rows[-1][1]  # what was cut off is worth what the last state known is
    for t, (p, v, q, deviated) in zip(reversed(steps), reversed(rows), strict=True):
        b = t.probabilities[t.chosen]
        ratio = min(MAX_RATIO, p / b) if b > 0 else 0.0
        value = v + ratio * (t.reward + GAMMA * value - q)
        weight *= ratio
        tried |= deviated
    return value, weight, tried


def _step(policy: Policy, t: Transition) -> tuple[float, float, float, bool]:
    """π(a|s) of the action taken, v̂(s), q̂(s,a), and whether taking it was a deviation that the policy wants."""
    target, q = target_probabilities(policy, t)
    usual = max(range(len(t.probabilities)), key=t.probabilities.__getitem__)
    wanted = int(target.argmax())
    value = float(target @ q) if q is not None else 0.0
    return float(target[t.chosen]), value, float(q[t.chosen]) if q is not None else 0.0, wanted == t.chosen != usual


def target_probabilities(policy: Policy, t: Transition) -> tuple[choice.Array, choice.Array | None]:
    """What POLICY would deploy at the decision of T, and its Q-values where it has them."""
    if isinstance(policy, LearntPolicy):
        posterior, scores, is_q = policy.posterior(t.state, t.candidates, t.mask)
        reversible = [looks_only(c.action) for c in t.candidates]
        return choice.deployed(posterior, reversible, policy.epsilon), np.asarray(scores, float) if is_q else None
    decision = policy.decide(t.state, t.candidates, t.mask, rng=random.Random(0))
    return np.asarray(decision.probabilities), None
