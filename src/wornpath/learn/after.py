"""What is done after a run, and by `wornpath learn` for the whole log: versions watched, and a new candidate trained.

One learner works at a time in a home. After a run, one that finds another at work leaves word that there is more to do, and
ends; the other then goes round again, so no run is missed and none waits. What a person asked for (training, forgetting) waits
its turn, and at its end starts a learner when word was left."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wornpath.core import UsageError
from wornpath.learn.spawn import can_train, spawn_after_run
from wornpath.policy.files import file_lock
from wornpath.policy.past import Lived, counted, lived
from wornpath.policy.promotion import watch
from wornpath.policy.registry import FOLDER, PRIOR, Registry, VersionInfo

if TYPE_CHECKING:
    from wornpath.learn.live import LiveConfig
    from wornpath.policy.learnt import LearntPolicy
    from wornpath.store.protocol import Store

MIN_EPISODES, MIN_STEPS = 4, 12
"""Runs with a known outcome, and steps, below which nothing is trained."""
QUICK_STEPS, QUICK_RUNS = 1200, 300
"""What is looked at after a run: the newest runs, and of them so many steps, those of rare families first."""
MAX_ROUNDS = 5
LOCK, WORD = "learn.lock", "again"

Say = Callable[[str], None]


def after_run(store: Store, run_id: str, say: Say) -> None:
    """Watch the versions, and train a candidate on the newest runs. Safe to call at any time, from several processes."""
    folder = _folder(store)
    word = folder / WORD
    word.touch()
    for _ in range(MAX_ROUNDS):
        with file_lock(folder / LOCK, wait=False) as mine:
            if not mine:
                say(f"{run_id}: another learner is at work; it will see to this run too.")
                return
            word.unlink(missing_ok=True)
            for line in watch(store):
                say(line)
            say(f"{run_id}: {train_candidate(store, quick=True)[1]}")
        if not word.exists():
            return


@contextlib.contextmanager
def only_learner(store: Store, say: Say) -> Iterator[None]:
    """Learn, or forget, while no other learner is at work. SAY is told when one has to be waited for."""
    folder = _folder(store)
    try:
        with contextlib.ExitStack() as held:
            if not held.enter_context(file_lock(folder / LOCK, wait=False)):
                say("Another learner is at work on these runs; waiting until it is done.")
                held.enter_context(file_lock(folder / LOCK))
            yield
    finally:
        if (folder / WORD).exists():
            spawn_after_run(store, "last")


def _folder(store: Store) -> Path:
    folder = store.root / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def train_candidate(
    store: Store,
    *,
    quick: bool = False,
    config: LiveConfig | None = None,
    fresh: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[VersionInfo | None, str]:
    """Train on the log and add a candidate; it, or None, and a sentence that says what was done or why nothing was. The caller
    sees to it that no other learner is at work (`only_learner`).

    QUICK trains for a second of CPU on the newest runs, starting from the newest version's weights. FRESH starts from
    nothing."""
    if not can_train():
        return None, "PyTorch is missing, so nothing was trained; install it with: pip install 'wornpath[learn]'"
    recent = list(lived(store, newest=QUICK_RUNS if quick else None))
    episodes = balanced(recent) if quick else recent
    known = [e for e in episodes if e.steps and not math.isnan(e.success)]
    steps = sum(len(e.steps) for e in episodes)
    if len(known) < MIN_EPISODES or steps < MIN_STEPS:
        return None, (
            f"{len(known)} judged runs with {steps} steps are too few to train on; "
            f"{MIN_EPISODES} runs and {MIN_STEPS} steps are needed."
        )
    import torch

    from wornpath.learn.live import QUICK, LiveConfig, learn

    torch.set_num_threads(1)
    wanted = config or (QUICK if quick else LiveConfig(updates=max(200, min(4000, 2 * steps))))
    registry = Registry.of(store)
    start = None if fresh else newest_like(registry, wanted.algorithm)
    learnt = learn(episodes, wanted, start=start, evidence=counted(recent), progress=progress)
    info = learnt.info
    why = f"learnt from {info['episodes']} runs of {len(info['families'])} famil{'y' if len(info['families']) == 1 else 'ies'}"
    made = registry.add(learnt.policy, info, why=why, parent=start.version if start and info["warm"] else "")
    return made, f"{made.version} was made: {why}."


def learn_afresh(store: Store) -> tuple[str, str]:
    """Train on the whole log from nothing; the new version's name (or "") and a sentence."""
    made, said = train_candidate(store, fresh=True)
    return (made.version if made else ""), said


def newest_like(registry: Registry, algorithm: str) -> LearntPolicy | None:
    """The newest version that ALGORITHM made and that can be read."""
    for info in registry.versions():
        if info.algorithm == algorithm and not info.removed and info.version != PRIOR:
            try:
                return registry.learnt(info.version)
            except UsageError:
                continue
    return None


def balanced(episodes: Sequence[Lived], most: int = QUICK_STEPS) -> list[Lived]:
    """The newest of EPISODES (oldest first) with at most MOST steps together, taken from the families in turn."""
    turns: dict[str, int] = Counter()
    ranked = []
    for one in reversed(episodes):
        ranked.append((turns[one.family], one))
        turns[one.family] += 1
    kept: list[Lived] = []
    room = most
    for _, one in sorted(ranked, key=lambda pair: pair[0]):
        if room >= len(one.steps):
            kept.append(one)
            room -= len(one.steps)
    order: dict[str, Any] = {e.run_id: i for i, e in enumerate(episodes)}
    return sorted(kept, key=lambda e: order[e.run_id])
