"""What the memory holds and is told: how a template fared, what one use of it teaches, and how a run ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wornpath.experience.template import Template

HOPE = 0.25
"""What it is worth to find out whether something does again."""


@dataclass(frozen=True, slots=True)
class Record:
    """How a template fared at a position: in how many episodes it went well and badly, the mean return from there on, and the last
    outcomes, oldest first, as a text of + and -."""

    template: str
    ok: int
    bad: int
    value: float
    recent: str

    @property
    def uses(self) -> int:
        return self.ok + self.bad

    @property
    def again(self) -> tuple[int, int]:
        """How often it was used after it had gone well for the first time, which taught it, and how often that went well."""
        first = int(self.ok > 0)
        return self.uses - first, self.ok - first


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a template at a position: its records from the most general context to today's own, one each; None where it was
    not used. Contexts: any, files written like today's, goals that ask the same, both."""

    template: str
    records: tuple[Record | None, ...]
    usual: float = 0.5
    """How often what is used again at this position goes well, whatever it is."""

    @property
    def chance(self) -> float:
        """The chance that it goes well: each context's share, shrunk towards that of the more general ones (empirical Bayes). That it went
        well the first time says nothing of its being used again."""
        anywhere, files, words, both = (*self.records, None, None, None, None)[:4]
        again, good = anywhere.again if anywhere else (0, 0)
        base = (good + 3 * self.usual) / (again + 3)
        if again <= 0:  # one use is one use, in however many contexts it is counted
            return _shrunk(files, base, 4)
        return _shrunk(both, (_shrunk(files, base) + _shrunk(words, base)) / 2)

    @property
    def hope(self) -> float:
        """The chance, and more the less often it was used again: it is worth knowing whether it does, since then it costs nothing."""
        again = self.records[0].again[0] if self.records and self.records[0] else 0
        return self.chance + HOPE / (1 + again)

    @property
    def closest(self) -> Record:
        """The record of the most special context in which it was used."""
        return next(r for r in reversed(self.records) if r is not None)


def _shrunk(record: Record | None, towards: float, weight: float = 2) -> float:
    return (record.ok + weight * towards) / (record.uses + weight) if record else towards


@dataclass(frozen=True, slots=True)
class Lesson:
    """One use of a template: where, how it went, and the return from there on. `body` is the lifted action or plan, None where only the
    outcome of a known one is told."""

    position: str
    template: str
    ok: bool
    value: float
    kind: str = "action"
    body: Template | Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, as the gate counts it. `arm`: skipped (some model call was), written (only its text was asked for), shadow (a call
    could have been skipped), rescued (shadow, until its result was refused), or empty."""

    met: bool | None
    arm: str = ""
    skipped: int = 0
    tokens: int = 0
