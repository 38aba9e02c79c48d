"""The trainable twin of `policy.network`: the same arrays under the same names, as PyTorch parameters."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from wornpath.learn.inputs import Packed
from wornpath.policy.network import Array, Head, Network, Spec

Doubles = npt.NDArray[np.float64]


class TrainableNetwork(nn.Module):
    """All heads of a Spec. Initial weights come from RNG alone, never from PyTorch's global generator."""

    def __init__(self, spec: Spec, rng: np.random.Generator, *, orthogonal: bool = False) -> None:
        """ORTHOGONAL initialises as PPO implementations do (gain √2, 0.01 for the policy's and 1 for the value's last
        layer); otherwise uniform in ±1/√fan-in, PyTorch's own default for linear layers.
        """
        super().__init__()
        self.spec = spec
        shapes = spec.shapes()
        if spec.buckets:
            self.grams = nn.EmbeddingBag(spec.buckets, spec.gram_width, mode="mean")
            _fill(self.grams.weight, 0.1 * rng.standard_normal(shapes["grams.weight"]))
        depth = len(spec.hidden) + 1
        for head in spec.heads:
            layers = nn.ModuleList()
            for i in range(depth):
                out, into = shapes[f"{head}.{i}.weight"]
                layer = nn.Linear(into, out)
                bound = 1 / math.sqrt(into)
                if orthogonal:
                    gain = math.sqrt(2) if i < depth - 1 else (0.01 if head == "policy" else 1.0)
                    _fill(layer.weight, gain * _orthogonal(out, into, rng))
                    _fill(layer.bias, np.zeros(out))
                else:
                    _fill(layer.weight, rng.uniform(-bound, bound, (out, into)))
                    _fill(layer.bias, rng.uniform(-bound, bound, out))
                layers.append(layer)
            self.add_module(head, layers)

    def read(self, batch: Packed) -> Tensor:
        """What all heads read of BATCH: a row for each candidate, its n-grams' mean embedding after its features."""
        if not self.spec.buckets:
            return batch.rows
        return torch.cat([batch.rows, self.grams(batch.grams, batch.offsets)], dim=1)

    def scores(self, head: Head, batch: Packed, read: Tensor | None = None) -> Tensor:
        """Scores of shape BATCH.shape, 0 on padding; the `value` head gives (decisions,); `success` gives logits. READ
        is `read(batch)`, where another head was asked before."""
        x = self.read(batch) if read is None else read
        if head == "value":
            x = self._pool(x, batch) if self.spec.kind == "rows" else x
            return self._mlp(head, x).squeeze(-1)
        out = self._mlp(head, x)
        if self.spec.kind == "vector":
            return out
        flat = out.squeeze(-1)
        if batch.where is not None:
            flat = flat.new_zeros(batch.shape[0] * batch.shape[1]).index_copy(0, batch.where, flat)
        return flat.view(batch.shape)

    def view(self) -> Network:
        """The network in numpy, sharing memory with the parameters: it follows every update without a copy."""
        return Network(self.spec, {name: p.detach().numpy() for name, p in self.named_parameters()})

    def snapshot(self) -> Network:
        """The network in numpy as it is now."""
        return Network(self.spec, self.arrays())

    def arrays(self) -> dict[str, Array]:
        """A copy of all weights."""
        return {name: p.detach().numpy().copy() for name, p in self.named_parameters()}

    def load_arrays(self, arrays: dict[str, Array]) -> None:
        """Take over ARRAYS, in place, so that views stay valid."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(arrays[name])))

    def _mlp(self, head: Head, x: Tensor) -> Tensor:
        layers = self.get_submodule(head)
        assert isinstance(layers, nn.ModuleList)
        last = len(layers) - 1
        for i, layer in enumerate(layers):
            x = layer(x)
            if i < last:
                x = torch.relu(x) if self.spec.activation == "relu" else torch.tanh(x)
        return x

    def _pool(self, x: Tensor, batch: Packed) -> Tensor:
        size, widest = batch.shape
        if batch.where is None:
            padded = x.view(size, widest, -1)
            return torch.cat([padded.mean(dim=1), padded.amax(dim=1)], dim=1)
        owner = torch.div(batch.where, widest, rounding_mode="floor")
        count = torch.bincount(owner, minlength=size).unsqueeze(1)
        mean = x.new_zeros(size, x.shape[1]).index_add(0, owner, x) / count
        low = x.new_full((size * widest, x.shape[1]), -torch.inf).index_copy(0, batch.where, x)
        return torch.cat([mean, low.view(size, widest, -1).amax(dim=1)], dim=1)


def _fill(parameter: Tensor, values: Doubles) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values.astype(np.float32)))


def _orthogonal(out: int, into: int, rng: np.random.Generator) -> Doubles:
    """A matrix (OUT, INTO) with orthonormal rows or columns, uniformly drawn (QR with signs fixed)."""
    q, r = np.linalg.qr(rng.standard_normal((max(out, into), min(out, into))))
    q = q * np.sign(np.diag(r))
    return np.asarray(q if out >= into else q.T)
