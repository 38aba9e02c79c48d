"""Goals without checks, as most people's are: the agent works without being told whether it did, and a person rates the run afterwards.

The person here knows the task's checks and says what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from wornpath.agent import AutoGPT
from wornpath.core import Episode, Goal, Task
from wornpath.judge import final, person
from wornpath.judge.checks import capture_originals
from wornpath.sandbox import default_sandbox
from wornpath.tools.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Rater:
    """The person who rates runs at TASK. Made before the work, since a check's own files count as they were then."""

    task: Task
    originals: Mapping[str, bytes]

    @classmethod
    def of(cls, task: Task, workspace: Path) -> Rater:
        originals: dict[str, bytes] = {}
        for command in task.checks:
            originals |= capture_originals(command, workspace)
        return cls(task, originals)

    @property
    def given(self) -> Task:
        """The task as the agent gets it."""
        return replace(self.task, checks=())

    async def rate(self, agent: AutoGPT, episode: Episode) -> Episode:
        """Rate the run that AGENT made of EPISODE, which teaches it; the episode with that for its outcome."""
        goal = Goal(episode.goal.text, checks=self.task.checks)
        place = Workspace(agent.workspace.root)
        said = await final.by_checks(goal, place, agent.sandbox or default_sandbox(), self.originals)
        met = said.verdict == "met"
        info = next(run for run in agent.store.runs(limit=1) if run.run_id == episode.result.run_id)
        person.rate(agent.store, info, "good" if met else "bad", experience=agent.experience)
        return replace(episode, result=replace(episode.result, status="met" if met else "unmet"))
