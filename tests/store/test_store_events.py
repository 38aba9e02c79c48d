"""Appending and reading events: round trips, order, several writers, crashes."""

from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wornpath.core import EVENT_TYPES, StoreError, Usage, UsageError
from wornpath.store import schema
from wornpath.store.sqlite import SqliteStore

WRITER = """
import sys
from wornpath.store.sqlite import SqliteStore
root, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = SqliteStore(root)
for i in range(count):
    event = store.append(f"run-{name}", "action.finished", {"i": i, "text": "x" * 500}, step=i)
    print(event.seq, flush=True)
"""

text = st.text(st.characters(exclude_categories=()), max_size=20)  # surrogates and NUL too
numbers = st.integers() | st.integers(10**300, 10**310) | st.floats()
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


def as_stored(value: object) -> object:
    """The documented policy, said another way: NaN and infinities are null, surrogate pairs are the characters they spell."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [as_stored(v) for v in value]
    if isinstance(value, dict):
        return {as_stored(k): as_stored(v) for k, v in value.items()}
    return value


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "home")


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(text, values, max_size=5), type=st.sampled_from(EVENT_TYPES))
def test_any_data_makes_the_round_trip_and_never_breaks_a_projection(
    store: SqliteStore, data: dict[str, object], type: str
) -> None:
    event = store.append("r1", type, data, step=3)  # type: ignore[arg-type]
    (read,) = store.events(after=event.seq - 1)
    assert read == event
    assert read.data == as_stored(data)
    assert (read.run_id, read.type, read.step, read.v) == ("r1", type, 3, 1)
    store.runs(), store.notes(everything=True), list(store.transitions()), list(store.episodes())


def test_what_json_cannot_say_becomes_null_and_what_is_no_data_is_refused(store: SqliteStore) -> None:
    event = store.append(
        "r1", "model.called", {"a": math.nan, "b": [math.inf], "c": 10**5000, "usage": Usage(prompt=3)}
    )
    assert event.data == {"a": None, "b": [None], "c": None, "usage": {"prompt": 3}}
    loop: dict[str, object] = {}
    loop["self"] = loop
    for bad in ({"a": object()}, {"a": b"bytes"}, loop):
        with pytest.raises(StoreError, match="cannot be stored as JSON"):
            store.append("r1", "model.called", bad)
    with pytest.raises(StoreError, match="no event of type"):
        store.append("r1", "made.up", {})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="id of a run"):
        store.append("../r1", "model.called", {})
    assert len(list(store.events())) == 1


def test_an_event_does_not_change_with_what_it_was_made_of(store: SqliteStore) -> None:
    data = {"texts": ["one"]}
    event = store.append("r1", "model.called", data)
    data["texts"].append("two")
    assert event.data == {"texts": ["one"]}


def test_many_in_one_commit_all_or_none(store: SqliteStore) -> None:
    events = store.append_many(
        "r1", [("run.started", {"model": "m"}, 0), ("model.called", {}, 1), ("run.paused", {}, 1)]
    )
    assert [e.seq for e in events] == [1, 2, 3]
    with pytest.raises(StoreError):
        store.append_many("r1", [("model.called", {}, 2), ("model.called", {"bad": object()}, 3)])
    assert [e.step for e in store.events("r1")] == [0, 1, 1]
    assert store.append_many("r1", []) == []


def test_reading_by_run_type_place_and_number(store: SqliteStore) -> None:
    for i in range(600):  # more than two pages
        store.append(f"r{i % 2}", "model.called" if i % 3 else "action.finished", {"i": i})
    everything = list(store.events())
    assert [e.data["i"] for e in everything] == list(range(600))
    assert [e.data["i"] for e in store.events("r1")] == list(range(1, 600, 2))
    assert [e.data["i"] for e in store.events("r0", types=["action.finished"])] == list(range(0, 600, 6))
    assert [e.seq for e in store.events(after=500, limit=300)] == list(range(501, 601))
    assert [e.seq for e in store.events(after=10, limit=3)] == [11, 12, 13]
    assert len(list(store.events(limit=300))) == 300
    assert list(store.events(limit=0)) == list(store.events("none")) == []


def test_events_can_be_appended_while_they_are_read(store: SqliteStore) -> None:
    store.append("r1", "model.called", {"i": 0})
    for event in store.events("r1"):
        assert event.data["i"] == 0
        store.append("r2", "model.called", {"i": 1})
    assert len(list(store.events())) == 2


def test_events_are_never_changed_and_go_only_with_their_run(store: SqliteStore) -> None:
    store.append("r1", "run.started", {})
    store.close()
    db = sqlite3.connect(store.root / "events.sqlite3")
    for sql in ("UPDATE events SET data = '{}'", "DELETE FROM events", "DELETE FROM events WHERE run_id = 'r1'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(sql)
    db.close()
    assert len(list(store.events())) == 1


def test_seq_never_comes_back_after_a_run_was_removed(store: SqliteStore) -> None:
    store.append("r1", "run.started", {})
    last = store.append("r2", "run.finished", {}).seq
    store.remove("r2")
    assert store.append("r1", "model.called", {}).seq == last + 1


def test_threads_share_a_store(store: SqliteStore) -> None:
    def work(n: int) -> None:
        for i in range(100):
            store.append(f"t{n}", "model.called", {"i": i}, step=i)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [e.seq for e in store.events()] == list(range(1, 401))
    for n in range(4):
        assert [e.data["i"] for e in store.events(f"t{n}")] == list(range(100))


def test_four_processes_write_at_once(tmp_path: Path) -> None:
    """They also race to create the store."""
    args = [sys.executable, "-c", WRITER, str(tmp_path / "home")]
    writers = [subprocess.Popen([*args, str(n), "200"], stdout=subprocess.PIPE, text=True) for n in range(4)]
    seqs = [[int(line) for line in writer.communicate()[0].split()] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4
    assert sorted(s for own in seqs for s in own) == list(range(1, 801))
    with SqliteStore(tmp_path / "home") as store:
        for n, own in enumerate(seqs):
            events = list(store.events(f"run-{n}"))
            assert [e.seq for e in events] == own == sorted(own)
            assert [e.data["i"] for e in events] == list(range(200))


def test_a_writer_killed_in_the_middle_loses_nothing_that_was_told(tmp_path: Path) -> None:
    for round_ in range(3):
        args = [sys.executable, "-c", WRITER, str(tmp_path), str(round_), "100000"]
        writer = subprocess.Popen(args, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(50 + 37 * round_)]
        writer.send_signal(signal.SIGKILL)
        told += [int(line) for line in writer.stdout.read().splitlines() if line]
        writer.wait()
        writer.stdout.close()
        with SqliteStore(tmp_path) as store:
            seqs = [e.seq for e in store.events(f"run-{round_}")]
            assert seqs[: len(told)] == told
            assert len(seqs) - len(told) <= 1  # committed, but killed before it could say so
            store.append("after", "model.called", {})
    check = sqlite3.connect(tmp_path / "events.sqlite3")
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_uses_a_connection_of_its_own(store: SqliteStore) -> None:
    store.append("parent", "model.called", {})
    child = os.fork()
    if child == 0:
        try:
            store.append("child", "model.called", {})
            store.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    store.append("parent", "model.called", {})
    assert [e.run_id for e in store.events()] == ["parent", "child", "parent"]


def test_only_its_owner_can_look_into_a_store(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b"
    with SqliteStore(root) as store:
        assert not (tmp_path / "a").exists()  # nothing is made before it is needed
        store.append("r1", "run.started", {})
        folder = store.run_folder("r1")
    assert folder == root / "runs" / "r1"
    for place in (tmp_path / "a", root, root / "runs", folder):
        assert place.stat().st_mode & 0o777 == 0o700
    assert (root / "events.sqlite3").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError):
        store.run_folder("../../etc")


def test_events_in_json_have_the_documented_envelope(store: SqliteStore) -> None:
    event = store.append("r1", "run.started", {"model": "m"}, step=0)
    assert list(json.loads(json.dumps(event.as_dict()))) == ["v", "seq", "run_id", "time", "step", "type", "data"]


def test_a_store_that_another_process_makes_meanwhile_is_no_other_program_s(tmp_path: Path) -> None:
    """It is made between the look at the mark and the look at the tables."""
    db = sqlite3.connect(tmp_path / "events.sqlite3", isolation_level=None)
    other = sqlite3.connect(tmp_path / "events.sqlite3", isolation_level=None)

    class Interrupted:
        looked = False

        def execute(self, sql: str) -> sqlite3.Cursor:
            if not self.looked and "application_id" not in sql:
                self.looked = True
                schema.migrate(other)
            return db.execute(sql)

    assert schema.is_ours(Interrupted())  # type: ignore[arg-type]
    assert schema.version(db) == schema.VERSION
    db.close()
    other.close()
