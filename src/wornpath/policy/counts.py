"""The policy that counts: the model's prior, corrected by what came of it at this position before.

z(a) = log μ̃(a|s) + c(a) · (Q(s,a) − Σ_b μ̃(b|s) Q(s,b)) / α with Q the expected return and c = n / (n + n₀), as in `choice`. It needs no
training and learns with every run; a trained network has to beat it. Without experience it is the prior policy.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from wornpath.core import Candidate, Decision, State
from wornpath.policy.prior import smoothed

ALPHA = 0.2
"""In return units: how much better than expected an action must have been to change the odds by e."""
N0 = 5.0


class CountPolicy:
    """Reads `State.features["recalled"]`: action key → [template, good uses, bad uses, expected return], and `usual`: the expected return
    of what the model would do instead. Implements `Policy`."""

    version = "counts"

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
        known = state.features.get("recalled") or {}
        rows = [known.get(c.action.key) for c in candidates]
        usual = float(state.features.get("usual") or 0.0)
        q = [float(row[3]) if row else usual for row in rows]
        expected = math.fsum(p * value for p, value in zip(prior, q, strict=True))
        trust = [row[1] + row[2] if row else 0 for row in rows]
        weights = [
            p * math.exp(max(-50.0, min(50.0, n / (n + N0) * (value - expected) / ALPHA)))
            for p, value, n in zip(prior, q, trust, strict=True)
        ]
        total = math.fsum(weights)
        posterior = [w / total for w in weights]
        best = max(range(len(posterior)), key=posterior.__getitem__)
        chosen = rng.choices(range(len(posterior)), posterior)[0] if explore else best
        probabilities = posterior if explore else [float(i == best) for i in range(len(posterior))]
        by = "llm" if candidates[chosen].source == "llm" and not any(rows) else "policy"
        return Decision(
            state,
            tuple(candidates),
            chosen,
            tuple(probabilities),
            tuple(bool(m) for m in mask),
            by=by,  # type: ignore[arg-type]
            q=tuple(q) if any(rows) else None,
            value=math.fsum(p * v for p, v in zip(posterior, q, strict=True)) if any(rows) else None,
            policy_version=self.version,
        )

    def value(self, state: State) -> float:
        return 0.0  # of a state alone nothing is counted
