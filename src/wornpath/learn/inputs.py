"""What a network sees at one decision, steps of experience made of it, and batches: ragged lists flattened for the
network and split again.

A batch holds all candidates of all decisions as the rows of one matrix; scores come back padded to (decisions, widest
list), with `NEVER` as the bias of what is masked or padding. With one `vector` per decision (Box observations) no
padding is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wornpath.policy.network import Array, Bag, Spec

NEVER = -1e9
"""log μ̃ of a masked candidate: finite, so that probability 0 times it is 0 and gradients stay numbers."""


@dataclass(slots=True, eq=False)
class Inputs:
    """One decision as numbers: `rows` (n, inputs) or a vector (inputs,); `bias` = log μ̃ and `trust` = c, both (n,)."""

    rows: Array
    bias: Array
    trust: Array
    grams: tuple[Bag, ...] | None = None
    keys: tuple[str, ...] = ()
    """Evidence key of each candidate; empty where none are kept."""


@dataclass(slots=True, eq=False)
class Step:
    """One step of experience. `after` is None exactly when the episode terminated; a truncated one is bootstrapped
    through.
    """

    inputs: Inputs
    chosen: int
    logp: float
    reward: float
    after: Inputs | None
    truncated: bool = False
    lam_return: float = 0.0
    success: float = float("nan")
    weight: float = 1.0
    demo: bool = False
    last: bool = False
    """No step of the same episode follows."""
    value: float = 0.0
    """V(s) as the acting policy saw it."""
    relabelled: bool = False
    """Of an episode seen under another goal: it teaches values, and nothing about how often goals are met."""


@dataclass(slots=True)
class Packed:
    """Many decisions as tensors."""

    rows: Tensor
    grams: Tensor | None
    offsets: Tensor | None
    where: Tensor | None
    """Position of each row in the flattened (decisions, widest) matrix; None when every list is as long."""
    shape: tuple[int, int]
    bias: Tensor
    trust: Tensor


def pack(inputs: Sequence[Inputs], spec: Spec) -> Packed:
    """INPUTS as one batch for a network of SPEC."""
    size = len(inputs)
    if spec.kind == "vector":
        rows = torch.from_numpy(np.concatenate([i.rows for i in inputs]).reshape(size, -1))
        bias, trust = torch.from_numpy(inputs[0].bias), torch.from_numpy(inputs[0].trust)  # the same everywhere
        shape = (size, spec.outputs)
        return Packed(rows, None, None, None, shape, bias.expand(shape), trust.expand(shape))
    counts = np.fromiter((len(i.bias) for i in inputs), dtype=np.int64, count=size)
    widest = int(counts.max())
    rows = torch.from_numpy(np.concatenate([i.rows for i in inputs]))
    bases, trusts = np.concatenate([i.bias for i in inputs]), np.concatenate([i.trust for i in inputs])
    where: Tensor | None = None
    if (counts != widest).any():
        starts = np.repeat(np.arange(size) * widest - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        flat = starts + np.arange(len(bases))
        where = torch.from_numpy(flat)
        bases, trusts = _spread(bases, flat, size * widest, NEVER), _spread(trusts, flat, size * widest, 0.0)
    grams = offsets = None
    if spec.buckets:
        bags = [bag for i in inputs for bag in (i.grams or ())]
        lengths = np.fromiter(map(len, bags), dtype=np.int32, count=len(bags))
        grams = torch.from_numpy(np.concatenate(bags))
        offsets = torch.from_numpy(np.cumsum(lengths, dtype=np.int32) - lengths)
    shape = (size, widest)
    return Packed(
        rows,
        grams,
        offsets,
        where,
        shape,
        torch.from_numpy(bases.reshape(shape)),
        torch.from_numpy(trusts.reshape(shape)),
    )


def taken(step: Step) -> Inputs:
    """STEP's decision with the candidate it took as the only one: all that its own Q-value needs."""
    one, at = step.inputs, slice(step.chosen, step.chosen + 1)
    return Inputs(one.rows[at], one.bias[at], one.trust[at], one.grams[at] if one.grams else None)


def column(values: Sequence[float] | npt.NDArray[np.float64]) -> Tensor:
    """VALUES as a float32 tensor."""
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def _spread(values: Array, where: npt.NDArray[np.int64], size: int, fill: float) -> Array:
    out = np.full(size, fill, dtype=np.float32)
    out[where] = values
    return out
