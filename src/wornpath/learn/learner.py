"""What the trainer asks of an algorithm, and what both algorithms share."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wornpath.core import WornpathError
from wornpath.learn.checkpoint import Arrays
from wornpath.learn.inputs import NEVER, Inputs, Step
from wornpath.learn.networks import TrainableNetwork
from wornpath.policy.choice import Array, softmax
from wornpath.policy.evidence import Evidence
from wornpath.policy.learnt import LearntPolicy


class TrainingDiverged(WornpathError):
    """A loss or gradient stopped being a number; the weights are those before that update."""


class Learner(Protocol):
    """One algorithm with its networks. Everything random comes from `rng`, so that a restored learner goes on the
    same.
    """

    config: Any
    """DQNConfig or PPOConfig; both have `gamma` and `n0`."""
    network: TrainableNetwork
    rng: np.random.Generator
    updates: int
    metrics: dict[str, float]

    def assess(self, inputs: Inputs) -> tuple[Array, float]:
        """The probabilities the learner would act with at INPUTS (exploring), and V(s) (0 where it is not known while
        acting).
        """
        ...

    def observe(self, step: Step) -> None:
        """Take in one step as it happens; may update."""
        ...

    def finish(self, steps: Sequence[Step], *, learn: bool = True) -> None:
        """Take in a whole episode when it has ended; may update, unless LEARN is false (demonstrations before
        cloning).
        """
        ...

    @property
    def off_policy(self) -> bool:
        """Whether it learns from a replay, into which relabelled episodes may be put."""
        ...

    def add(self, steps: Sequence[Step], *, lam: float | None = None) -> None:
        """Put an ended episode (acted, demonstrated, relabelled or recorded) into the replay, with its λ-returns (LAM:
        the configuration's λ)."""
        ...

    def rehearse(self, updates: int) -> None:
        """UPDATES gradient steps on what is in the replay."""
        ...

    def clear(self) -> None:
        """Empty the replay."""
        ...

    def clone(self, demonstrations: Sequence[Step], updates: int) -> None:
        """Warm start: UPDATES gradient steps towards the actions of DEMONSTRATIONS."""
        ...

    def policy(self, evidence: Evidence, version: str) -> LearntPolicy:
        """What was learnt so far, in use."""
        ...

    def checkpoint(self) -> tuple[Arrays, dict[str, Any]]: ...

    def restore(self, arrays: Arrays, state: dict[str, Any]) -> None: ...


def draw(probabilities: Array, rng: np.random.Generator) -> int:
    """An index drawn from PROBABILITIES."""
    edges = np.cumsum(probabilities)
    index = int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))
    return min(index, len(edges) - 1)


def posterior(inputs: Inputs, scores: npt.ArrayLike, alpha: float | None) -> Array:
    """The choice rule of `policy.choice` on ready-made INPUTS."""
    values = np.asarray(scores, dtype=np.float64)
    bias = inputs.bias.astype(np.float64)
    if alpha is not None:
        values = (values - float(np.exp(bias) @ values)) / alpha
    return softmax(bias + np.where(bias > NEVER / 2, inputs.trust * values, 0.0))


def logits(scores: Tensor, bias: Tensor, trust: Tensor, alpha: float | None) -> Tensor:
    """z of `policy.choice.combine` for a padded batch."""
    if alpha is not None:
        scores = (scores - (bias.exp() * scores).sum(dim=1, keepdim=True)) / alpha
    return bias + torch.where(bias > NEVER / 2, trust * scores, 0.0)


def descend(
    loss: Tensor, optimiser: torch.optim.Optimizer, parameters: Sequence[Tensor], max_norm: float, update: int
) -> None:
    """One gradient step. Raises TrainingDiverged, before anything is changed, when the loss or the gradient is not a
    number.
    """
    for parameter in parameters:
        parameter.grad = None
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))
    if not math.isfinite(norm):
        what = "gradient" if torch.isfinite(loss) else "loss"
        raise TrainingDiverged(
            f"The {what} of update {update} is not a number; look at the rewards and lower the learning rate."
        )
    if (share := max_norm / (norm + 1e-6)) < 1:
        torch._foreach_mul_(gradients, share)
    torch.set_flush_denormal(
        True
    )  # the moments of dead units become denormal numbers, which make a step several times as slow
    try:
        optimiser.step()
    finally:
        torch.set_flush_denormal(False)


def rng_state(rng: np.random.Generator) -> Any:
    return json.loads(json.dumps(rng.bit_generator.state))
