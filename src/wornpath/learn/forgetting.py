"""Unlearning: what was learnt from some runs is taken out of the counts, the recall and the policy versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wornpath.core import UsageError
from wornpath.experience.live import Experience
from wornpath.learn.after import Say, learn_afresh, only_learner
from wornpath.learn.spawn import spawn_after_run
from wornpath.policy.forgetting import mark, spoiled, still_held
from wornpath.policy.registry import Registry

if TYPE_CHECKING:
    from wornpath.store.protocol import Store


def forget(store: Store, runs: Sequence[str], why: str, say: Say = lambda line: None) -> dict[str, Any]:
    """Forget RUNS: mark them, remove the versions that may hold something of them, and learn again from the rest.

    A version that was in use is followed by one that was trained afresh without RUNS, or by the newest version in use
    before it that never saw them where nothing can be trained (too little is left, or PyTorch is missing). A learner that
    read RUNS before they were marked is waited for, which SAY is told; what it made is removed too. Returns `runs`,
    `removed`, `version` (in use now) and `text`."""
    with only_learner(store, say):
        return _forget(store, runs, why)


def _forget(store: Store, runs: Sequence[str], why: str) -> dict[str, Any]:
    registry = Registry.of(store)
    gone, was = spoiled(store, registry, runs), registry.current
    mark(store, runs, why)
    for version in gone:
        registry.retire(version, f"it may hold what was forgotten: {why}", change="forgotten", remove=True)
    made, said = learn_afresh(store)
    if made and was in gone:
        registry.promote(made, f"it stands in for {was}, trained without what was forgotten")
    counted = f"{len(runs)} run{'s' if len(runs) != 1 else ''}"
    removed = f" {', '.join(gone)} {'was' if len(gone) == 1 else 'were'} removed." if gone else ""
    text = f"Forgot {counted}.{removed} {said} In use: {registry.current}."
    return {"runs": list(runs), "removed": gone, "version": registry.current, "text": text}


def remove(store: Store, runs: Sequence[str], say: Say = lambda line: None) -> list[str]:
    """Remove RUNS for good: what the memory has of them, the versions that may hold something of them, and their history; gives the
    versions. Nothing is trained before it returns: a learner is started that goes on without them.

    A learner at work is waited for, which SAY is told. Raises UsageError, and removes nothing, when one of RUNS is at work."""
    busy = [run_id for run_id in runs if store.run(run_id).status == "running"]
    if busy:
        raise UsageError(f"Run {busy[0]} is still running; stop it first. Nothing was removed.")
    with only_learner(store, say):
        registry, memory = Registry.of(store), Experience.of(store).memory
        gone = still_held(store, runs)
        for run_id in runs:
            memory.forget(run_id)
        for version in gone:
            registry.retire(version, "it may hold something of a run that was removed", change="forgotten", remove=True)
        for run_id in runs:
            store.remove(run_id)
    if gone:
        spawn_after_run(store, "last")
    return gone
