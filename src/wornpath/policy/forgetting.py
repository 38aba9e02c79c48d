"""Taking back what was learnt: which runs are meant, marking them, and the versions that learnt from them."""

from __future__ import annotations

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
    """The ids of the runs that WHAT names: a task family, or else one run by the start of its id.

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
            return [store.run(what).run_id]
        except UsageError:
            known = ", ".join(sorted(set(families.values()))[:8]) or "none yet"
            raise UsageError(f"There is no run and no task family {what[:100]!r}; the families are: {known}.") from None
    return [store.run(what).run_id]


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
    began = min((store.run(run_id).started for run_id in runs), default=float("inf"))
    return [v.version for v in registry.versions() if not v.removed and not v.imported and v.created >= began]
