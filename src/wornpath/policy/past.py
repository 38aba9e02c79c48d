"""Past runs as experience: what learning, trials, advice and the explanations all read from the store."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wornpath.core import Episode, Transition
from wornpath.policy.evidence import Evidence
from wornpath.policy.features import evidence_key
from wornpath.store import projections

if TYPE_CHECKING:
    from wornpath.store.protocol import Store
    from wornpath.store.runs import RunInfo

NO_FAMILY = "other"
GAMMA = 0.99
"""Discount of returns over the steps of a run."""
BAD_RESULTS = ("error", "denied", "timeout")


@dataclass(frozen=True, slots=True)
class Lived:
    """One run as experience."""

    run_id: str
    family: str
    policy_version: str
    model: str
    success: float
    """1 or 0; not a number where nobody can say: unverified, cancelled, waiting for a person, or an error."""
    source: str
    """Where the verdict came from: check, judge, person or environment; empty without one."""
    tokens: int
    steps: tuple[Transition, ...]
    tainted: bool = False
    """Words from outside may have steered it."""
    started: float = 0.0

    @property
    def rewards(self) -> list[float]:
        return [t.reward for t in self.steps]

    @property
    def keys(self) -> list[str]:
        """The evidence key of each action taken."""
        return [evidence_key(t.state, t.candidates[t.chosen]) for t in self.steps]

    @property
    def returns(self) -> list[float]:
        """The discounted return from each step on."""
        out, running = [0.0] * len(self.steps), 0.0
        for i in range(len(self.steps) - 1, -1, -1):
            running = self.steps[i].reward + GAMMA * running
            out[i] = running
        return out


def lived(store: Store, *, newest: int | None = None, before: str = "") -> Iterator[Lived]:
    """The ended runs of STORE that are experience, oldest first: all of them, or the NEWEST so many, older than run BEFORE."""
    runs = [info for info in store.runs(before=before or None) if info.finished is not None]
    for info in reversed(runs if newest is None else runs[:newest]):
        projection = projections.project(store.events(info.run_id, types=projections.TYPES))
        if projection.counts and (episode := projection.episode) is not None:
            yield of_episode(episode, tainted=info.tainted, started=info.started)


def of_episode(episode: Episode, *, tainted: bool = False, started: float = 0.0) -> Lived:
    """EPISODE as experience."""
    steps, result = episode.transitions, episode.result
    last = steps[-1] if steps else None
    return Lived(
        result.run_id,
        family_of(steps),
        result.policy_version,
        last.model if last else "",
        success_of(result.status),
        result.verdict_source or "",
        sum(result.tokens.values()),
        steps,
        tainted,
        started,
    )


def success_of(status: str) -> float:
    """1 for `met`; 0 for `unmet`, and for `budget`: the goal was not met within what it may cost; else not a number."""
    return {"met": 1.0, "unmet": 0.0, "budget": 0.0}.get(status, math.nan)


def success_of_run(info: RunInfo) -> float:
    """The same of a listed run, whose status stays `budget` when a person rates it, since it can be resumed."""
    return 1.0 if info.status == "budget" and info.rating == "good" else success_of(info.status)


def family_of(steps: Sequence[Transition]) -> str:
    """The task family that the tracker put into the states, or `other`."""
    return next((str(t.state.features["family"]) for t in steps if t.state.features.get("family")), NO_FAMILY)


def counted(episodes: Iterable[Lived]) -> Evidence:
    """The counts of EPISODES: what the choice rule's trust is made of. Those of unknown success count too, as half."""
    evidence = Evidence()
    for one in episodes:
        evidence.add_episode(one.keys, one.returns, 0.5 if math.isnan(one.success) else one.success)
    return evidence
