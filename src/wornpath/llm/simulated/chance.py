"""Chance without a state: the same keys give the same number, so that arms of a benchmark meet the same model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


def uniform(*keys: object) -> float:
    """A number in [0, 1) that is a hash of KEYS."""
    data = "\x1f".join(map(str, keys)).encode()
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big") / 2**64


def pick(options: Sequence[T], *keys: object) -> T:
    return options[int(uniform(*keys) * len(options))]


def draw(weights: Mapping[str, float], *keys: object) -> str:
    """A key of WEIGHTS, in proportion to them."""
    left = uniform(*keys) * sum(weights.values())
    for name, weight in weights.items():
        left -= weight
        if left < 0:
            return name
    return list(weights)[-1]
