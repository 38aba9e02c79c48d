"""The memory: task families, and for every position in a family's work the templates that were used there and how it went.

It is a projection of the event store in a small SQLite file of its own: `learn` adds one run's lessons, `forget` takes them out, and the
whole can be built again from the events. Looking something up costs an index search, however much has been learnt. Several processes can
use one memory at once.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wornpath.core import StoreError, canonical
from wornpath.experience import doubt
from wornpath.experience.plans import agree_plans
from wornpath.experience.records import Evidence, Lesson, Outcome, Record
from wornpath.experience.situation import Situation
from wornpath.experience.template import Template, agree
from wornpath.store.database import private_file

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA_VERSION = 2
SIMILAR = 0.5
"""From this similarity on a goal belongs to a family."""
PROTOTYPES = 24
"""So many of a family's goals are kept to compare new ones with."""
RECENT = 8
LENDERS = 2
"""So many families must have come to an action by themselves before another one borrows it."""
OPEN_TRIES = 20
"""Two processes that make one file's journal at once can lock each other out for a moment; no busy timeout covers that."""

_SCHEMA = """
create table if not exists family (id integer primary key, name text unique not null);
create table if not exists member (run_id text primary key, family integer not null, words text not null, shape text not null,
    met integer, arm text not null default '', skipped integer not null default 0, tokens integer not null default 0);
create index if not exists member_family on member (family, met);
create index if not exists member_order on member (family);
create table if not exists template (id text not null, variant integer not null, family integer not null, kind text not null,
    body text not null, primary key (family, id, variant));
create table if not exists taught (family integer not null, template text not null, run_id text not null, kind text not null,
    body text not null);
create index if not exists taught_run on taught (run_id);
create index if not exists taught_template on taught (family, template);
create table if not exists used (run_id text not null, family integer not null, position text not null, template text not null,
    ok integer not null, value real not null, at integer not null);
create index if not exists used_run on used (run_id);
create index if not exists used_at on used (family, position, template);
create table if not exists tally (family integer not null, position text not null, template text not null,
    ok integer not null, bad integer not null, value real not null, recent text not null, primary key (family, position, template));
"""
_BY_POSITION = "create index if not exists tally_written on tally (position) where instr(position, '~')"
"""Of the positions at which a text is written, which families lend each other."""


_shared: weakref.WeakValueDictionary[Path, Memory] = weakref.WeakValueDictionary()
_shared_lock = threading.Lock()


class Memory:
    """What was learnt from runs. PATH is its file, or None for one that lives in this process only. Safe to use from several threads."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._connection: sqlite3.Connection | None = None

    @classmethod
    def shared(cls, path: Path) -> Memory:
        """The one memory of this process for PATH: agents that live at once use one connection."""
        with _shared_lock:
            found = _shared.get(path)
            if found is None:
                found = _shared[path] = cls(path)
            return found

    @property
    def _db(self) -> sqlite3.Connection:
        """The connection, opened at first use; a child process opens its own. Raises StoreError where that is not possible."""
        if self._connection is not None and self._pid != os.getpid() and self.path is not None:
            self.close()
        if self._connection is None:
            self._connection = self._open()
            self._pid = os.getpid()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        try:
            place = private_file(self.path) if self.path is not None else ":memory:"
            db = sqlite3.connect(place, timeout=10.0, check_same_thread=False, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise self._unusable("opened", error) from None
        try:
            if self.path is not None:
                _with_journal(db)
            db.execute("pragma synchronous=normal")
            version = db.execute("pragma user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path} was written by a newer release (version {version}); update Wornpath, or move the file away."
                )
            if version < SCHEMA_VERSION:
                db.executescript(f"begin immediate; {_SCHEMA} pragma user_version={SCHEMA_VERSION}; commit")
            db.execute(doubt.SCHEMA)
            db.execute(_BY_POSITION)
            return db
        except sqlite3.Error as error:
            db.close()
            raise self._unusable("opened", error) from None
        except BaseException:
            db.close()
            raise

    def _unusable(self, what: str, error: Exception) -> StoreError:
        return StoreError(
            f"The memory {self.path or ''} cannot be {what}: {error}. Without it nothing is recalled; where it is damaged, move it away."
        )

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("begin immediate")
                yield self._db
                self._db.execute("commit")
            except BaseException as error:
                db = self._connection
                if db is not None and db.in_transaction:
                    with suppress(sqlite3.Error):
                        db.execute("rollback")
                if isinstance(error, sqlite3.Error):
                    raise self._unusable("written", error) from None
                raise

    def _all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise self._unusable("read", error) from None

    # -- families ----------------------------------------------------------------------------------

    def family(self, situation: Situation) -> str | None:
        """The family that a goal in SITUATION belongs to: that of the most similar goal so far; None where none is similar enough."""
        best, name = 0.0, None
        for words, shape, found in self._all(
            "select distinct words, shape, name from family join member on member.rowid in"
            " (select rowid from member where family = family.id order by rowid desc limit ?)",
            PROTOTYPES,
        ):
            score = similarity(situation.words, situation.shape, frozenset(words.split()), frozenset(shape.split()))
            if score > best:
                best, name = score, found
        return name if best >= SIMILAR else None

    def known_words(self, family: str) -> frozenset[str]:
        """The words of all goals of FAMILY that were met: a goal with others may ask for something else."""
        rows = self._all(
            "select distinct words from member join family on family.id = family where name = ? and met = 1", family
        )
        return frozenset(word for (words,) in rows for word in words.split())

    def families(self) -> dict[str, dict[str, int]]:
        """Family → runs, how many of them were met, and tokens."""
        rows = self._all(
            "select name, count(*), sum(met = 1), sum(tokens), sum(skipped) from member join family on family.id = family group by name"
        )
        return {n: {"runs": r, "met": m or 0, "tokens": t or 0, "skipped": s or 0} for n, r, m, t, s in rows}

    def new_name(self, situation: Situation) -> str:
        """A readable name for a family that begins with SITUATION."""
        base = readable_name(situation)
        taken = {name for (name,) in self._all("select name from family")}
        return (
            base if base not in taken else next(f"{base}-{n}" for n in range(2, 10_000) if f"{base}-{n}" not in taken)
        )

    # -- recall ------------------------------------------------------------------------------------

    def records(self, family: str, position: str) -> list[Record]:
        """What was used at POSITION, the most successful first."""
        rows = self._all(
            "select template, ok, bad, tally.value, recent from tally join family on family.id = family where name = ? and position = ?"
            " order by ok - bad desc, ok desc, template",
            family,
            position,
        )
        return [Record(*row) for row in rows]

    def bodies(self, family: str, template: str) -> list[Any]:
        """The variants of TEMPLATE: `Template` objects of an action, or the plan as plain data."""
        rows = self._all(
            "select kind, body from template join family on family.id = family where name = ? and template.id = ? order by variant",
            family,
            template,
        )
        try:
            return [_template(body) if kind == "action" else json.loads(body) for kind, body in rows]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._unusable("read", error) from None

    def knows(self, family: str, template: str) -> bool:
        return bool(
            self._all(
                "select 1 from template join family on family.id = family where name = ? and template.id = ? limit 1",
                family,
                template,
            )
        )

    def vouched(self, family: str, template: str) -> bool:
        """Whether a run without words from outside taught TEMPLATE."""
        with self._lock:
            try:
                return doubt.vouched(self._db, family, template)
            except sqlite3.Error as error:
                raise self._unusable("read", error) from None

    def outcomes(self, family: str | None = None) -> list[tuple[str, bool, str]]:
        """(family, met, arm) of the runs with a verdict, oldest first."""
        rows = self._all(
            "select name, met, arm from member join family on family.id = family where met is not null and (? is null or name = ?)"
            " order by member.rowid",
            family,
            family,
        )
        return [(name, bool(met), arm) for name, met, arm in rows]

    def evidence(self, family: str, position: str, contexts: Sequence[str]) -> list[Evidence]:
        """What was used at POSITION, in each of CONTEXTS, the most promising first."""
        numbers = {within(position, context): n for n, context in enumerate(contexts)}
        rows = self._all(
            "select position, template, ok, bad, tally.value, recent from tally where family ="
            f" (select id from family where name = ?) and position in ({', '.join('?' * len(numbers))})",
            family,
            *numbers,
        )
        found: dict[str, list[Record | None]] = {}
        for at, *row in rows:
            record = Record(*row)
            found.setdefault(record.template, [None] * len(contexts))[numbers[at]] = record
        general = [r.again for records in found.values() for r in records[:1] if r is not None]
        usual = (sum(good for _, good in general) + 1) / (sum(again for again, _ in general) + 2)
        known = [Evidence(template, tuple(records), usual) for template, records in found.items()]
        return sorted(known, key=lambda e: (-e.chance, -e.closest.ok, e.template))

    def elsewhere(self, family: str, position: str) -> list[tuple[Evidence, str]]:
        """What the families other than FAMILY do at POSITION, one at which a text is written (`lessons.start`, `lessons.written`), all of
        them together, the most usual first, each with a family to take its bodies from: only what LENDERS of them vouch for."""
        rows = self._all(
            "select template, sum(ok), sum(bad), group_concat(name, char(10)) from tally join family on family.id = family"
            " where position = ? and instr(position, '~') and name != ? group by template order by sum(ok) desc, template",
            position,
            family,
        )
        out = []
        for template, ok, bad, names in rows:
            lenders = [name for name in names.split("\n") if self.vouched(name, template)]
            if len(lenders) >= LENDERS:
                out.append((Evidence(template, (Record(template, ok, bad, 0.0, ""),)), lenders[0]))
        return out

    # -- learn and forget --------------------------------------------------------------------------

    def learn(
        self,
        run_id: str,
        family: str,
        situation: Situation,
        lessons: Sequence[Lesson],
        outcome: Outcome,
        *,
        tainted: bool = False,
    ) -> None:
        """Add a run. A run that was learnt before is replaced, and keeps its place in time. TAINTED: it read words from outside."""
        with self._write() as db:
            place = db.execute("select rowid from member where run_id = ?", (run_id,)).fetchone()
            when = db.execute("select min(at) from used where run_id = ?", (run_id,)).fetchone()[0]
            self._drop(db, run_id)
            db.execute("insert or ignore into family (name) values (?)", (family,))
            number = db.execute("select id from family where name = ?", (family,)).fetchone()[0]
            met = None if outcome.met is None else int(outcome.met)
            words = " ".join(sorted(situation.words))
            shape = " ".join(sorted(s.replace(" ", "_") for s in situation.shape))
            row = (
                place[0] if place else None,
                run_id,
                number,
                words,
                shape,
                met,
                outcome.arm,
                outcome.skipped,
                outcome.tokens,
            )
            db.execute(
                "insert into member (rowid, run_id, family, words, shape, met, arm, skipped, tokens) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            doubt.note(db, run_id, (lesson.template for lesson in lessons if tainted or lesson.body is None))
            for lesson in lessons:
                template = self._keep(db, number, run_id, lesson)
                at = when or db.execute("select coalesce(max(rowid), 0) + 1 from used").fetchone()[0]
                for context in situation.contexts:
                    position = within(lesson.position, context)
                    db.execute(
                        "insert into used values (?, ?, ?, ?, ?, ?, ?)",
                        (run_id, number, position, template, int(lesson.ok), lesson.value, at),
                    )
                    if when is None:
                        self._count(db, number, position, template, lesson.ok, lesson.value)
                    else:
                        self._recount(db, number, position, template)

    def _keep(self, db: sqlite3.Connection, family: int, run_id: str, lesson: Lesson) -> str:
        """Store the lesson's template, its holes narrowed by this use; gives its name. What this run itself taught is kept beside it, so
        that it can be taken out again."""
        if lesson.body is None:
            return lesson.template
        body = canonical(lesson.body.as_dict() if isinstance(lesson.body, Template) else lesson.body)
        db.execute("insert into taught values (?, ?, ?, ?, ?)", (family, lesson.template, run_id, lesson.kind, body))
        self._narrow(db, family, lesson.template, lesson.kind, body)
        return lesson.template

    def _narrow(self, db: sqlite3.Connection, family: int, name: str, kind: str, body: str) -> None:
        """Put one more use, BODY, of the template NAME to its variants: into the first that it agrees with, else as one of its own."""
        rows = db.execute(
            "select variant, body from template where family = ? and id = ? order by variant", (family, name)
        ).fetchall()
        for variant, known in rows:
            if kind == "action":
                both = agree(_template(known), _template(body))
                narrowed = canonical(both.as_dict()) if both is not None else ""
            else:
                plan = agree_plans(json.loads(known), json.loads(body))
                narrowed = canonical(plan) if plan is not None else ""
            if narrowed:
                if narrowed != known:
                    db.execute(
                        "update template set body = ? where family = ? and id = ? and variant = ?",
                        (narrowed, family, name, variant),
                    )
                return
        db.execute("insert into template values (?, ?, ?, ?, ?)", (name, len(rows), family, kind, body))

    def _count(self, db: sqlite3.Connection, family: int, position: str, template: str, ok: bool, value: float) -> None:
        db.execute(
            "insert into tally values (?, ?, ?, ?, ?, ?, ?) on conflict do update set"
            " value = value + (excluded.value - value) / (ok + bad + 1), ok = ok + excluded.ok, bad = bad + excluded.bad,"
            f" recent = substr(recent || excluded.recent, -{RECENT})",
            (family, position, template, int(ok), int(not ok), value, "+" if ok else "-"),
        )

    def forget(self, run_id: str) -> bool:
        """Take out what RUN_ID taught, as if it had never been learnt; whether there was anything."""
        with self._write() as db:
            return self._drop(db, run_id)

    def forget_family(self, family: str) -> int:
        """Take out all of FAMILY; gives how many runs that were."""
        with self._write() as db:
            found = db.execute("select id from family where name = ?", (family,)).fetchone()
            if found is None:
                return 0
            db.execute("delete from doubted where run_id in (select run_id from member where family = ?)", found)
            gone = db.execute("delete from member where family = ?", found).rowcount
            for table in ("template", "taught", "used", "tally"):
                db.execute(f"delete from {table} where family = ?", found)
            db.execute("delete from family where id = ?", found)
        return gone

    def clear(self) -> None:
        with self._write() as db:
            for table in ("family", "member", "template", "taught", "used", "tally", "doubted"):
                db.execute(f"delete from {table}")

    def _drop(self, db: sqlite3.Connection, run_id: str) -> bool:
        touched = db.execute(
            "select distinct family, position, template from used where run_id = ?", (run_id,)
        ).fetchall()
        taught = db.execute("select distinct family, template from taught where run_id = ?", (run_id,)).fetchall()
        families = {family for (family,) in db.execute("select family from member where run_id = ?", (run_id,))}
        for table in ("member", "used", "taught"):
            db.execute(f"delete from {table} where run_id = ?", (run_id,))
        doubt.forget(db, run_id)
        for key in touched:
            self._recount(db, *key)
        for key in taught:
            self._relearn(db, *key)
        for family in families:
            if not db.execute("select 1 from member where family = ? limit 1", (family,)).fetchone():
                db.execute("delete from family where id = ?", (family,))
        return bool(families or touched)

    def _recount(self, db: sqlite3.Connection, *key: Any) -> None:
        """Make the tally of KEY (family, position, template) anew from the uses that are left."""
        db.execute("delete from tally where family = ? and position = ? and template = ?", key)
        uses = db.execute(
            "select ok, value from used where family = ? and position = ? and template = ? order by at", key
        ).fetchall()
        if uses:
            good = sum(ok for ok, _ in uses)
            value = sum(value for _, value in uses) / len(uses)
            recent = "".join("+" if ok else "-" for ok, _ in uses[-RECENT:])
            db.execute("insert into tally values (?, ?, ?, ?, ?, ?, ?)", (*key, good, len(uses) - good, value, recent))

    def _relearn(self, db: sqlite3.Connection, family: int, template: str) -> None:
        """Make the variants of TEMPLATE anew from what the runs that are left taught; where none taught it, it is gone, although some may
        have recalled it."""
        db.execute("delete from template where family = ? and id = ?", (family, template))
        left = db.execute(
            "select kind, body from taught where family = ? and template = ? order by rowid", (family, template)
        ).fetchall()
        for kind, body in left:
            self._narrow(db, family, template, kind, body)

    def runs(self) -> set[str]:
        return {run_id for (run_id,) in self._all("select run_id from member")}

    def close(self) -> None:
        """Close the connection; the next use opens it again. One that was inherited from a parent process is left to that."""
        with self._lock:
            if self._connection is not None:
                if self._pid == os.getpid():
                    self._connection.close()
                else:
                    _inherited.append(self._connection)
            self._connection = None

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()


_inherited: list[sqlite3.Connection] = []
"""Connections of a parent process, never to be closed here: SQLite would take the parent's locks and journal away."""


def _with_journal(db: sqlite3.Connection) -> None:
    for number in range(OPEN_TRIES):
        try:
            db.execute("pragma journal_mode=wal")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or number == OPEN_TRIES - 1:
                raise
            time.sleep(0.05)


@lru_cache(maxsize=512)
def _template(body: str) -> Template:
    return Template.from_dict(json.loads(body))


def readable_name(situation: Situation) -> str:
    """A name for the family of SITUATION's goal, of the longest of its words."""
    words = sorted(situation.words, key=lambda w: (-len(w), w))[:3] or ["task"]
    return "-".join(sorted(words))[:40]


def within(position: str, context: str) -> str:
    """POSITION in CONTEXT, as it is counted."""
    return f"{position} @ {context}" if context else position


def similarity(
    words: Iterable[str], shape: Iterable[str], other_words: Iterable[str], other_shape: Iterable[str]
) -> float:
    """How alike two goals are, 0 to 1: the words they share, and the kinds of files and results. Both have to be alike."""
    return 0.5 * _overlap(frozenset(words), frozenset(other_words)) + 0.5 * _jaccard(
        frozenset(s.replace(" ", "_") for s in shape), frozenset(s.replace(" ", "_") for s in other_shape)
    )


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 1.0


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Dice's coefficient: wordings of different length can still be the same task."""
    return 2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0
