"""The learnt functions in numpy: Q, success probability, policy score and state value, as small multi-layer
perceptrons.

Two kinds. `rows`: every candidate is a row of features (and, if `buckets` > 0, a bag of hashed n-grams), and a head
gives one score a row; the `value` head reads the mean and the maximum of the rows. `vector`: one observation vector,
and a head gives `outputs` scores. Weights are named `<head>.<layer>.weight|bias` as in PyTorch, shape (out, in);
`learn.networks` trains the same arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from wornpath.core import UsageError

Array = npt.NDArray[np.float32]
Bag = npt.NDArray[np.int32]
"""The hashed n-grams of one candidate: rows of the table."""
Head = Literal["q", "success", "policy", "value"]
HEADS: tuple[Head, ...] = ("q", "success", "policy", "value")


@dataclass(frozen=True, slots=True)
class Spec:
    """The shape of a network."""

    kind: Literal["rows", "vector"] = "rows"
    inputs: int = 35
    """Length of a row, or of the observation vector."""
    outputs: int = 1
    """Number of actions of a `vector` network; 1 for `rows`."""
    hidden: tuple[int, ...] = (64, 64)
    activation: Literal["relu", "tanh"] = "relu"
    heads: tuple[Head, ...] = ("q", "success")
    buckets: int = 0
    """Size of the table of hashed n-grams; 0 switches that branch off."""
    gram_width: int = 16
    view: Literal["text", "live"] = "text"
    """Which features a row holds: those of text environments (`features`), or of the live agent (`live`)."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every array of the network."""
        out: dict[str, tuple[int, ...]] = {}
        width = self.inputs + (self.gram_width if self.buckets else 0)
        if self.buckets:
            out["grams.weight"] = (self.buckets, self.gram_width)
        for head in self.heads:
            first = 2 * width if head == "value" and self.kind == "rows" else width
            last = 1 if head == "value" or self.kind == "rows" else self.outputs
            sizes = (first, *self.hidden, last)
            for i in range(len(sizes) - 1):
                out[f"{head}.{i}.weight"] = (sizes[i + 1], sizes[i])
                out[f"{head}.{i}.bias"] = (sizes[i + 1],)
        return out


class Network:
    """A network in use. `weights` may share memory with the arrays under training."""

    def __init__(self, spec: Spec, weights: Mapping[str, Array]) -> None:
        """Raises UsageError when WEIGHTS are not those of SPEC."""
        shapes = spec.shapes()
        if set(shapes) != set(weights):
            raise UsageError(f"The weights do not fit the network: {sorted(set(shapes) ^ set(weights))[:4]} differ.")
        for name, shape in shapes.items():
            if tuple(weights[name].shape) != shape:
                raise UsageError(f"The weights do not fit the network: {name} is {weights[name].shape}, not {shape}.")
        self.spec, self.weights = spec, weights
        depth = len(spec.hidden) + 1
        self._layers = {
            head: [(weights[f"{head}.{i}.weight"], weights[f"{head}.{i}.bias"]) for i in range(depth)]
            for head in spec.heads
        }

    def scores(self, head: Head, rows: Array, grams: Sequence[Bag] | None = None) -> Array:
        """One score per candidate, shape (n,): ROWS has shape (n, inputs), or (inputs,) for a `vector` network. The
        `success` head gives probabilities, `value` a single number of shape (1,).
        """
        x = self._input(rows, grams)
        if head == "value" and self.spec.kind == "rows":
            x = np.concatenate([x.mean(axis=0), x.max(axis=0)])
        x = self._forward(self._layers[head], x)
        out = x.reshape(-1)
        return _sigmoid(out) if head == "success" else out

    def _input(self, rows: Array, grams: Sequence[Bag] | None) -> Array:
        if not self.spec.buckets:
            return rows
        if grams is None:
            raise UsageError("This network reads n-grams; give the n-grams of every candidate.")
        table = self.weights["grams.weight"]
        lengths = np.array([len(bag) for bag in grams])
        starts = np.cumsum(lengths) - lengths
        sums = np.add.reduceat(table[np.concatenate(grams)], starts, axis=0)
        means = sums / lengths[:, None].astype(np.float32)
        return np.concatenate([rows, means], axis=1)

    def _forward(self, layers: list[tuple[Array, Array]], x: Array) -> Array:
        relu = self.spec.activation == "relu"
        for weight, bias in layers[:-1]:
            x = x @ weight.T + bias
            x = np.maximum(x, 0) if relu else np.tanh(x)
        weight, bias = layers[-1]
        return np.asarray(x @ weight.T + bias, dtype=np.float32)


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), dtype=np.float32)
