"""Paired trials: past goals done again by two policy versions, in copies of the folder as it was before the run.

Only goals with checks are done again, and only where the folder is still there and the run's snapshot can bring back what
the run changed. Nothing outside the copies is touched: what would send, spend or leave the sandbox is denied, nothing is
learnt, and the trial's own events go into a store that is thrown away. The outcome is kept as figures of a
`policy.changed` event."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wornpath.agent import AutoGPT
from wornpath.core import Goal, UsageError, WornpathError
from wornpath.experience.live import Experience
from wornpath.guard import Limits
from wornpath.policy import trials
from wornpath.policy.past import NO_FAMILY
from wornpath.policy.promotion import promote, run_family
from wornpath.policy.registry import PRIOR, Registry
from wornpath.store import Snapshot, SqliteStore, copy_workspace
from wornpath.store.projections import TYPES, project

if TYPE_CHECKING:
    from wornpath.llm.chat import Chat
    from wornpath.policy.protocol import Policy
    from wornpath.store.protocol import Store
    from wornpath.store.runs import RunInfo

Say = Callable[[str], None]
LOOKED_AT = 200
MAX_STEPS = 40


@dataclass(frozen=True, slots=True)
class Past:
    """A past goal that can be done again."""

    run_id: str
    goal: Goal
    family: str


@dataclass(frozen=True, slots=True)
class TrialReport:
    """The goals that were done again, the outcomes, and what follows from them."""

    goals: tuple[Past, ...]
    pairs: tuple[trials.Pair, ...]
    ruling: trials.Ruling
    promoted: bool


def trial_goals(store: Store, version: str, most: int = 8) -> list[Past]:
    """The past goals, MOST at the most, that VERSION of STORE can be tried on.

    Raises UsageError when VERSION is in use or cannot be read, or when no past goal can be done again."""
    registry = Registry.of(store)
    if version == registry.current:
        raise UsageError(f"{version} is in use already; name a candidate.")
    registry.load(version)
    chosen = repeatable(store, most)
    if not chosen:
        raise UsageError(
            "No past goal can be done again: it takes one with --check whose folder is still there. "
            "Candidates are tried on real runs instead."
        )
    return chosen


def try_version(
    store: Store,
    version: str,
    goals: Sequence[Past],
    *,
    model: Chat | str | None,
    limits: Limits | None = None,
    seed: int = 0,
    decide: bool = True,
    say: Say = lambda line: None,
) -> TrialReport:
    """Do GOALS of STORE again with the version in use and with VERSION, and draw the consequence: VERSION is promoted or
    refused when the tests of `policy.trials` say so (unless not DECIDE), else it stays as it is.

    LIMITS hold for every single run. Raises UsageError when a version cannot be read."""
    registry = Registry.of(store)
    current = registry.current
    old, new = registry.load(current), registry.load(version)
    pairs = []
    for number, past in enumerate(goals, 1):
        (old_met, old_tokens), (new_met, new_tokens) = outcomes = [
            _attempt(store, past, policy, model, limits or Limits(max_steps=MAX_STEPS), seed) for policy in (old, new)
        ]
        pairs.append(trials.Pair(old_met, new_met, old_tokens, new_tokens))
        told = [f"{'met' if met else 'not met'}, {tokens:,} tokens" for met, tokens in outcomes]
        say(f"{number} of {len(goals)}, {past.run_id}: {current} {told[0]}; {version} {told[1]}")
    ruling = trials.paired(pairs)
    promoted = decide and ruling.decision == "promote"
    if promoted:
        promote(store, version, ruling.why, ruling.figures)
    elif decide and ruling.decision == "refuse":
        registry.retire(version, ruling.why, change="refused", figures=ruling.figures)
    else:
        registry.note(version, ruling.why, ruling.figures)
    return TrialReport(tuple(goals), tuple(pairs), ruling, promoted)


def repeatable(store: Store, most: int) -> list[Past]:
    """Up to MOST past goals that can be done again, newest first, the families in turn."""
    found: list[tuple[int, int, Past]] = []
    turns: Counter[str] = Counter()
    for place, info in enumerate(store.runs(limit=LOOKED_AT)):
        past = _past(store, info)
        if past is not None:
            found.append((turns[past.family], place, past))
            turns[past.family] += 1
    return [past for _, _, past in sorted(found, key=lambda row: row[:2])[:most]]


def starting_workspace(store: Store, past: Past, folder: Path) -> None:
    """Make FOLDER a copy of the workspace of PAST with what that run changed undone."""
    copy_workspace(Path(past.goal.workspace), folder)
    Snapshot(store.run_folder(past.run_id), folder).undo(force=True)


def _past(store: Store, info: RunInfo) -> Past | None:
    if info.status not in ("met", "unmet", "budget") or not Path(info.workspace).is_dir():
        return None
    projection = project(store.events(info.run_id, types=TYPES))
    goal = projection.goal
    if not projection.counts or goal is None or not goal.checks:
        return None
    try:
        changes = Snapshot(store.run_folder(info.run_id), Path(info.workspace)).changes()
    except WornpathError:
        return None
    if not all(change.covered for change in changes):
        return None
    return Past(info.run_id, goal, run_family(store, info.run_id))


def _attempt(
    store: Store, past: Past, policy: Policy, model: Chat | str | None, limits: Limits, seed: int
) -> tuple[bool, int]:
    """Whether POLICY meets the goal of PAST in a copy, and the tokens that took."""
    with tempfile.TemporaryDirectory(prefix="wornpath-trial-") as root:
        folder = Path(root) / "work"
        starting_workspace(store, past, folder)
        with SqliteStore(Path(root) / "store") as scratch:
            agent = AutoGPT(
                replace(past.goal, workspace=str(folder)),
                model=model,
                policy=None if policy.version == PRIOR else policy,
                store=scratch,
                approve="never",
                limits=limits,
                seed=seed,
                learn=False,
                experience=Experience.of(store),
                family="" if past.family == NO_FAMILY else past.family,
            )
            try:
                result = agent.run().result
            finally:
                agent.close()
    return result.status == "met", sum(result.tokens.values())
