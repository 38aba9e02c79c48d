"""The store that ships: one SQLite file for all runs, and a folder for each run's artefacts."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wornpath.core import (
    EVENT_TYPES,
    Artifact,
    Episode,
    Event,
    EventType,
    Note,
    RewardWeights,
    Rule,
    Scope,
    StoreError,
    Transition,
    UsageError,
)
from wornpath.core.redact import redact
from wornpath.store import effects, projections
from wornpath.store import rules as kept_rules
from wornpath.store.database import Database, private_folder
from wornpath.store.jsontext import decode, encode
from wornpath.store.runs import RunInfo, process_alive, verdict_reward

_TYPES = frozenset(EVENT_TYPES)
_PAGE = 256  # events fetched at a time: neither a long read transaction nor a long list
_in_use: weakref.WeakValueDictionary[Path, SqliteStore] = weakref.WeakValueDictionary()  # a connection takes 0.1 MiB
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_INSERT = "INSERT INTO events (run_id, time, step, type, data) VALUES (?, ?, ?, ?, ?)"
_EVENT = "SELECT seq, run_id, time, step, type, data, v FROM events"
_RUN = "SELECT * FROM runs LEFT JOIN run_texts USING (run_id)"
_NOTE = "SELECT id, text, scope, place, time, run_id, untrusted FROM notes"


class SqliteStore:
    """The store in folder ROOT (`events.sqlite3` and `runs/`), made at first use. Threads and processes may share it.

    A second writer waits up to TIMEOUT seconds for its turn. Close it, or use it as a context manager.
    """

    def __init__(self, root: Path | str, *, timeout: float = 10.0) -> None:
        self.root = Path(root)
        self._database = Database(self.root / "events.sqlite3", timeout)

    def append(self, run_id: str, type: EventType, data: Mapping[str, Any], *, step: int = 0) -> Event:
        return self.append_many(run_id, ((type, data, step),))[0]

    def append_many(self, run_id: str, records: Sequence[tuple[EventType, Mapping[str, Any], int]]) -> list[Event]:
        """The events hold the data as it was stored: later changes to what was passed in do not reach them."""
        now = time.time()
        rows = []
        if run_id and not _RUN_ID.fullmatch(run_id):
            raise _bad(run_id)
        for type, data, step in records:
            if type not in _TYPES:
                raise StoreError(f"There is no event of type {type!r}; nothing was stored.")
            text = encode(data, f"{type} in run {run_id}")
            rows.append((type, step, text, decode(text)))
        events = []
        with self._database.write(to_disk=any(map(_irrevocable, records))) as db:
            for type, step, text, stored in rows:
                seq = db.execute(_INSERT, (run_id, now, step, type, text)).lastrowid
                assert seq is not None
                effects.apply(db, type, effects.Fact(seq, run_id, now, stored))
                events.append(Event(seq, run_id, now, step, type, stored))
        return events

    def events(
        self, run_id: str | None = None, *, after: int = 0, types: Iterable[str] = (), limit: int | None = None
    ) -> Iterator[Event]:
        wanted = tuple(types)
        where, values = "seq > ?", []
        if run_id is not None:
            where += " AND run_id = ?"
            values.append(run_id)
        if wanted:
            where += f" AND type IN ({', '.join('?' * len(wanted))})"
            values += wanted
        sql = f"{_EVENT} WHERE {where} ORDER BY seq LIMIT ?"
        left = limit if limit is not None else -1
        while left != 0:
            page = _PAGE if left < 0 else min(left, _PAGE)
            with self._database.read() as db:
                rows = db.execute(sql, (after, *values, page)).fetchall()
            for row in rows:
                yield _event(row)
            if len(rows) < page:
                return
            after, left = rows[-1][0], left - len(rows) if left > 0 else left

    def event_texts(
        self, run_id: str | None = None, *, after: int = 0, limit: int = _PAGE
    ) -> list[tuple[int, str, str, str]]:
        """As `events`, at most LIMIT, but unread: (seq, run id, type, the envelope as one line of JSON)."""
        where, values = ("seq > ?", [after]) if run_id is None else ("seq > ? AND run_id = ?", [after, run_id])
        with self._database.read() as db:
            rows = db.execute(f"{_EVENT} WHERE {where} ORDER BY seq LIMIT ?", (*values, limit)).fetchall()
        return [(row[0], row[1], row[4], _envelope(*row)) for row in rows]

    def last_seq(self, run_id: str | None = None) -> int:
        """The place of the last event, of one run or of all; 0 where there is none."""
        where, values = ("", ()) if run_id is None else (" WHERE run_id = ?", (run_id,))
        with self._database.read() as db:
            return int(db.execute(f"SELECT max(seq) FROM events{where}", values).fetchone()[0] or 0)

    def runs(
        self, *, limit: int | None = None, status: str | None = None, query: str = "", before: str | None = None
    ) -> list[RunInfo]:
        """QUERY is looked for in the goals, summaries and ids; BEFORE is a run's id: only older ones."""
        found: list[RunInfo] = []
        wanted, picky = query.casefold().strip(), bool(status or query)
        page = _PAGE if limit is None or picky else min(limit, _PAGE)
        older = 1 << 62
        if before is not None:
            with self._database.read() as db:
                row = db.execute("SELECT first_seq FROM runs WHERE run_id = ?", (before,)).fetchone()
            older = row[0] if row else older
        while limit is None or len(found) < limit:
            with self._database.read() as db:
                sql = f"{_RUN} WHERE first_seq < ? ORDER BY first_seq DESC LIMIT ?"
                rows = _named(db.execute(sql, (older, page)))
            infos = map(_run_info, rows)
            found += [info for info in infos if (not status or info.status == status) and _mentions(info, wanted)]
            if len(rows) < page:
                break
            older = rows[-1]["first_seq"]
        return found[:limit]

    def run(self, prefix: str) -> RunInfo:
        """Also finds a run by the start of its id's last part (`7k3f`), and the newest one as `last`."""
        with self._database.read() as db:
            if prefix == "last":
                rows = _named(db.execute(f"{_RUN} ORDER BY first_seq DESC LIMIT 1"))
            else:
                rows = _named(db.execute(f"{_RUN} WHERE run_id = ?", (prefix,)))
            for part in ("run_id", "substr(run_id, 17)"):
                if not rows and prefix:
                    sql = f"{_RUN} WHERE substr({part}, 1, ?) = ? ORDER BY first_seq DESC LIMIT 6"
                    rows = _named(db.execute(sql, (len(prefix), prefix)))
        if not rows:
            raise UsageError(f"There is no run {prefix[:100]!r}; `wornpath runs ls` lists the runs.")
        if len(rows) > 1:
            names = ", ".join(row["run_id"] for row in rows[:5]) + (" and more" if len(rows) > 5 else "")
            raise UsageError(f"Several runs start with {prefix!r}: {names}; give more of the id.")
        return _run_info(rows[0])

    def remove(self, run_id: str) -> None:
        """Folder and user notes told in that run stay. Raises UsageError for an unknown run or one at work."""
        info = self.run(run_id)
        if info.run_id != run_id:
            raise UsageError(f"There is no run {run_id!r}; did you mean {info.run_id}?")
        if info.status == "running":
            raise UsageError(f"Run {run_id} is at work (process {info.pid}); stop it before removing it.")
        with self._database.read() as db:
            db.execute("PRAGMA secure_delete = ON")  # what is forgotten must not linger in free pages
        with self._database.write() as db:
            db.execute("INSERT OR IGNORE INTO removing VALUES (?)", (run_id,))
            for table in ("events", "runs", "run_texts"):
                db.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))
            db.execute("DELETE FROM notes WHERE scope = 'run' AND place = ?", (run_id,))
            db.execute("DELETE FROM removing")
        with self._database.read() as db:
            db.execute("PRAGMA incremental_vacuum").fetchall()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            db.execute("PRAGMA secure_delete = OFF")
        folder = self._folder(run_id)
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise StoreError(
                f"The events of {run_id} are gone, but its folder {folder} could not be removed: {error.strerror}."
            ) from error

    def run_folder(self, run_id: str) -> Path:
        folder = self._folder(run_id)
        try:
            return private_folder(folder)
        except OSError as error:
            raise StoreError(f"The folder {folder} of the run could not be made: {error.strerror}.") from error

    def artefacts(self, run_id: str) -> list[Artifact]:
        """The latest record of each path, in the order of their first writing."""
        found: dict[str, Artifact] = {}
        for event in self.events(run_id, types=("artifact.written",)):
            artifact = projections.read(Artifact, event.data)
            if artifact is not None:
                found[artifact.path] = artifact
        return list(found.values())

    def transitions(self, run_id: str | None = None, *, tainted: bool = True) -> Iterator[Transition]:
        for run in self._run_ids(run_id, tainted):
            projection = projections.project(self.events(run, types=projections.TYPES))
            if run_id is not None or projection.counts:
                yield from projection.transitions

    def episodes(self, run_id: str | None = None, *, tainted: bool = True) -> Iterator[Episode]:
        """The attempts that came to an end, oldest first."""
        for run in self._run_ids(run_id, tainted):
            projection = projections.project(self.events(run, types=projections.TYPES))
            episode = projection.episode if run_id is not None or projection.counts else None
            if episode is not None:
                yield episode

    def add_note(self, text: str, *, scope: Scope, where: str = "", run_id: str = "") -> Note:
        """WHERE is the folder or run the note is about; scope run defaults to RUN_ID."""
        place = os.path.normpath(where) if scope == "folder" and where else where
        event = self.append(run_id, "note.added", {"text": redact(text), "scope": scope, "where": place})
        with self._database.read() as db:
            return _note(db.execute(f"{_NOTE} WHERE seq = ?", (event.seq,)).fetchone())

    def notes(self, *, run_id: str | None = None, folder: str | None = None, everything: bool = False) -> list[Note]:
        """A note on a folder holds in the folders below it too."""
        with self._database.read() as db:
            notes = [_note(row) for row in db.execute(f"{_NOTE} ORDER BY id")]
        if everything:
            return notes
        return [n for n in notes if _holds(n, run_id, folder)]

    def remove_note(self, note_id: int) -> None:
        """Raises UsageError when there is no such note. The event that it was told stays in its run's history."""
        with self._database.write() as db:
            if abs(note_id) >= 1 << 62 or not db.execute("DELETE FROM notes WHERE id = ?", (note_id,)).rowcount:
                raise UsageError(f"There is no note {note_id}; `wornpath notes ls` lists them.")

    def add_rule(self, rule: Rule) -> Rule:
        return kept_rules.add(self._database, rule)

    def rules(self, folder: str | None = None) -> list[Rule]:
        """A rule on a folder holds in the folders below it too."""
        return kept_rules.all_rules(self._database, folder)

    def remove_rule(self, number: int) -> None:
        kept_rules.remove(self._database, number)

    def untrusted_files(self, folder: str) -> list[str]:
        """What earlier runs in FOLDER wrote while words from outside were in play."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT DISTINCT json_extract(e.data, '$.path') FROM runs r JOIN run_texts t USING (run_id) JOIN events e "
                "ON e.run_id = r.run_id AND e.type = 'artifact.written' WHERE r.tainted AND t.workspace = ? "
                "AND json_extract(e.data, '$.untrusted')",
                (folder,),
            ).fetchall()
        return [str(row[0]) for row in rows if row[0]]

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_database"):
            self._database.close()

    def _folder(self, run_id: str) -> Path:
        if not _RUN_ID.fullmatch(run_id):
            raise _bad(run_id)
        return self.root / "runs" / run_id

    def _run_ids(self, run_id: str | None, tainted: bool = True) -> Iterator[str]:
        if run_id is not None:
            yield run_id
            return
        after = 0
        while True:
            with self._database.read() as db:
                sql = (
                    "SELECT first_seq, run_id FROM runs WHERE first_seq > ? AND tainted <= ? ORDER BY first_seq LIMIT ?"
                )
                rows = db.execute(sql, (after, tainted, _PAGE)).fetchall()
            yield from (row[1] for row in rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]


def _irrevocable(record: tuple[EventType, Mapping[str, Any], int]) -> bool:
    """Whether RECORD is the intent of an action that cannot be undone: it has to be on disk before the action begins."""
    type, data, _ = record
    return type == "action.started" and not data.get("idempotent") and data.get("risk") in ("send", "spend", "delete")


def _bad(run_id: str) -> UsageError:
    return UsageError(f"{run_id[:100]!r} cannot be the id of a run: use letters, digits, '-', '_' and '.'.")


def _event(row: tuple[Any, ...]) -> Event:
    seq, run_id, when, step, type, data, v = row
    try:
        return Event(seq, run_id, when, step, type, decode(data), v)
    except ValueError as error:
        raise StoreError(f"Event {seq} of run {run_id} is damaged; remove that run, the others can be read.") from error


def _envelope(seq: int, run_id: str, when: float, step: int, type: str, data: str, v: int) -> str:
    """What `json.dumps(event.as_dict())` gives, without reading the data."""
    head = f'{{"v":{v},"seq":{seq},"run_id":{json.dumps(run_id)},"time":{when!r},"step":{step},"type":"{type}","data":'
    return f"{head}{data}}}"


def _mentions(info: RunInfo, wanted: str) -> bool:
    if not wanted:
        return True
    return any(wanted in text.casefold() for text in (info.goal, info.summary)) or wanted in info.run_id


def _named(cursor: Any) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _run_info(row: Mapping[str, Any]) -> RunInfo:
    """The run as it stands now: its process may have died since, and a person may have rated it."""
    status, reason = row["status"], row["reason"]
    if status == "running" and not process_alive(row["pid"], row["alive_since"], row["host"]):
        status, reason = "paused", "the process that worked on it is gone"
    reward, source = row["reward"], row["verdict_source"]
    if row["rating"]:
        weights = projections.read(RewardWeights, json.loads(row["weights"] or "{}")) or RewardWeights()
        verdict = "met" if row["rating"] == "good" else "unmet"
        reward += verdict_reward(weights, verdict, "person") - verdict_reward(weights, row["verdict"] or "", source)
        source = "person"
        status = verdict if status in ("met", "unmet", "unverified") else status
    return RunInfo(
        status=status,
        reason=reason,
        reward=reward,
        verdict_source=source,
        goal=row["goal"] or "",
        workspace=row["workspace"] or "",
        summary=row["summary"] or "",
        result=json.loads(row["result"]) if row["result"] else None,
        tainted=bool(row["tainted"]),
        counts=bool(row["counts"]),
        **{name: row[name] for name in _COPIED},
    )


_COPIED = (
    *("run_id", "started", "finished", "steps", "llm_calls", "skipped_llm_calls", "prompt_tokens", "completion_tokens"),
    *("cost_usd", "model", "policy_version", "rating", "pid", "parent"),
)


def _note(row: tuple[Any, ...]) -> Note:
    id, text, scope, place, when, run_id, untrusted = row
    return Note(id, text, scope, place, when, run_id, bool(untrusted))


def _holds(note: Note, run_id: str | None, folder: str | None) -> bool:
    if note.scope == "user":
        return True
    if note.scope == "run":
        return run_id is not None and note.where == run_id
    if folder is None:
        return False
    here = os.path.normpath(folder)
    return here == note.where or here.startswith(note.where.rstrip("/") + "/")


def default_store() -> SqliteStore:
    """The store of this user: in the platform's data folder, or below WORNPATH_HOME. Those who hold it at the same time share it."""
    from wornpath.store.paths import data_dir

    folder = data_dir()
    store = _in_use.get(folder)
    return _in_use.setdefault(folder, SqliteStore(folder)) if store is None else store
