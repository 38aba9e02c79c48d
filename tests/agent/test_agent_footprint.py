"""What a run changed is put back, what a person changed after it is not, across sittings."""

from __future__ import annotations

from pathlib import Path

from wornpath.core import Action, Observation, Part, to_json
from wornpath.experience import Tracker
from wornpath.footprint import MAX_ARTIFACTS, Footprint
from wornpath.guard import Session
from wornpath.store import Snapshot, SqliteStore
from wornpath.tools import Workspace

RUN = "20260101-000000-aaaaaa"


def sitting(store: SqliteStore, work: Path) -> Footprint:
    session = Session(RUN, store, Tracker())
    session.replay()
    return Footprint(session, Workspace(work), Snapshot(store.run_folder(RUN), work))


def test_a_persons_work_stays_however_many_files_the_action_changed(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    names = tuple(f"f{n:03}.txt" for n in range(MAX_ARTIFACTS + 50))
    theirs = (names[20], names[-20])
    for name in names:
        (work / name).write_text("old")
    with SqliteStore(tmp_path / "store") as store:
        store.append(RUN, "run.started", {"pid": 1, "options": {}})
        first = sitting(store, work)
        first.snapshot.keep(None)
        for name in names[:-1]:
            (work / name).write_text("the run's")
        (work / names[-1]).unlink()
        seen = Observation("ok", (Part(text="x"),), (), names)
        first.snapshot.close(seen.changed)
        first.record(seen, Action.of("python", code="x"))
        store.append(RUN, "action.finished", {"id": "1", "observation": to_json(seen), "seconds": 0})
        first.snapshot.seal()
        for name in theirs:
            (work / name).write_text("a person's")
        second = sitting(store, work)
        second.restore()
        assert set(second.put_back(names)) == set(names) - set(theirs)
    assert {name: (work / name).read_text() for name in names} == {
        name: "a person's" if name in theirs else "old" for name in names
    }
