"""Unlearning: what was learnt from some runs is taken out of the counts, the recall and the policy versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wornpath.learn.after import Say, learn_afresh, only_learner
from wornpath.policy.forgetting import mark, spoiled
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
