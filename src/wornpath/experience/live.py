"""Experience in use: what a run asks its memory, and what it tells it at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wornpath.core import Event
from wornpath.experience import lessons
from wornpath.experience.memory import Memory
from wornpath.experience.reading import Trace, read_run

if TYPE_CHECKING:
    from wornpath.store.protocol import Store

Texts = Mapping[str, Mapping[str, str]]
MEMORY = "memory.sqlite3"


@dataclass(frozen=True, slots=True)
class ExperienceConfig:
    """What of the experience is used. Most arms of the benchmark of recurring work differ in this alone."""

    recall: bool = True
    """Offer what worked before."""
    roles: bool = True
    """Say it again with today's things; without, only the very same action is offered."""
    gate: Literal["off", "trial", "certified", "on"] = "on"
    """When the model may be left out (`policy.gate`)."""
    policy: Literal["prior", "counts", "learnt"] = "learnt"
    """What chooses: the model's prior, the counts, or the policy version in use (the counts until there is one). Only with
    `learnt` is a version trained after a run."""
    tries: bool = True
    """Where there are checks, try known programs that are not sure to do before the model writes one."""
    transfer: bool = True
    """Let kinds of work lend each other which action a subtask is done by, where its text is to be written."""
    plans: bool = True
    """Recall plans too."""
    shadow: float = 0.1
    """The share of episodes that call the model although a call could be skipped."""


@dataclass(slots=True)
class Experience:
    """A memory and how it is used."""

    memory: Memory
    config: ExperienceConfig = field(default_factory=ExperienceConfig)

    @classmethod
    def of(cls, store: Store, config: ExperienceConfig | None = None) -> Experience:
        """The experience that lies beside STORE."""
        return cls(Memory.shared(Path(store.root) / MEMORY), config or ExperienceConfig())

    def learn(self, events: Iterable[Event], texts: Texts) -> Trace:
        """Take in the run in EVENTS; one that was taken in before is taken in anew."""
        trace = read_run(events)
        if trace.situation is None or not trace.family or not trace.learn:
            self.memory.forget(trace.run_id)
            return trace
        self.hear(trace)
        found = lessons.lessons(trace, texts, roles=self.config.roles)
        ended, tainted = lessons.outcome(trace), trace.tainted
        self.memory.learn(trace.run_id, trace.family, trace.situation, found, ended, tainted=tainted)
        return trace

    def hear(self, trace: Trace) -> None:
        """What TRACE says is taken as it is. A benchmark that tells it otherwise overrides this."""

    def relearn(self, store: Store, run_id: str) -> None:
        """Take in RUN_ID anew, after a person rated it."""
        self.learn(store.events(run_id), standard_texts())

    def rebuild(self, store: Store) -> int:
        """Build the memory again from all runs of STORE that were not forgotten; gives how many it was built from."""
        self.memory.clear()
        texts = standard_texts()
        for run in reversed(store.runs()):
            self.learn(store.events(run.run_id), texts)
        return len(self.memory.runs())


def standard_texts() -> dict[str, Mapping[str, str]]:
    """The arguments of free text of the tools that ship."""
    from wornpath.tools import Registry

    return {tool.name: tool.text for tool in Registry.standard()}
