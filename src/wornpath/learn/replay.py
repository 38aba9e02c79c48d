"""A ring of steps to learn from: half of each batch from successful episodes and half from the others, larger errors
more often.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from wornpath.learn.inputs import Step

Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Replay:
    """At most CAPACITY steps, the oldest replaced first."""

    def __init__(self, capacity: int, *, balanced: bool = True, priority: float = 0.6, correction: float = 0.4) -> None:
        """BALANCED draws success and failure alike where both exist. PRIORITY is the exponent on the last |TD error|
        (0: uniform) and CORRECTION that of the importance weights (Schaul et al., 1511.05952).
        """
        self.capacity, self.balanced, self.priority, self.correction = capacity, balanced, priority, correction
        self.steps: list[Step] = []
        self.next = 0
        self.top = 1.0
        self._weights = np.zeros(capacity)
        self._success = np.zeros(capacity, dtype=bool)

    def __len__(self) -> int:
        return len(self.steps)

    def add(self, steps: Iterable[Step]) -> None:
        """Append STEPS; they are drawn with the highest priority seen until their error is known."""
        for step in steps:
            if len(self.steps) < self.capacity:
                self.steps.append(step)
            else:
                self.steps[self.next] = step
            self._weights[self.next] = self.top
            self._success[self.next] = step.success == 1.0
            self.next = (self.next + 1) % self.capacity

    def settle(self, count: int) -> None:
        """Take over the success of the last COUNT steps added, which was not known before their episode ended."""
        for back in range(1, min(count, len(self.steps)) + 1):
            place = (self.next - back) % self.capacity
            self._success[place] = self.steps[place].success == 1.0

    def sample(self, size: int, rng: np.random.Generator) -> tuple[Places, list[Step], Floats]:
        """SIZE steps drawn with replacement: their places, the steps, and their importance weights (largest 1).

        Raises ValueError when nothing has been added."""
        n = len(self.steps)
        if n == 0:
            raise ValueError("The replay is empty.")
        good = np.flatnonzero(self._success[:n]) if self.balanced else np.empty(0, dtype=np.int64)
        if not self.balanced or len(good) in (0, n):
            places, odds = self._draw(None, size, rng)
        else:
            bad = np.flatnonzero(~self._success[:n])
            first, odds1 = self._draw(good, size // 2, rng)
            second, odds2 = self._draw(bad, size - size // 2, rng)
            places, odds = np.concatenate([first, second]), np.concatenate([odds1, odds2])
        weights = odds**-self.correction if self.priority else np.ones(size)
        return places, [self.steps[i] for i in places], weights / weights.max()

    def undone(self, weights: Floats) -> Floats:
        """WEIGHTS of a batch, which undo a part of the priorities, as those that undo all of them; their mean is 1."""
        whole: Floats = weights ** (1 / self.correction) if self.priority else np.ones(len(weights))
        return np.asarray(whole / whole.mean())

    def outcome_weights(self) -> tuple[float, float]:
        """What undoes the balance of a batch for a step of a successful episode, and of another: how often such steps are
        in the replay relative to how often they are drawn. Without it a success probability would mean "if half of all
        runs succeeded".
        """
        n = len(self.steps)
        good = float(self._success[:n].mean()) if n else 0.0
        return (2 * good, 2 * (1 - good)) if self.balanced and 0.0 < good < 1.0 else (1.0, 1.0)

    def update(self, places: Places, errors: npt.NDArray[np.float32]) -> None:
        """Record the |TD errors| of the steps at PLACES."""
        if self.priority:
            weights = (np.abs(errors) + 1e-3) ** self.priority
            self._weights[places] = weights
            self.top = max(self.top, float(weights.max()))

    def priorities(self) -> Floats:
        """The sampling weight of every step, in the order of `steps`."""
        return self._weights[: len(self.steps)].copy()

    def restore(self, steps: Sequence[Step], following: int, weights: Floats, top: float) -> None:
        """Put back what a checkpoint held."""
        self.steps = list(steps)
        self.next, self.top = following, top
        self._weights[: len(steps)] = weights
        self._success[: len(steps)] = [s.success == 1.0 for s in steps]

    def _draw(self, among: Places | None, size: int, rng: np.random.Generator) -> tuple[Places, Floats]:
        """Places and their probability relative to uniform, within AMONG (everything when None)."""
        n = len(self.steps) if among is None else len(among)
        if not self.priority:
            local = rng.integers(0, n, size)
            return (local if among is None else among[local]), np.ones(size)
        weights = self._weights[: len(self.steps)] if among is None else self._weights[among]
        edges = np.cumsum(weights)
        local = np.minimum(np.searchsorted(edges, rng.random(size) * edges[-1], side="right"), n - 1)
        return (local if among is None else among[local]), weights[local] * n / edges[-1]
