"""The choice rule: the language model's prior, corrected by what was learnt in proportion to the evidence for it.

    z(a) = log μ̃(a|s) + c(a) · A(s,a) / α        A(s,a) = Q(s,a) − Σ_b μ̃(b|s) Q(s,b)        (DQN)
    z(a) = log μ̃(a|s) + c(a) · f(s,a)                                                      (policy gradient)
    c(a) = n / (n + n₀)

with μ̃ = 0.9 μ̂ + 0.1 uniform over what the mask allows, and n the number of distinct episodes with this evidence
key. KL-regularised RL with the model as prior (LINVIT, arXiv 2402.16181). Without evidence the policy is the prior.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
PRIOR_MIX = 0.1
"""Share of the uniform distribution in μ̃."""


def mixed_prior(prior: Sequence[float], mask: Sequence[bool], mix: float = PRIOR_MIX) -> Array:
    """μ̃ over the allowed candidates: (1 − MIX) of PRIOR, normalised over them, and MIX of uniform; uniform where
    PRIOR is all zero.

    Raises ValueError when the mask allows nothing, or when a prior is negative or not a number.
    """
    allowed = np.asarray(mask, dtype=bool)
    if not allowed.any():
        raise ValueError("No candidate is left to choose from.")
    weights = np.where(allowed, np.asarray(prior, dtype=np.float64), 0.0)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("Priors must be finite and not negative.")
    uniform = allowed / allowed.sum()
    total = weights.sum()
    return np.asarray((1 - mix) * (weights / total) + mix * uniform if total > 0 else uniform)


def shrinkage(counts: Sequence[float] | Array, n0: float) -> Array:
    """c = n / (n + n₀): how far the learnt score is trusted; 1 everywhere when N0 is 0."""
    n = np.asarray(counts, dtype=np.float64)
    return np.ones_like(n) if n0 == 0 else np.asarray(n / (n + n0))


def combine(prior: Array, scores: npt.ArrayLike, trust: npt.ArrayLike, *, alpha: float | None) -> Array:
    """z for every candidate, −inf for masked ones (those with PRIOR 0). With ALPHA the scores are Q-values, from
    which advantages over the prior are taken; without it they are used as they are.
    """
    values = np.asarray(scores, dtype=np.float64)
    if alpha is not None:
        values = (values - float(prior @ values)) / alpha
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(prior) + np.where(prior > 0, np.asarray(trust) * values, 0.0))


def softmax(z: Array) -> Array:
    """The distribution proportional to exp(z); −inf gives exactly 0."""
    p = np.exp(z - z.max())
    return np.asarray(p / p.sum())


def deployed(posterior: Array, reversible: Sequence[bool], epsilon: float = 0.1) -> Array:
    """The distribution a deployed policy samples from: EPSILON of the posterior on reversible candidates, and the rest on the
    best one, so that logged runs can be evaluated off-policy and nothing irreversible is done for exploration's sake.
    """
    out = epsilon * np.where(np.asarray(reversible, dtype=bool), posterior, 0.0)
    out[int(posterior.argmax())] += 1.0 - out.sum()
    return np.asarray(out)


def greedy(posterior: Array) -> Array:
    """All probability on the best candidate (the first of equals)."""
    out = np.zeros_like(posterior)
    out[int(posterior.argmax())] = 1.0
    return out
