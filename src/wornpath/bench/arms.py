"""The arms of the recurring-work benchmark: ways to use the same frozen model on a stream of tasks, each with a memory of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from wornpath.agent import AutoGPT
from wornpath.core import Episode, Task, UsageError
from wornpath.llm.chat import Chat
from wornpath.store.protocol import Store


@dataclass(frozen=True, slots=True)
class Setting:
    """What every arm is given: the folder its memory lives in, the learner to use, and the seed of its stream."""

    home: Path
    algorithm: str = "dqn"
    seed: int = 0


class Contender(Protocol):
    """One arm at work on one stream. `agent` prepares an episode; `learn` is told how it went."""

    keeps: bool
    """Whether it learns from the event store, which then has to outlive the episode."""

    def agent(self, task: Task, workspace: Path, chat: Chat, store: Store, seed: int) -> AutoGPT: ...

    def learn(self, agent: AutoGPT, episode: Episode) -> None: ...

    def served(self) -> int:
        """Model calls of the last episode that were answered from memory, besides those the agent itself skipped."""
        ...


class Frozen:
    """The model alone: nothing is kept from one episode to the next."""

    keeps = False

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def agent(self, task: Task, workspace: Path, chat: Chat, store: Store, seed: int) -> AutoGPT:
        return AutoGPT(
            task.goal,
            workspace=workspace,
            checks=task.checks,
            model=chat,
            store=store,
            seed=seed,
            learn=False,
            **self.options(),
        )

    def options(self) -> dict[str, Any]:
        return {}

    def learn(self, agent: AutoGPT, episode: Episode) -> None:
        pass

    def served(self) -> int:
        return 0


ARMS: Mapping[str, Callable[[Setting], Contender]] = {"frozen": Frozen}


def chosen(names: str) -> list[str]:
    """The arms in the comma-separated NAMES, all where it is empty. Raises UsageError for one that does not exist."""
    wanted = [n.strip() for n in names.split(",") if n.strip()] or list(ARMS)
    if unknown := [n for n in wanted if n not in ARMS]:
        raise UsageError(f"There is no arm {', '.join(unknown)}; there are {', '.join(ARMS)}.")
    return wanted
