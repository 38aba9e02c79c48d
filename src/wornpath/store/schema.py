"""The tables of the SQLite store, and how an older store becomes a newer one.

Each migration takes a store from version N to N + 1 inside one transaction; a new store takes them all. The version is
`PRAGMA user_version`. Never change a migration that has been released: add one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from wornpath.store import effects

APPLICATION_ID = 0x574F524E  # "WORN", so that `file` and we can tell our databases from others

EVENTS = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL, time REAL NOT NULL, step INTEGER NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL,
    v INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX events_by_run ON events (run_id, seq);
CREATE TABLE removing (run_id TEXT PRIMARY KEY);
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_go_only_with_their_run BEFORE DELETE ON events
    WHEN NOT EXISTS (SELECT 1 FROM removing WHERE run_id = OLD.run_id)
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
"""

PROJECTIONS = """
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, first_seq INTEGER NOT NULL, status TEXT NOT NULL DEFAULT 'queued',
    started REAL NOT NULL DEFAULT 0, finished REAL, steps INTEGER NOT NULL DEFAULT 0,
    llm_calls INTEGER NOT NULL DEFAULT 0, skipped_llm_calls INTEGER NOT NULL DEFAULT 0,
    proposed INTEGER NOT NULL DEFAULT 0,
    prompt_tokens INTEGER NOT NULL DEFAULT 0, completion_tokens INTEGER NOT NULL DEFAULT 0,
    cost_usd REAL NOT NULL DEFAULT 0, reward REAL NOT NULL DEFAULT 0, run_reward REAL NOT NULL DEFAULT 0,
    verdict TEXT, verdict_source TEXT, rating TEXT,
    model TEXT NOT NULL DEFAULT '', policy_version TEXT NOT NULL DEFAULT 'prior',
    pid INTEGER, host TEXT NOT NULL DEFAULT '', alive_since REAL NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', parent TEXT, tainted INTEGER NOT NULL DEFAULT 0,
    counts INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX runs_by_age ON runs (first_seq);
CREATE TABLE run_texts (
    run_id TEXT PRIMARY KEY, goal TEXT NOT NULL DEFAULT '', workspace TEXT NOT NULL DEFAULT '',
    weights TEXT NOT NULL DEFAULT '{}', summary TEXT NOT NULL DEFAULT '', result TEXT
);
CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL UNIQUE, text TEXT NOT NULL, scope TEXT NOT NULL,
    place TEXT NOT NULL, time REAL NOT NULL, run_id TEXT NOT NULL, untrusted INTEGER NOT NULL DEFAULT 0
);
"""

RULES = """
CREATE TABLE rules (id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, place TEXT NOT NULL, time REAL NOT NULL, rule TEXT NOT NULL);
"""


def _events(db: sqlite3.Connection) -> None:
    _script(db, EVENTS)


def _projections(db: sqlite3.Connection) -> None:
    _script(db, PROJECTIONS)
    effects.replay(db)


def _rules(db: sqlite3.Connection) -> None:
    """Rules of permission, and the marks of what came from outside (which the tables of a new store have already)."""
    _script(db, RULES)
    for table, column in (("runs", "tainted"), ("notes", "untrusted")):
        if column not in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")


NO_EXPERIENCE = """
UPDATE runs SET counts = 0 WHERE run_id IN (SELECT run_id FROM events WHERE type IN ('run.started', 'person.said') AND
    CASE WHEN json_valid(data) THEN json_extract(data, '$.kind') IS 'forget' OR json_type(data, '$.options.learn') IS 'false' END);
"""


def _counts(db: sqlite3.Connection) -> None:
    """Whether a run is experience; the runs of before are marked by their events."""
    if "counts" not in {row[1] for row in db.execute("PRAGMA table_info(runs)")}:
        db.execute("ALTER TABLE runs ADD COLUMN counts INTEGER NOT NULL DEFAULT 1")
        _script(db, NO_EXPERIENCE)


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_events, _projections, _rules, _counts)
VERSION = len(MIGRATIONS)


def version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def is_ours(db: sqlite3.Connection) -> bool:
    """Whether the database is empty or one of ours, rather than some other program's."""

    def marked() -> bool:
        return bool(db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID)

    if marked():
        return True
    empty = version(db) == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    return empty or marked()  # another process may have made it meanwhile


def migrate(db: sqlite3.Connection) -> None:
    """Bring DB to `VERSION`, all or nothing. Several processes may try at once: the first one does it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for number in range(version(db), VERSION):
            MIGRATIONS[number](db)
            db.execute(f"PRAGMA user_version = {number + 1}")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _script(db: sqlite3.Connection, script: str) -> None:
    """Run the statements one by one: `executescript` would commit the transaction they belong to."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""
