"""`AutoGPT.train`: attempts at one goal; with several, each in a copy of the workspace, and the best verified one applied."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast, get_args

from wornpath.core import Episode, Evaluation, RunStatus, UsageError, Verdict, to_json

if TYPE_CHECKING:
    from wornpath.agent import AutoGPT

NOT_LEARNT = "Nothing is learnt from these episodes: they were run with learn=False."
COUNTED = "What worked is recalled from now on."


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What `train` did. `applied` are the paths in the workspace that the best episode changed, `conflicts` those that it would have
    changed but that were changed there meanwhile; `learner` says what was learnt."""

    episodes: tuple[Episode, ...]
    learner: str = ""
    applied: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()

    @property
    def met(self) -> int:
        return sum(e.met for e in self.episodes)

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<li>{e._repr_html_()}</li>" for e in self.episodes)
        return f"<p>{self.met} of {len(self.episodes)} met. {escape(self.learner)}</p><ol>{rows}</ol>"


def train(agent: AutoGPT, episodes: int) -> TrainingReport:
    """EPISODES attempts at AGENT's goal. Raises UsageError for fewer than one."""
    if episodes < 1:
        raise UsageError(f"episodes must be at least 1, not {episodes}.")
    if episodes == 1:
        return TrainingReport((agent.run(),), learner_of(agent))
    started, agent.attempts = time.monotonic(), episodes
    actor = agent._begin()  # a run of its own: what is applied to the workspace can be undone by its id
    status: RunStatus = "error"
    summary = "the attempts did not come to an end"
    try:
        report = _attempts(agent, episodes)
        status, summary, verdict = _outcome(report)
        actor.session.record("evaluation.made", {"scope": "run", "evaluation": to_json(verdict)})
    except KeyboardInterrupt:
        status = "paused"
        raise
    finally:
        agent._wait(agent._end(actor, status, summary, time.monotonic() - started))
        agent.attempts = 1
    return report


def learner_of(agent: AutoGPT) -> str:
    """What is learnt from AGENT's episodes, in words."""
    from wornpath.learn.spawn import can_train, switched_off

    if not agent.learn:
        return NOT_LEARNT
    if agent.experience.config.policy != "learnt" or switched_off():
        return COUNTED
    if not can_train():
        return f"{COUNTED} PyTorch is missing, so no policy version is trained; install it with: pip install 'wornpath[learn]'"
    return f"{COUNTED} A policy version is trained in the background; see: wornpath policy ls"


def _outcome(report: TrainingReport) -> tuple[RunStatus, str, Evaluation]:
    """How the whole of the attempts ended: as the best one, whose reward is counted there."""
    best = max((e.result for e in report.episodes), key=lambda r: (r.status == "met", r.reward))
    verdict: Verdict = cast(Verdict, best.status) if best.status in get_args(Verdict) else "unverified"
    left = f"; {len(report.conflicts)} left alone" if report.conflicts else ""
    applied = f", {len(report.applied)} changes applied{left}" if best.status == "met" else ", nothing was applied"
    summary = f"the best of {len(report.episodes)} attempts is {best.run_id} ({best.status}){applied}"
    return verdict, summary, Evaluation(0.0, verdict, best.verdict_source or "environment", summary)


def _attempts(agent: AutoGPT, episodes: int) -> TrainingReport:
    from wornpath.store import copy_workspace

    done: list[tuple[Episode, Path]] = []
    with tempfile.TemporaryDirectory(prefix="wornpath-train-") as root:
        for number in range(episodes):
            folder = Path(root) / str(number)
            copy_workspace(agent.workspace.root, folder)
            attempt = agent.attempt(replace(agent.goal, workspace=str(folder)), number)
            try:
                done.append((attempt.run(), folder))
            finally:
                attempt.close()
        best = max((pair for pair in done if pair[0].met), key=lambda pair: pair[0].result.reward, default=None)
        applied, conflicts = _apply(agent, *best) if best is not None else ((), ())
    return TrainingReport(tuple(e for e, _ in done), learner_of(agent), applied, conflicts)


def _apply(agent: AutoGPT, episode: Episode, copy: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make in AGENT's workspace what EPISODE changed in its COPY; returns the paths that were changed, and those left alone because they
    are not any more as they were before the attempt. It is an undo the other way round: no link is followed, every file appears whole."""
    from wornpath.store import Snapshot
    from wornpath.store.images import Image
    from wornpath.store.undo import restore

    root = agent.workspace.root
    changes = Snapshot(agent.store.run_folder(episode.result.run_id), copy).changes()
    Snapshot(agent.store.run_folder(agent.run_id), root).keep(None)
    wanted = {change.path: change.after for change in changes}
    expected = {change.path: change.before for change in changes}
    blobs = {change.path: change.after_blob for change in changes}
    for folder in {parent.as_posix() for path in blobs for parent in PurePosixPath(path).parents} - {".", *blobs}:
        there = Image(folder, "dir", mode=0o755)
        if (copy / folder).is_dir() and not (root / folder).exists():
            wanted[folder], expected[folder] = there, Image(folder)
        elif not (copy / folder).exists():
            wanted[folder], expected[folder] = Image(folder), there
    report = restore(root, wanted, expected, lambda image: blobs.get(image.path), force=False)
    left = set(report.conflicts)
    return tuple(c.path for c in changes if c.path not in left), tuple(sorted(left))
