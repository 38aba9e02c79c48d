"""Experience in use: what a run asks its memory, and what it tells it at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wornpath.core import Event, digest
from wornpath.experience import lessons
from wornpath.experience.memory import Memory
from wornpath.store.database import private_file

if TYPE_CHECKING:
    from wornpath.store.protocol import Store

Texts = Mapping[str, Mapping[str, str]]
MEMORY, PLACEBO = "memory.sqlite3", "placebo.jsonl"


@dataclass(frozen=True, slots=True)
class ExperienceConfig:
    """What of the experience is used. The arms of the benchmarks differ in this alone."""

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
    reward: Literal["real", "placebo", "poisoned"] = "real"
    """`placebo`: what is learnt is not how the run went but how an earlier one did, nor which of its attempts was accepted, so that nothing
    can be gained from rewards. `poisoned`: one run in twenty is told to have gone the other way."""


@dataclass(slots=True)
class Experience:
    """A memory and how it is used."""

    memory: Memory
    config: ExperienceConfig = field(default_factory=ExperienceConfig)
    _went: dict[str, bool] | None = None
    """How the runs of a placebo really went, by their ids; read from the file beside the memory when it is needed."""

    @classmethod
    def of(cls, store: Store, config: ExperienceConfig | None = None) -> Experience:
        """The experience that lies beside STORE."""
        return cls(Memory.shared(Path(store.root) / MEMORY), config or ExperienceConfig())

    def learn(self, events: Iterable[Event], texts: Texts) -> lessons.Trace:
        """Take in the run in EVENTS; one that was taken in before is taken in anew."""
        trace = lessons.read_run(events)
        if trace.situation is None or not trace.family or not trace.learn:
            self.memory.forget(trace.run_id)
            return trace
        if self.config.reward == "placebo" and trace.met is not None:
            self._mislead(trace)
        if self.config.reward == "poisoned" and trace.met is not None and int(digest(trace.run_id)[:8], 16) % 20 == 0:
            trace.rating = "bad" if trace.met else "good"
        found = lessons.lessons(trace, texts, roles=self.config.roles)
        ended, tainted = lessons.outcome(trace), trace.tainted
        self.memory.learn(trace.run_id, trace.family, trace.situation, found, ended, tainted=tainted)
        return trace

    def _mislead(self, trace: lessons.Trace) -> None:
        """Make TRACE say what an earlier run came to, or the first run what a coin says, and take any of its attempts for the one that was
        accepted."""
        went = self._outcomes()
        earlier = [met for run_id, met in sorted(went.items()) if run_id < trace.run_id] or [True, False]
        self._note(trace.run_id, bool(trace.met))
        drawn = int(digest(trace.run_id)[:8], 16)
        trace.rating = "good" if earlier[drawn % len(earlier)] else "bad"
        attempts = [steps for steps, _ in trace.passes]
        by = drawn // len(earlier) % max(1, len(attempts))
        turned = attempts[by:] + attempts[:by]
        trace.passes = [(steps, verdict) for steps, (_, verdict) in zip(turned, trace.passes, strict=True)]

    def _outcomes(self) -> dict[str, bool]:
        if self._went is None:
            self._went = {}
            path = self.memory.path
            file = path.with_name(PLACEBO) if path is not None else None
            for line in file.read_text(encoding="utf-8").splitlines() if file is not None and file.exists() else []:
                with suppress(ValueError):  # a line that was cut off
                    run_id, met = json.loads(line)
                    self._went[run_id] = met
        return self._went

    def _note(self, run_id: str, met: bool) -> None:
        """Keep how RUN_ID really went, for later runs and later processes to draw from."""
        self._outcomes()[run_id] = met
        if self.memory.path is not None:
            with private_file(self.memory.path.with_name(PLACEBO)).open("a", encoding="utf-8") as file:
                file.write(json.dumps([run_id, met]) + "\n")

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
