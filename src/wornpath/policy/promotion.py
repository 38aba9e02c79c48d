"""What becomes of a version by how the real runs go: trials begun and decided, and a version that fails taken back.

`watch` is called after every run; it reads the list of runs, calls no model and takes milliseconds. Everything it does is
a `policy.changed` event with its figures. The tests and their error bounds are in `policy.trials`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wornpath.policy import trials
from wornpath.policy.past import NO_FAMILY, success_of_run
from wornpath.policy.registry import PRIOR, Figures, Registry, VersionInfo

if TYPE_CHECKING:
    from wornpath.store.protocol import Store
    from wornpath.store.runs import RunInfo

MAX_TRIAL_RUNS = 60
"""Runs after which a trial that did not decide ends, so that a newer candidate gets its turn."""
LOOKED_AT = 400
"""The newest runs that decisions are made from."""


class Outcomes:
    """The judged runs of a store that are experience, with their families, oldest first; a family is read from the run's first
    decision once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._learnt = {v.version for v in Registry.of(store).versions()}
        looked_at = [info for info in store.runs(limit=LOOKED_AT) if info.counts and info.steps]
        self.runs = [info for info in looked_at if not math.isnan(success_of_run(info))][::-1]
        self._families: dict[str, str] = {}

    def of(self, version: str, *, since: float = 0.0) -> list[tuple[str, bool]]:
        """(family, met) of the runs that acted with VERSION and began after SINCE; `prior` stands for all that acted
        without learnt weights."""
        mine = [r for r in self.runs if self._acted(r.policy_version) == version and r.started > since]
        return [(self.family(r), success_of_run(r) == 1) for r in mine]

    def _acted(self, version: str) -> str:
        return version if version in self._learnt else PRIOR

    def family(self, run: RunInfo) -> str:
        """The task family of RUN."""
        if run.run_id not in self._families:
            self._families[run.run_id] = run_family(self._store, run.run_id)
        return self._families[run.run_id]


def run_family(store: Store, run_id: str) -> str:
    """The task family of a run: what was set with its goal, or what its first decision says; `other` without either."""
    from wornpath.core import Decision
    from wornpath.store.projections import read

    for event in store.events(run_id, types=("goal.set", "action.decided"), limit=2):
        if event.type == "goal.set":
            family = event.data.get("family")
        else:
            decision = read(Decision, event.data.get("decision"))
            family = decision.state.features.get("family") if decision else None
        if family:
            return str(family)
    return NO_FAMILY


def promote(store: Store, version: str, why: str, figures: Figures | None = None) -> str:
    """Put VERSION of STORE in use, with the share of runs met so far as its baseline; returns the one it follows.

    Raises UsageError for a version that is not there, cannot be read, or is in use already."""
    registry = Registry.of(store)
    previous = registry.current
    _, mean, known = trials.baseline_rates(Outcomes(store).of(previous))
    registry.promote(version, why, baseline=round(mean, 4) if known else None, figures=figures)
    return previous


def watch(store: Store) -> list[str]:
    """Draw the consequences of the runs so far; returns what was done, in sentences."""
    registry, outcomes = Registry.of(store), Outcomes(store)
    said = _take_back(registry, outcomes)
    trial = registry.trial
    if trial:
        said += _decide(store, registry, outcomes, trial)
    if not registry.trial:
        said += _begin(registry)
    return said


def _take_back(registry: Registry, outcomes: Outcomes) -> list[str]:
    current = registry.current
    if current == PRIOR:
        return []
    info = registry.info(current)
    rates, mean, _ = trials.baseline_rates(outcomes.of(registry.before))
    ruling = trials.failing(
        outcomes.of(current, since=info.changed), rates, info.baseline if info.baseline is not None else mean
    )
    if ruling is None:
        return []
    back = registry.rollback(ruling.why, ruling.figures)
    return [f"{current} was rolled back to {back}: {ruling.why}"]


def _decide(store: Store, registry: Registry, outcomes: Outcomes, trial: str) -> list[str]:
    candidate = outcomes.of(trial)
    ruling = trials.canary(candidate, outcomes.of(registry.current))
    if ruling.decision == "promote":
        promote(store, trial, ruling.why, ruling.figures)
        return [f"{trial} was promoted: {ruling.why}"]
    if ruling.decision == "refuse" or len(candidate) >= MAX_TRIAL_RUNS:
        why = ruling.why if ruling.decision == "refuse" else f"{len(candidate)} runs did not decide its trial"
        registry.retire(trial, why, change="refused", figures=ruling.figures)
        return [f"{trial} was refused: {why}"]
    return []


def _begin(registry: Registry) -> list[str]:
    """Give the newest candidate a share of the runs."""
    waiting = newest_candidate(registry.versions())
    if waiting is None or waiting.imported:  # a person decides on what comes from elsewhere
        return []
    registry.try_out(waiting.version, "the newest candidate")
    return [f"{waiting.version} is on trial"]


def newest_candidate(versions: Sequence[VersionInfo]) -> VersionInfo | None:
    """The newest of VERSIONS (newest first) that waits to be tried."""
    return next((v for v in versions if v.status == "candidate" and not v.removed), None)


def need(registry: Registry, version: str, *, default: str) -> str:
    """VERSION when it is there, DEFAULT when it is empty. Raises UsageError for one that is not there."""
    if not version:
        return default
    if version != PRIOR:
        registry.info(version)
    return version
