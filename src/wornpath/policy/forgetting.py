"""Taking back what was learnt: which runs are meant, marking them, and the versions that learnt from them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wornpath.core import UsageError
from wornpath.experience.live import Experience
from wornpath.policy.promotion import run_family
from wornpath.policy.registry import Registry

if TYPE_CHECKING:
    from wornpath.store.protocol import Store

_LIKE_A_RUN = re.compile(r"\d{8}-")


def runs_of(store: Store, what: str) -> list[str]:
    """The ids of the runs that WHAT names: a task family, or else one run by the start of its id, with its attempts where it holds several.

    Raises UsageError when it names neither."""
    if not what.strip():
        raise UsageError("Name a run or a task family to forget.")
    if not _LIKE_A_RUN.match(what) and what != "last":
        runs = store.runs()
        families = {info.run_id: run_family(store, info.run_id) for info in runs}
        mine = [run_id for run_id, family in families.items() if family == what]
        if mine:
            return mine
        try:
            return with_attempts(store, store.run(what).run_id)
        except UsageError:
            known = ", ".join(sorted(set(families.values()))[:8]) or "none yet"
            raise UsageError(f"There is no run and no task family {what[:100]!r}; the families are: {known}.") from None
    return with_attempts(store, store.run(what).run_id)


def with_attempts(store: Store, run_id: str) -> list[str]:
    """RUN_ID, and the attempts that it holds together where it is a run of several: they did the work, and a person only knows its id."""
    begun = next(iter(store.events(run_id, types=("run.started",), limit=1)), None)
    options = (begun.data.get("options") or {}) if begun is not None else {}
    if options.get("attempts", 1) == 1:
        return [run_id]
    whole = store.run(run_id)
    ended = whole.finished or math.inf
    mine = [info for info in store.runs() if info.parent == run_id and info.started <= ended]
    # What goes on from the run has it as its parent too: it works in the folder itself, while attempts have copies.
    return [run_id, *(info.run_id for info in mine if info.workspace != whole.workspace)]


def tainted_runs(store: Store) -> list[str]:
    """The ids of the runs that are over and that untrusted content may have steered. Raises UsageError when there is none."""
    found = [info.run_id for info in store.runs() if info.tainted and info.status != "running"]
    if not found:
        raise UsageError("No run was steered by what others wrote; there is nothing to forget.")
    return found


def mark(store: Store, runs: Sequence[str], why: str) -> None:
    """Mark RUNS as forgotten, and take them out of the counts and of what is recalled: they are experience no more.

    Raises UsageError, and marks nothing, when one of them is at work."""
    for run_id in runs:
        if store.run(run_id).status == "running":
            raise UsageError(f"Run {run_id} is at work; stop it before forgetting it.")
    for run_id in runs:
        store.append(run_id, "person.said", {"kind": "forget", "text": why}, step=store.run(run_id).steps)
    memory = Experience.of(store).memory
    for run_id in runs:
        memory.forget(run_id)


def spoiled(store: Store, registry: Registry, runs: Sequence[str]) -> list[str]:
    """The versions that may hold something of RUNS: those made here after the first of them began."""
    began = min((store.run(run_id).started for run_id in runs), default=math.inf)
    return [v.version for v in registry.versions() if not v.removed and not v.imported and v.created >= began]


def still_held(store: Store, runs: Sequence[str]) -> list[str]:
    """The versions that may still hold something of RUNS: what never was experience, or was forgotten already, is in none."""
    learnt = [info.run_id for info in map(store.run, runs) if info.counts and info.steps]
    return spoiled(store, Registry.of(store), learnt)
