"""A learnt policy in use: features, numpy network, choice rule. It is a `policy.protocol.Policy` and needs no
PyTorch.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from wornpath.core import Action, Candidate, Decision, State, UsageError
from wornpath.policy import choice, live
from wornpath.policy.evidence import Evidence
from wornpath.policy.features import dense, grams, known_uses, recalled_as
from wornpath.policy.network import Array, Bag, Network

REVERSIBLE_TOOLS = frozenset({"list_files", "read_file", "find_files", "search_text", "act"})
_REMEMBERED_STATES = 256


def looks_only(action: Action) -> bool:
    """Whether ACTION can be taken for exploration's sake: it only looks (or is a step of a simulated environment)."""
    return action.tool in REVERSIBLE_TOOLS


class LearntPolicy:
    """Network weights, evidence counts and the settings of the choice rule, under a version name."""

    explores = True
    """A run samples from it (`choice.deployed`), so that its log can tell what another version would have earned."""

    def __init__(
        self,
        network: Network,
        evidence: Evidence | None = None,
        *,
        version: str = "unsaved",
        alpha: float = 0.1,
        n0: float = 5.0,
        epsilon: float = 0.1,
        reversible: Callable[[Action], bool] = looks_only,
    ) -> None:
        """ALPHA is in return units, N0 in episodes; EPSILON is the share of decisions sampled from the posterior when
        exploring.
        """
        self.network, self.version = network, version
        self.evidence = evidence if evidence is not None else Evidence()
        self.alpha, self.n0, self.epsilon = alpha, n0, epsilon
        self._reversible = reversible
        self._values: OrderedDict[str, float] = OrderedDict()

    def decide(
        self,
        state: State,
        candidates: Sequence[Candidate],
        mask: Sequence[bool],
        *,
        explore: bool = False,
        rng: random.Random,
    ) -> Decision:
        """The decision at STATE; see `policy.protocol.Policy.decide`."""
        if len(mask) != len(candidates):
            raise ValueError(f"{len(candidates)} candidates need a mask as long, not {len(mask)}.")
        posterior, scores, is_q = self.posterior(state, candidates, mask)
        if explore:
            probabilities = choice.deployed(posterior, [self._reversible(c.action) for c in candidates], self.epsilon)
            chosen = _sample(probabilities, rng)
        else:
            probabilities = choice.greedy(posterior)
            chosen = int(posterior.argmax())
        value = self._value(state, candidates, posterior, scores, is_q)
        return Decision(
            state=state,
            candidates=tuple(candidates),
            chosen=chosen,
            probabilities=tuple(probabilities.tolist()),
            mask=tuple(bool(m) for m in mask),
            by="policy",
            q=tuple(scores.tolist()) if is_q else None,
            value=value,
            policy_version=self.version,
        )

    def posterior(
        self, state: State, candidates: Sequence[Candidate], mask: Sequence[bool]
    ) -> tuple[choice.Array, Array, bool]:
        """The choice rule's distribution over CANDIDATES, their learnt scores, and whether these are Q-values."""
        prior = choice.mixed_prior([c.prior for c in candidates], mask)
        scores, is_q = self.score(state, candidates)
        z = choice.combine(prior, scores, self.trust(state, candidates), alpha=self.alpha if is_q else None)
        return choice.softmax(z), scores, is_q

    def value(self, state: State) -> float:
        """V(s) of a state decided on lately (its candidates are needed for it), else 0."""
        return self._values.get(state.key, 0.0)

    def success(self, state: State, candidates: Sequence[Candidate]) -> Array | None:
        """The probability that the episode succeeds after each candidate, or None where the network has no such
        head.
        """
        if "success" not in self.network.spec.heads:
            return None
        rows, bags = self._inputs(state, candidates)
        return self.network.scores("success", rows, bags)

    def score(self, state: State, candidates: Sequence[Candidate]) -> tuple[Array, bool]:
        """The learnt score of each candidate, and whether it is a Q-value (else a policy score)."""
        rows, bags = self._inputs(state, candidates)
        is_q = "policy" not in self.network.spec.heads
        scores = self.network.scores("q" if is_q else "policy", rows, bags)
        if len(scores) != len(candidates):
            raise UsageError(f"This policy chooses among {len(scores)} actions, {len(candidates)} were given.")
        return (_with_counts(state, candidates, scores) if is_q else scores), is_q

    def trust(self, state: State, candidates: Sequence[Candidate]) -> choice.Array:
        """c of each candidate; 1 where the policy reads plain vectors, which have no templates."""
        if self.n0 == 0 or self.network.spec.kind == "vector":
            return np.ones(len(candidates))
        return choice.shrinkage(known_uses(state, candidates, self.evidence), self.n0)

    def _inputs(self, state: State, candidates: Sequence[Candidate]) -> tuple[Array, list[Bag] | None]:
        spec = self.network.spec
        if spec.kind == "vector":
            if state.vector is None or len(state.vector) != spec.inputs:
                raise UsageError(f"This policy reads vectors of {spec.inputs} numbers, the state has none such.")
            return np.asarray(state.vector, dtype=np.float32), None
        rows = live.rows(state, candidates) if spec.view == "live" else dense(state, candidates)
        return rows, grams(state, candidates, spec.buckets) if spec.buckets else None

    def _value(
        self, state: State, candidates: Sequence[Candidate], posterior: choice.Array, scores: Array, is_q: bool
    ) -> float | None:
        if is_q:
            value = float(posterior @ scores)
        elif "value" in self.network.spec.heads:
            rows, bags = self._inputs(state, candidates)
            value = float(self.network.scores("value", rows, bags)[0])
        else:
            return None
        self._values[state.key] = value
        if len(self._values) > _REMEMBERED_STATES:
            self._values.popitem(last=False)
        return value


def _with_counts(state: State, candidates: Sequence[Candidate], scores: Array) -> Array:
    """SCORES, each half way to what the counts expect where something is recalled: of that what it achieved, of the rest what the model
    usually does. The counts know how this very template fared lately, the network what such actions are worth anywhere."""
    usual = state.features.get("usual")
    if not isinstance(usual, float | int):
        return scores
    rows = [recalled_as(state, c.action) for c in candidates]
    counted = np.asarray([row[3] if row else usual for row in rows], dtype=scores.dtype)
    return np.asarray((scores + counted) / 2)


def _sample(probabilities: choice.Array, rng: random.Random) -> int:
    edges = np.cumsum(probabilities)
    index = int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))
    while probabilities[min(index, len(edges) - 1)] == 0:  # a draw on the last edge
        index -= 1
    return min(index, len(edges) - 1)
