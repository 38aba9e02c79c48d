"""The prior policy: it acts as the language model would, without what is masked. An untrained agent is the language model."""

from __future__ import annotations

import random
from collections.abc import Sequence

from wornpath.core import Candidate, Decision, State

UNIFORM = 0.1
"""Share of the uniform distribution in the smoothed prior μ̃ = 0.9 μ̂ + 0.1 uniform, so that no candidate is impossible."""


def smoothed(candidates: Sequence[Candidate], mask: Sequence[bool]) -> list[float]:
    """μ̃ over CANDIDATES: the prior, mixed with a uniform one, 0 where MASK is False, summing to 1.

    Raises ValueError when everything is masked.
    """
    free = sum(mask)
    if not free:
        raise ValueError("every candidate is masked")
    mass = sum(c.prior for c, ok in zip(candidates, mask, strict=True) if ok)
    if mass <= 0:
        return [1 / free if ok else 0.0 for ok in mask]
    return [
        ((1 - UNIFORM) * (c.prior / mass) + UNIFORM / free) if ok else 0.0
        for c, ok in zip(candidates, mask, strict=True)
    ]


class PriorPolicy:
    """Acts by the model's prior. Implements `Policy`."""

    version = "prior"

    def decide(
        self,
        state: State,
        candidates: Sequence[Candidate],
        mask: Sequence[bool],
        *,
        explore: bool = False,
        rng: random.Random,
    ) -> Decision:
        prior = smoothed(candidates, mask)
        if explore:
            chosen = rng.choices(range(len(prior)), prior)[0]
            probabilities = prior
        else:
            chosen = max(range(len(prior)), key=prior.__getitem__)
            probabilities = [float(i == chosen) for i in range(len(prior))]
        by = "llm" if candidates[chosen].source == "llm" else "policy"
        return Decision(
            state,
            tuple(candidates),
            chosen,
            tuple(probabilities),
            tuple(mask),
            by=by,  # type: ignore[arg-type]
            policy_version=self.version,
        )

    def value(self, state: State) -> float:
        return 0.0
