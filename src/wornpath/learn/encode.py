"""From an environment to `Inputs`, and one loop of acting for both kinds: text with ragged actions, and Box with
Discrete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from wornpath.core import Action, Candidate, State, UsageError
from wornpath.envs.situation import Situation, Tracker, parse_action
from wornpath.learn.inputs import NEVER, Inputs
from wornpath.policy import features
from wornpath.policy.choice import mixed_prior, shrinkage
from wornpath.policy.evidence import Evidence
from wornpath.policy.network import Spec

MakeEnv = Callable[[int], Any]
"""Makes an environment from a seed; the seed chooses the draw of tasks (train and test draws have different seeds)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of environment it is, and how wide a network for it must be."""

    kind: Literal["rows", "vector"]
    inputs: int
    outputs: int = 1


def shape_of(env: Any) -> Shape:
    """The shape of ENV. Raises UsageError when its spaces are neither Box/Discrete nor text."""
    from gymnasium import spaces

    observation, action = env.observation_space, env.action_space
    if isinstance(observation, spaces.Box) and isinstance(action, spaces.Discrete):
        if len(observation.shape) != 1:
            raise UsageError(
                f"Box observations must be flat vectors, this environment's have shape {observation.shape}."
            )
        return Shape("vector", int(observation.shape[0]), int(action.n))
    if isinstance(observation, spaces.Text):
        return Shape("rows", features.WIDTH)
    raise UsageError(
        f"This environment observes {type(observation).__name__} and acts in {type(action).__name__}; "
        "supported are Text observations with admissible_actions, and Box with Discrete."
    )


class Encoder:
    """Follows one episode at a time and turns every decision into `Inputs`."""

    def __init__(self, shape: Shape, spec: Spec, evidence: Evidence, n0: float) -> None:
        self.shape, self._spec, self._evidence, self._n0 = shape, spec, evidence, n0
        self._tracker = Tracker()
        self.situation: Situation | None = None
        flat = np.full(shape.outputs, -np.log(shape.outputs), dtype=np.float32)
        self._flat = flat, np.ones(shape.outputs, dtype=np.float32)

    def reset(self, observation: Any, info: Mapping[str, Any]) -> Inputs:
        """The first decision."""
        if self.shape.kind == "vector":
            return self._vector(observation)
        return self._text(self._tracker.reset(observation, info))

    def step(self, chosen: int, observation: Any, info: Mapping[str, Any]) -> Inputs:
        """The decision that follows on taking candidate CHOSEN of the last one."""
        if self.shape.kind == "vector":
            return self._vector(observation)
        assert self.situation is not None
        return self._text(self._tracker.step(self.situation.candidates[chosen].action, observation, info))

    def follow(self, action: str, observation: Any, info: Mapping[str, Any]) -> Inputs:
        """The decision that follows on an action named by its text, on offer or not (text environments only)."""
        return self._text(self._tracker.step(parse_action(action), observation, info))

    def action(self, chosen: int) -> Any:
        """What the environment's `step` is given for candidate CHOSEN."""
        return chosen if self.situation is None else self.situation.actions[chosen]

    def _vector(self, observation: Any) -> Inputs:
        rows = np.asarray(observation, dtype=np.float32)
        if not np.isfinite(rows).all():
            raise UsageError("The environment's observation holds values that are not numbers.")
        return Inputs(rows, *self._flat)

    def _text(self, situation: Situation) -> Inputs:
        self.situation = situation
        state, candidates = situation.state, situation.candidates
        prior = mixed_prior([c.prior for c in candidates], situation.mask)
        keys = tuple(features.evidence_keys(state, candidates))
        trust = shrinkage([self._evidence.count(k) for k in keys], self._n0)
        bags = features.grams(state, candidates, self._spec.buckets) if self._spec.buckets else None
        bias = np.full(len(prior), NEVER, dtype=np.float32)
        bias[prior > 0] = np.log(prior[prior > 0])
        rows = features.dense(state, candidates)
        return Inputs(rows, bias, trust.astype(np.float32), tuple(bags) if bags else None, keys)


def vector_situation(observation: Any, outputs: int) -> Situation:
    """A Box observation as a decision among `act(index=...)`."""
    vector = tuple(float(x) for x in np.asarray(observation, dtype=np.float32))
    candidates = tuple(Candidate(Action.of("act", index=i), "enumerated") for i in range(outputs))
    return Situation(State("", vector=vector), candidates, (True,) * outputs, tuple(range(outputs)))
