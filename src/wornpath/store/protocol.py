"""What a store of events must do; `SqliteStore` is the one that ships, a server database can implement the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from wornpath.core import Artifact, Episode, Event, EventType, Note, Rule, Scope, Transition
from wornpath.store.runs import RunInfo


class Store(Protocol):
    """Append-only events and what is read from them. Methods raise StoreError with a sentence for people; what was
    written before is intact. Every append is committed when the call returns."""

    root: Path
    """The folder that holds the runs' folders."""

    def append(self, run_id: str, type: EventType, data: Mapping[str, Any], *, step: int = 0) -> Event: ...

    def append_many(self, run_id: str, records: Sequence[tuple[EventType, Mapping[str, Any], int]]) -> list[Event]:
        """Several events (type, data, step) in one commit."""
        ...

    def events(
        self, run_id: str | None = None, *, after: int = 0, types: Iterable[str] = (), limit: int | None = None
    ) -> Iterator[Event]:
        """Events in order of `seq`, those with `seq` > AFTER; of one run, or of all."""
        ...

    def event_texts(
        self, run_id: str | None = None, *, after: int = 0, limit: int = 256
    ) -> list[tuple[int, str, str, str]]:
        """As `events`, at most LIMIT, but unread: (seq, run id, type, the envelope as one line of JSON)."""
        ...

    def last_seq(self, run_id: str | None = None) -> int:
        """The place of the last event, of one run or of all; 0 where there is none."""
        ...

    def runs(
        self, *, limit: int | None = None, status: str | None = None, query: str = "", before: str | None = None
    ) -> list[RunInfo]:
        """The runs, newest first; those that mention QUERY, and those older than the run BEFORE."""
        ...

    def run(self, prefix: str) -> RunInfo:
        """The run whose id starts with PREFIX; raises UsageError when none or several do."""
        ...

    def remove(self, run_id: str) -> None:
        """Forget a run: its events, notes of scope run and folder."""
        ...

    def run_folder(self, run_id: str) -> Path:
        """The folder of a run's artefacts and snapshots, made on first use."""
        ...

    def artefacts(self, run_id: str) -> list[Artifact]: ...

    def transitions(self, run_id: str | None = None, *, tainted: bool = True) -> Iterator[Transition]:
        """The steps of experience, projected from the events, oldest first. Without RUN_ID, those of runs that nothing is
        to be learnt from (`--no-learn`) or that were forgotten are left out; without TAINTED, those of runs that words
        from outside may have steered too."""
        ...

    def episodes(self, run_id: str | None = None, *, tainted: bool = True) -> Iterator[Episode]:
        """The attempts that came to an end, with their transitions, oldest first; the same are left out."""
        ...

    def add_note(self, text: str, *, scope: Scope, where: str = "", run_id: str = "") -> Note: ...

    def notes(self, *, run_id: str | None = None, folder: str | None = None, everything: bool = False) -> list[Note]:
        """The notes that hold for a run in a folder (scope user always), or all of them."""
        ...

    def remove_note(self, note_id: int) -> None: ...

    def add_rule(self, rule: Rule) -> Rule:
        """Keep a rule of scope folder or always. It comes back with its number."""
        ...

    def rules(self, folder: str | None = None) -> list[Rule]:
        """The rules that hold in a folder, or all of them."""
        ...

    def remove_rule(self, number: int) -> None: ...

    def untrusted_files(self, folder: str) -> list[str]:
        """Paths in FOLDER that earlier runs wrote while words from outside were in play."""
        ...

    def close(self) -> None: ...
