"""Rules that outlive a run, and the marks of what came from outside, in new stores and in older ones."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from wornpath.core import Rule, UsageError
from wornpath.store import SqliteStore, schema

ALLOW = Rule("allow", "delete_file", ("delete",), {"path": "tmp/*"}, scope="folder", where="/work/a/../a")


def test_a_rule_is_kept_listed_and_removed(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        first = store.add_rule(ALLOW)
        second = store.add_rule(Rule("deny", "send_*", untrusted=True, hosts=("*.example.com",), note="no mail"))
        assert first.where == "/work/a" and second.id > first.id and second.time > 0
    with SqliteStore(tmp_path) as store:
        assert store.rules() == [first, second]
        assert store.rules("/work/a/sub") == [first, second]
        assert store.rules("/work/ab") == [second]
        store.remove_rule(first.id)
        assert store.rules("/work/a") == [second]
        with pytest.raises(UsageError, match="no rule 1"):
            store.remove_rule(first.id)


def finished(**more: object) -> dict[str, object]:
    return {"id": "a", "observation": {"parts": [{"text": "x"}], **more}, "seconds": 0.0}


def test_words_from_outside_taint_the_run(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        for run, seen in (("r1", finished()), ("r2", finished(untrusted=True)), ("r3", finished(origin="outside"))):
            store.append(run, "run.started", {})
            store.append(run, "goal.set", {"goal": {"text": "g", "workspace": "/w"}})
            store.append(run, "action.finished", seen)
        store.append("r4", "run.started", {"tainted": True})
        assert {info.run_id: info.tainted for info in store.runs()} == {"r1": False, "r2": True, "r3": True, "r4": True}
        store.append("r2", "artifact.written", {"path": "mail.md", "untrusted": True})
        store.append("r2", "artifact.written", {"path": "own.md"})
        assert store.untrusted_files("/w") == ["mail.md"]
        assert store.untrusted_files("/other") == []
        store.append("r2", "note.added", {"text": "t", "scope": "user", "where": "", "untrusted": True})
        assert [note.untrusted for note in store.notes()] == [True]


def test_a_store_of_before_gets_the_marks(tmp_path: Path) -> None:
    """Its tables of runs and notes lack the columns; it has notes and runs of its own."""
    db = sqlite3.connect(tmp_path / "events.sqlite3", isolation_level=None)
    db.executescript(schema.EVENTS)
    old = schema.PROJECTIONS.replace(", tainted INTEGER NOT NULL DEFAULT 0", "")
    db.executescript(old.replace(", untrusted INTEGER NOT NULL DEFAULT 0", ""))
    db.execute("INSERT INTO runs (run_id, first_seq) VALUES ('r1', 1)")
    db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    db.execute("PRAGMA user_version = 2")
    db.close()
    with SqliteStore(tmp_path) as store:
        assert [info.tainted for info in store.runs()] == [False]
        store.append("r1", "action.finished", finished(untrusted=True))
        assert store.run("r1").tainted
        assert store.add_rule(ALLOW).id == 1


BEGUN = {"r1": {}, "r2": {"options": {"learn": False}}, "r3": {"options": {"learn": True}}, "r4": {"options": "?"}}


def test_a_run_that_is_not_learnt_from_or_was_forgotten_is_no_experience(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        for run, data in BEGUN.items():
            store.append(run, "run.started", data)
        assert {i.run_id: i.counts for i in store.runs()} == {"r1": True, "r2": False, "r3": True, "r4": True}
        store.append("r1", "person.said", {"kind": "forget", "text": "poisoned"})
        store.append("r3", "person.said", {"kind": "comment", "text": "forget"})
        store.append("r1", "run.resumed", {})
        assert {i.run_id: i.counts for i in store.runs()} == {"r1": False, "r2": False, "r3": True, "r4": True}


def test_a_store_of_before_knows_which_runs_are_experience(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        for run, data in BEGUN.items():
            store.append(run, "run.started", data)
        store.append("r3", "person.said", {"kind": "forget", "text": "poisoned"})
    db = sqlite3.connect(tmp_path / "events.sqlite3", isolation_level=None)
    db.execute("INSERT INTO events (run_id, time, step, type, data) VALUES ('r4', 1.0, 0, 'person.said', '{damaged')")
    db.execute("ALTER TABLE runs DROP COLUMN counts")
    db.execute("PRAGMA user_version = 3")
    db.close()
    with SqliteStore(tmp_path) as store:
        assert {i.run_id: i.counts for i in store.runs()} == {"r1": True, "r2": False, "r3": False, "r4": True}


def test_experience_of_tainted_runs_can_be_left_out(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        for run in ("r1", "r2"):
            store.append(run, "run.started", {"tainted": run == "r2"})
            store.append(run, "goal.set", {"goal": {"text": run}})
            store.append(run, "run.finished", {"result": {"run_id": run, "status": "met"}})
        assert [e.result.run_id for e in store.episodes()] == ["r1", "r2"]
        assert [e.result.run_id for e in store.episodes(tainted=False)] == ["r1"]
