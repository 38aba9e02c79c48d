"""What can go wrong with the file: locked, full disk, read-only, damaged, foreign, older, newer. One sentence, and nothing is lost."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from places import another_user, small_disk
from wornpath.core import StoreError, to_json
from wornpath.core.words import Goal
from wornpath.store import schema
from wornpath.store.sqlite import SqliteStore

FILLER = """
import resource, sys
from wornpath.core import StoreError
from wornpath.store.sqlite import SqliteStore
store = SqliteStore(sys.argv[1])
store.append("r1", "model.called", {"i": 0})
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
count = 1
try:
    for i in range(1, 1000):
        store.append("r1", "model.called", {"i": i, "text": "x" * 3000})
        count += 1
except StoreError as error:
    print(count, error)
"""


def sentence(error: pytest.ExceptionInfo[StoreError]) -> str:
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and "events.sqlite3" in text
    return text


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with SqliteStore(tmp_path / "home") as store:
        store.append("r1", "run.started", {"model": "m"})
    return tmp_path / "home"


def test_a_store_locked_by_another_is_said_to_be(home: Path) -> None:
    other = sqlite3.connect(home / "events.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with SqliteStore(home, timeout=0.05) as store:
        assert len(list(store.events())) == 1  # reading goes on
        with pytest.raises(StoreError, match=r"locked by another process for 0\.05 seconds") as error:
            store.append("r1", "model.called", {})
        sentence(error)
        other.execute("ROLLBACK")
        assert store.append("r1", "model.called", {}).seq == 2
    other.close()


def test_a_file_size_limit_stops_the_store_intact(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FILLER, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, _, message = done.stdout.partition(" ")
    assert "disk full" in message and 5 < int(count) < 999
    with SqliteStore(tmp_path) as store:
        assert [e.data["i"] for e in store.events()] == list(range(int(count)))
        store.append("r1", "model.called", {"i": "more"})


def test_a_full_disk_stops_the_store_intact(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20), SqliteStore(tmp_path / "disk" / "home") as store:
        count = 0
        with pytest.raises(StoreError, match=r"disk is full|disk full") as error:
            for count in range(1000):
                store.append("r1", "model.called", {"i": count, "text": "x" * 3000})
        sentence(error)
        assert [e.data["i"] for e in store.events()] == list(range(count))
        subprocess.run(["mount", "-o", "remount,size=8m", str(tmp_path / "disk")], check=True)
        store.append("r1", "model.called", {"i": count})  # the same object goes on once there is room
        assert [e.data["i"] for e in store.events()] == list(range(count + 1))


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_what_a_disk_holds_is_read_though_nothing_can_be_written(tmp_path: Path, trouble: str) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 1 << 20):
        with SqliteStore(disk / "home") as store:
            store.append("r1", "run.started", {"model": "m"})
        filler = disk / "filler"
        if trouble == "full":
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(b"\0" * 4096):
                    pass
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with SqliteStore(disk / "home") as store:
            assert [e.type for e in store.events()] == ["run.started"]
            assert store.run("r1").model == "m"
            with pytest.raises(
                StoreError, match=r"free some space and try again|folder readable and writable"
            ) as error:
                store.append("r1", "model.called", {})
            sentence(error)
            if trouble == "full":
                filler.unlink()
            else:
                subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            store.append("r1", "model.called", {})
            assert len(list(store.events())) == 2


@pytest.mark.parametrize("log", ["wal", "journal"])
def test_a_log_beside_the_file_is_never_passed_over(tmp_path: Path, log: str) -> None:
    with small_disk(tmp_path / "disk", 1 << 20):
        home = tmp_path / "disk" / "home"
        with SqliteStore(home) as store:
            store.append("r1", "run.started", {})
            (home / "kept").write_bytes((home / "events.sqlite3-wal").read_bytes())
        (home / "kept").rename(home / f"events.sqlite3-{log}")
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        with SqliteStore(home) as store, pytest.raises(StoreError) as error:
            store.last_seq()
        sentence(error)


@pytest.fixture
def unwritable() -> Iterator[Path]:
    """A home that this process cannot write."""
    with another_user() as folder:
        home = folder / "home"
        with SqliteStore(home) as store:
            store.append("r1", "run.started", {})
        (home / "events.sqlite3").chmod(0o444)
        for path in (home, folder):
            path.chmod(0o555)
        yield home


def test_a_read_only_folder_is_said_to_be(unwritable: Path) -> None:
    with SqliteStore(unwritable, timeout=0.05) as store, pytest.raises(StoreError, match="writ") as error:
        store.append("r1", "model.called", {})
    sentence(error)
    with SqliteStore(unwritable / "below") as store, pytest.raises(StoreError, match="Permission denied") as error:
        store.append("r1", "model.called", {})
    sentence(error)
    with pytest.raises(StoreError, match="Permission denied"):
        SqliteStore(unwritable).run_folder("r1")


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "events.sqlite3").write_bytes(b"this is not a database\n" * 100)
    with SqliteStore(tmp_path) as store, pytest.raises(StoreError, match="not a database") as error:
        store.append("r1", "model.called", {})
    sentence(error)
    assert (tmp_path / "events.sqlite3").read_bytes() == b"this is not a database\n" * 100


def test_a_damaged_file_is_said_to_be(home: Path) -> None:
    with SqliteStore(home) as store:
        for i in range(50):
            store.append("r1", "model.called", {"i": i, "text": "x" * 3000})
    file = home / "events.sqlite3"
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with SqliteStore(home) as store, pytest.raises(StoreError, match="damaged") as error:
        list(store.events())
        store.append("r1", "model.called", {})
    sentence(error)


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "events.sqlite3")
    db.execute("CREATE TABLE theirs (a)")
    db.close()
    before = (tmp_path / "events.sqlite3").read_bytes()
    with SqliteStore(tmp_path) as store, pytest.raises(StoreError, match="another program") as error:
        store.runs()
    sentence(error)
    assert (tmp_path / "events.sqlite3").read_bytes() == before


def test_a_newer_store_is_refused_unchanged(home: Path) -> None:
    db = sqlite3.connect(home / "events.sqlite3", isolation_level=None)
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    with SqliteStore(home) as store, pytest.raises(StoreError, match="newer Wornpath") as error:
        store.append("r1", "model.called", {})
    assert "upgrade" in sentence(error)
    db = sqlite3.connect(home / "events.sqlite3")
    assert db.execute("SELECT count(*) FROM events").fetchone() == (1,)
    db.close()


VERSION_1 = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL, time REAL NOT NULL, step INTEGER NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL,
    v INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX events_by_run ON events (run_id, seq);
CREATE TABLE removing (run_id TEXT PRIMARY KEY);
PRAGMA user_version = 1;
INSERT INTO events (run_id, time, step, type, data) VALUES
    ('old', 1000.0, 0, 'run.started', '{"model": "m1", "policy_version": "v3"}'),
    ('old', 1001.0, 0, 'goal.set', '{"goal": {"text": "Tidy up", "workspace": "/w"}}'),
    ('old', 1002.0, 0, 'model.called', '{"purpose": "propose", "usage": {"prompt": 70, "completion": 5, "calls": 2}}'),
    ('old', 1003.0, 1, 'note.added', '{"text": "the boss likes PDF", "scope": "user", "where": ""}'),
    ('old', 1004.0, 1, 'run.paused', '{"reason": "lunch"}');
"""


def test_a_store_of_version_1_gets_its_projections_from_its_events(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "events.sqlite3")
    db.executescript(VERSION_1)
    db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    db.close()
    with SqliteStore(tmp_path) as store:
        info = store.run("old")
        assert (info.goal, info.workspace, info.model, info.policy_version) == ("Tidy up", "/w", "m1", "v3")
        assert (info.status, info.reason, info.llm_calls, info.prompt_tokens) == ("paused", "lunch", 2, 70)
        assert [n.text for n in store.notes()] == ["the boss likes PDF"]
        assert store.append("old", "run.resumed", {}).seq == 6
    db = sqlite3.connect(tmp_path / "events.sqlite3")
    assert db.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    db.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteStore(tmp_path) as store:
        store.append("r1", "goal.set", {"goal": to_json(Goal("g"))})

    def broken(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half_done (a)")
        db.execute("no such statement")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
        patch.setattr(schema, "VERSION", schema.VERSION + 1)
        with SqliteStore(tmp_path) as store, pytest.raises(StoreError):
            store.runs()
    with SqliteStore(tmp_path) as store:
        assert store.run("r1").goal == "g"
    db = sqlite3.connect(tmp_path / "events.sqlite3")
    assert not db.execute("SELECT name FROM sqlite_master WHERE name = 'half_done'").fetchall()
    db.close()
