"""Whether the success head means what it says: of the steps given a probability of .8, did eight in ten runs succeed?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wornpath.policy.learnt import LearntPolicy
from wornpath.policy.past import Lived

Said = tuple[float, float]
"""The probability given at a step, and how the episode came out (1 or 0)."""


@dataclass(frozen=True, slots=True)
class Bin:
    low: float
    high: float
    n: int
    said: float
    """Mean probability given."""
    was: float
    """Share that succeeded."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """`brier` is the mean squared error of the probabilities, `base` that of always giving the mean outcome, `error` the
    expected calibration error: the mean distance between said and was over the bins, weighted by their steps."""

    n: int
    brier: float
    base: float
    error: float
    bins: tuple[Bin, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "brier": round(self.brier, 4),
            "brier_base": round(self.base, 4),
            "calibration_error": round(self.error, 4),
            "bins": [[b.low, b.high, b.n, round(b.said, 4), round(b.was, 4)] for b in self.bins],
        }


def reliability(pairs: Sequence[Said], bins: int = 10) -> Reliability | None:
    """The reliability of PAIRS over BINS of equal width; empty bins are left out. None where there are no pairs."""
    if not pairs:
        return None
    n = len(pairs)
    mean = sum(was for _, was in pairs) / n
    rows = []
    for i in range(bins):
        part = [(p, y) for p, y in pairs if min(bins - 1, int(p * bins)) == i]
        if part:
            said, was = (sum(column) / len(part) for column in zip(*part, strict=True))
            rows.append(Bin(i / bins, (i + 1) / bins, len(part), said, was))
    brier = sum((p - y) ** 2 for p, y in pairs) / n
    error = sum(b.n * abs(b.said - b.was) for b in rows) / n
    return Reliability(n, brier, mean * (1 - mean), error, tuple(rows))


def said_of_runs(policy: LearntPolicy, episodes: Iterable[Lived]) -> list[Said]:
    """What the success head of POLICY says at every step of EPISODES whose outcome is known, with that outcome; nothing
    where it has no such head."""
    out: list[Said] = []
    for one in episodes:
        if math.isnan(one.success):
            continue
        for t in one.steps:
            probabilities = policy.success(t.state, t.candidates)
            if probabilities is None:
                return []
            out.append((float(probabilities[t.chosen]), one.success))
    return out
