"""Snapshots: whatever happens in a workspace, undo brings the old bytes back; what others changed since stays."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from places import another_user
from wornpath.core import StoreError, UsageError
from wornpath.store.snapshot import Snapshot

NAMES = ["a", "b.txt", "目录", "d.d", os.fsdecode(b"bad\xff")]
CONTENTS = [b"", b"one\n", b"two\nlines\n", bytes(range(256)), "日本\n".encode("utf-16")]


def picture(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below ROOT that undo has to bring back."""
    out: dict[str, tuple[object, ...]] = {}
    for folder, dirs, files in os.walk(root):
        for name in dirs + files:
            path = Path(folder, name)
            info = path.lstat()
            if path.is_symlink():
                what: tuple[object, ...] = ("link", str(path.readlink()))
            elif path.is_dir():
                what = ("dir", stat.S_IMODE(info.st_mode))
            else:
                what = ("file", stat.S_IMODE(info.st_mode), path.read_bytes())
            out[str(path.relative_to(root))] = what
    return out


class Vandal:
    """Random changes. With a snapshot, it asks for each as the tools do; without, it just does them, as a program would."""

    def __init__(self, root: Path, seed: float, snapshot: Snapshot | None = None, outside: Path | None = None) -> None:
        self.root, self.random, self.snapshot = root, random.Random(seed), snapshot
        self.outside = outside or root.parent / "outside"  # where some links lead
        self.outside.mkdir(exist_ok=True)

    def work(self, times: int) -> None:
        for _ in range(times):
            action = self.random.choice(
                [self.write, self.write, self.folder, self.delete, self.move, self.link, self.mode]
            )
            try:
                action()
            except (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, OSError):
                continue

    def path(self) -> Path:
        return self.root.joinpath(*(self.random.choice(NAMES) for _ in range(self.random.randint(1, 3))))

    def will(self, *paths: Path) -> None:
        for path in paths:
            if os.path.realpath(path.parent).startswith(os.path.realpath(self.root)) and self.snapshot is not None:
                self.snapshot.keep(str(path.relative_to(self.root)))

    def write(self) -> None:
        path = self.path()
        if path.is_symlink() or any(p.is_symlink() for p in path.parents):
            return
        self.will(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.random.choice(CONTENTS))

    def folder(self) -> None:
        path = self.path()
        self.will(path)
        path.mkdir()

    def delete(self) -> None:
        path = self.path()
        self.will(path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def move(self) -> None:
        source, target = self.path(), self.path()
        self.will(source, target)
        source.rename(target)

    def link(self) -> None:
        path = self.path()
        self.will(path)
        path.symlink_to(self.random.choice(["a", "../b.txt", str(self.outside), "nowhere"]))

    def mode(self) -> None:
        path = self.path()
        if not path.is_symlink():
            self.will(path)
            path.chmod(self.random.choice([0o600, 0o755]) if not path.is_dir() else 0o550)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**9), whole=st.booleans(), sealed=st.booleans(), reopen=st.booleans())
def test_undo_brings_back_every_byte(seed: int, whole: bool, sealed: bool, reopen: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="wornpath-test-") as folder:
        root, run = Path(folder, "w"), Path(folder, "run")
        root.mkdir()
        Vandal(root, seed).work(25)
        before = picture(root)
        snapshot = Snapshot(run, root)
        Vandal(root, seed + 1, snapshot).work(10)
        if whole:
            snapshot.keep(None)
            Vandal(root, seed + 2).work(15)
        if sealed:
            snapshot.seal()
        after = picture(root)
        if reopen:
            snapshot = Snapshot(run, root)
        changed = {c.path for c in snapshot.changes()}
        files = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
        assert {p for p in files if "dir" not in (before.get(p, "?")[0], after.get(p, "?")[0])} <= changed <= files
        assert isinstance(snapshot.diff(), str)
        report = snapshot.undo()
        assert picture(root) == before
        assert report.conflicts == ()
        assert snapshot.undo().restored == ()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "w" / "sub").mkdir(parents=True)
    (tmp_path / "w" / "old.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "w" / "sub" / "deep.txt").write_text("deep\n")
    return tmp_path / "w"


@pytest.fixture
def snapshot(tmp_path: Path, root: Path) -> Snapshot:
    return Snapshot(tmp_path / "run", root)


def test_only_the_first_content_is_kept(snapshot: Snapshot, root: Path) -> None:
    for text in ("second", "third"):
        snapshot.keep("old.txt")
        (root / "old.txt").write_text(text)
    snapshot.keep(None)
    snapshot.undo()
    assert (root / "old.txt").read_text() == "one\ntwo\nthree\n"


def test_changes_and_diff(snapshot: Snapshot, root: Path) -> None:
    snapshot.keep(None)
    (root / "old.txt").write_text("one\n2\nthree")
    (root / "new.txt").write_text("hello\n")
    (root / "sub" / "deep.txt").unlink()
    (root / "picture.png").write_bytes(b"\x89PNG\0\0")
    (root / "latin.txt").write_bytes("na\xefve\n".encode("latin-1"))
    (root / "empty").mkdir()
    (root / "link").symlink_to("old.txt")
    snapshot.seal()
    (root / "old.txt").write_text("someone else's\n")  # the diff is of the run, not of what came later
    changes = {c.path: c for c in snapshot.changes()}
    assert {path: c.kind for path, c in changes.items()} == {
        "empty": "added",
        "latin.txt": "added",
        "link": "added",
        "new.txt": "added",
        "old.txt": "changed",
        "picture.png": "added",
        "sub/deep.txt": "removed",
    }
    old = changes["old.txt"]
    assert old.before_blob is not None and old.before_blob.read_text() == "one\ntwo\nthree\n"
    assert old.after_blob is not None and old.after_blob.read_text() == "one\n2\nthree"
    assert changes["new.txt"].before_blob is None and changes["new.txt"].covered
    assert snapshot.diff() == (
        "Folder empty added\n"
        "Binary or large file latin.txt added (0 → 6 bytes)\n"
        "--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+→ old.txt\n"
        "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+hello\n"
        "--- a/old.txt\n+++ b/old.txt\n@@ -1,3 +1,3 @@\n one\n-two\n-three\n+2\n+three\n\\ No newline at end of file\n"
        "Binary or large file picture.png added (0 → 6 bytes)\n"
        "--- a/sub/deep.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-deep\n"
    )


def test_the_diff_can_be_applied(snapshot: Snapshot, root: Path, tmp_path: Path) -> None:
    if shutil.which("patch") is None:
        pytest.skip("needs patch")
    shutil.copytree(root, tmp_path / "again")
    snapshot.keep(None)
    (root / "old.txt").write_text("zero\none\ntwo\r\nthree")
    (root / "sub" / "more.txt").write_text("a\x0cb\u2028c\n")
    (root / "sub" / "deep.txt").unlink()
    done = subprocess.run(["patch", "-p1", "-s", "--binary"], cwd=tmp_path / "again", input=snapshot.diff().encode())
    assert done.returncode == 0
    files = [{p.name: p.read_bytes() for p in folder.rglob("*.txt")} for folder in (root, tmp_path / "again")]
    assert files[0] == files[1]


def test_what_changed_after_the_run_is_left_alone_unless_forced(snapshot: Snapshot, root: Path) -> None:
    snapshot.keep(None)
    (root / "old.txt").write_text("the run's")
    (root / "new.txt").write_text("the run's")
    (root / "made").mkdir()
    (root / "made" / "by-run.txt").write_text("the run's")
    (root / "sub" / "deep.txt").unlink()
    snapshot.seal()
    (root / "old.txt").write_text("the user's")
    (root / "new.txt").write_text("the user's")
    (root / "made" / "mine.txt").write_text("the user's")
    (root / "another.txt").write_text("the user's")
    report = snapshot.undo()
    assert (report.restored, report.removed) == (("sub/deep.txt",), ("made/by-run.txt",))
    assert report.conflicts == ("new.txt", "old.txt")
    assert report.why == dict.fromkeys(report.conflicts, "it was changed since, not by the run")
    assert (root / "old.txt").read_text() == (root / "new.txt").read_text() == "the user's"
    assert (root / "made" / "mine.txt").exists()
    report = snapshot.undo(force=True)
    assert (report.restored, report.removed, report.conflicts) == (("old.txt",), ("new.txt",), ())
    assert (root / "old.txt").read_text() == "one\ntwo\nthree\n"
    assert (root / "another.txt").exists() and (root / "made" / "mine.txt").exists()


def test_a_change_of_the_same_size_and_time_is_seen(snapshot: Snapshot, root: Path) -> None:
    info = (root / "old.txt").stat()
    snapshot.keep(None)
    (root / "old.txt").write_text("ONE\nTWO\nTHREE\n")
    os.utime(root / "old.txt", ns=(info.st_atime_ns, info.st_mtime_ns))
    assert [c.path for c in snapshot.changes()] == ["old.txt"]


def test_links_are_never_followed(snapshot: Snapshot, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("42 is the answer")
    (root / "to-file").symlink_to(outside / "secret.txt")
    snapshot.keep(None)
    shutil.rmtree(root / "sub")
    (root / "sub").symlink_to(outside)  # undo must not write deep.txt through it
    snapshot.seal()
    assert all("42 is" not in p.read_text(errors="replace") for p in (tmp_path / "run").rglob("*") if p.is_file())
    assert snapshot.undo().conflicts == ()
    assert sorted(p.name for p in outside.iterdir()) == ["secret.txt"]
    assert (root / "sub" / "deep.txt").read_text() == "deep\n" and not (root / "sub").is_symlink()
    with pytest.raises(UsageError, match="outside the workspace"):
        snapshot.keep("../outside/secret.txt")
    (root / "way-out").symlink_to(outside)
    with pytest.raises(UsageError, match="outside the workspace"):
        snapshot.keep("way-out/secret.txt")


def test_a_conflicting_link_is_not_written_through(snapshot: Snapshot, root: Path, tmp_path: Path) -> None:
    snapshot.keep(None)
    (root / "sub" / "deep.txt").write_text("the run's")
    snapshot.seal()
    shutil.rmtree(root / "sub")
    (tmp_path / "outside").mkdir()
    (root / "sub").symlink_to(tmp_path / "outside")
    for force in (False, True):
        assert snapshot.undo(force=force).conflicts == ("sub/deep.txt",)
    assert not list((tmp_path / "outside").iterdir())


def test_files_too_large_are_noted_but_not_covered(tmp_path: Path, root: Path) -> None:
    (root / "big.bin").write_bytes(b"x" * 3000)
    (root / "z.bin").write_bytes(b"z" * 900)
    snapshot = Snapshot(tmp_path / "run", root, max_file=2000, max_total=500)
    snapshot.keep(None)
    (root / "big.bin").write_bytes(b"y" * 3001)
    (root / "z.bin").unlink()
    (root / "old.txt").unlink()
    changes = {c.path: c.covered for c in snapshot.changes()}
    assert changes == {"big.bin": False, "z.bin": False, "old.txt": True}
    report = snapshot.undo()
    assert (report.restored, report.conflicts) == (("old.txt",), ("big.bin", "z.bin"))
    assert report.why is not None and "larger than" in report.why["big.bin"] and "beyond" in report.why["z.bin"]


def test_what_could_not_be_read_is_not_taken_for_new() -> None:
    """Else undo would delete the user's files once they can be read."""
    with another_user() as folder:
        (folder / "w" / "sub").mkdir(parents=True)
        for name in ("w/sub/deep.txt", "w/closed.txt"):
            (folder / name).write_text("deep\n")
        (folder / "w" / "sub").chmod(0)
        (folder / "w" / "closed.txt").chmod(0)
        snapshot = Snapshot(folder / "run", folder / "w")
        snapshot.keep(None)
        (folder / "w" / "sub").chmod(0o755)
        (folder / "w" / "closed.txt").chmod(0o644)
        (folder / "w" / "closed.txt").write_text("changed\n")
        report = snapshot.undo()
        assert (report.removed, report.restored) == ((), ())
        assert report.why is not None and "cannot be read" in report.why["closed.txt"]
        assert (folder / "w" / "sub" / "deep.txt").exists()


def test_folders_that_were_made_read_only() -> None:
    with another_user() as folder:
        (folder / "w" / "sub").mkdir(parents=True)
        (folder / "w" / "sub" / "deep.txt").write_text("deep\n")
        before = picture(folder / "w")
        snapshot = Snapshot(folder / "run", folder / "w")
        snapshot.keep(None)
        (folder / "w" / "sub" / "deep.txt").unlink()
        (folder / "w" / "made").mkdir()
        (folder / "w" / "made" / "new.txt").write_text("new")
        for name in ("sub", "made"):
            (folder / "w" / name).chmod(0o555)
        assert snapshot.undo().conflicts == ()
        assert picture(folder / "w") == before


def test_a_run_killed_while_keeping_changes_nothing_that_counts(snapshot: Snapshot, root: Path, tmp_path: Path) -> None:
    snapshot.keep("old.txt")
    manifest = tmp_path / "run" / "snapshot" / "manifest.jsonl"
    whole = manifest.read_bytes()
    (root / "old.txt").write_text("changed")
    snapshot.keep("sub")
    torn = manifest.read_bytes()
    for cut in range(len(whole), len(torn) - 1, 7):
        manifest.write_bytes(torn[:cut])
        again = Snapshot(tmp_path / "run", root)
        assert [c.path for c in again.changes()] == ["old.txt"]
        again.keep("sub/deep.txt")
        (root / "sub" / "deep.txt").write_text("changed")
        Snapshot(tmp_path / "run", root).undo()
        assert (root / "sub" / "deep.txt").read_text() == "deep\n"
        assert (root / "old.txt").read_text() == "one\ntwo\nthree\n"
        (root / "old.txt").write_text("changed")


def test_a_damaged_blob_is_not_restored(snapshot: Snapshot, root: Path, tmp_path: Path) -> None:
    snapshot.keep("old.txt")
    (root / "old.txt").write_text("changed")
    (blob,) = [p for p in (tmp_path / "run" / "snapshot" / "blobs").rglob("*") if p.is_file()]
    blob.write_text("rubbish")
    report = snapshot.undo()
    assert report.conflicts == ("old.txt",) and "damaged" in str(report.why)
    assert (root / "old.txt").read_text() == "changed"
    assert sorted(p.name for p in root.iterdir()) == ["old.txt", "sub"]


def test_keeping_that_fails_says_so(tmp_path: Path, root: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="could not be kept"):
        Snapshot(tmp_path / "run", root).keep("old.txt")


def test_equal_contents_are_kept_once(snapshot: Snapshot, root: Path, tmp_path: Path) -> None:
    for n in range(20):
        (root / f"{n}.bin").write_bytes(b"same" * 500_000)
    snapshot.keep(None)
    blobs = [p for p in (tmp_path / "run").rglob("*") if p.is_file() and len(p.name) == 64]
    assert len(blobs) == 3
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in blobs)


def test_originals_for_a_check(snapshot: Snapshot, root: Path) -> None:
    (root / "tests").mkdir()
    (root / "tests" / "t1.py").write_text("assert True")
    snapshot.keep("tests")
    snapshot.keep("new.txt")
    (root / "tests" / "t1.py").write_text("pass")
    (root / "tests" / "t2.py").write_text("pass")
    (root / "new.txt").write_text("made")
    found = snapshot.originals(["tests", "new.txt", "./tests/t1.py", "old.txt"])
    assert {path: blob.read_text() for path, blob in found.items()} == {"tests/t1.py": "assert True"}


def test_a_run_that_changed_nothing(snapshot: Snapshot) -> None:
    snapshot.seal()
    assert (snapshot.changes(), snapshot.diff(), snapshot.undo().restored) == ([], "", ())


def test_a_deep_tree_is_no_trouble(snapshot: Snapshot, root: Path) -> None:
    depth = sys.getrecursionlimit() + 20
    at = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=at)
        inner = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    snapshot.keep("d")
    assert snapshot.changes() == []
    subprocess.run(["rm", "-rf", str(root / "d")], check=True)


# -- what others change meanwhile --------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**9), killed=st.booleans())
def test_undo_takes_back_the_runs_changes_and_no_others(seed: int, killed: bool) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="wornpath-test-") as folder:
        root, run = Path(folder, "w"), Path(folder, "run")
        mine, theirs, outside = root / "run", root / "user", Path(folder, "outside")
        for place in (mine, theirs):
            place.mkdir(parents=True)
            Vandal(place, rng.random(), outside=outside).work(20)
        before = picture(mine)
        snapshot = Snapshot(run, root)
        for _ in range(4):
            Vandal(theirs, rng.random(), outside=outside).work(rng.randint(0, 8))
            snapshot.keep(rng.choice([None, "run"]))
            Vandal(mine, rng.random(), outside=outside).work(rng.randint(0, 8))
            snapshot.close()
            if rng.random() < 0.3:
                snapshot = Snapshot(run, root)
        Vandal(theirs, rng.random(), outside=outside).work(5)
        if killed:  # in the middle of an action
            snapshot.keep("run")
            Vandal(mine, rng.random(), outside=outside).work(8)
            snapshot = Snapshot(run, root)
        else:
            snapshot.seal()
        Vandal(theirs, rng.random(), outside=outside).work(5)
        after = picture(theirs)
        assert all(change.path.startswith("run/") for change in snapshot.changes())
        assert snapshot.undo().conflicts == ()
        assert picture(mine) == before and picture(theirs) == after


def user_at_work(root: Path) -> dict[str, tuple[object, ...]]:
    """What a user does to the files of `root` while the run is not at work, and what is there then."""
    with (root / "old.txt").open("a") as file:
        file.write("four\n")
    (root / "mine.txt").write_text("the user's")
    shutil.rmtree(root / "sub")
    return picture(root)


@pytest.mark.parametrize("reopen", [False, True])
@pytest.mark.parametrize("path", [None, "made.txt"])
def test_what_changed_between_two_actions_is_not_the_runs(
    snapshot: Snapshot, root: Path, tmp_path: Path, reopen: bool, path: str | None
) -> None:
    snapshot.keep(path)
    (root / "made.txt").write_text("1")
    snapshot.close()
    users = user_at_work(root)
    if reopen:
        snapshot.seal()
        snapshot = Snapshot(tmp_path / "run", root)
    snapshot.keep(None)
    (root / "made.txt").write_text("2")
    snapshot.seal()
    assert [c.path for c in snapshot.changes()] == ["made.txt"]
    report = snapshot.undo()
    assert (report.restored, report.removed, report.conflicts) == ((), ("made.txt",), ())
    del users["made.txt"]
    assert picture(root) == users


def test_what_an_interrupted_action_did_is_the_runs(snapshot: Snapshot, root: Path, tmp_path: Path) -> None:
    snapshot.keep(None)
    snapshot.close()
    users = user_at_work(root)
    snapshot.keep(None)
    (root / "old.txt").write_text("half")
    (root / "half.txt").write_text("half")
    again = Snapshot(tmp_path / "run", root)
    assert [(c.path, c.kind) for c in again.changes()] == [("half.txt", "added"), ("old.txt", "changed")]
    assert again.undo().conflicts == ()
    assert picture(root) == users


def test_a_file_that_both_changed_goes_back_to_the_users_version(snapshot: Snapshot, root: Path) -> None:
    for text in ("the run's first", "the run's second"):
        snapshot.keep("old.txt")
        (root / "old.txt").write_text(text)
        snapshot.close()
        if text.endswith("first"):
            (root / "old.txt").write_text("the user's")
    assert "-the user's" in snapshot.diff() and "one" not in snapshot.diff()
    assert snapshot.undo().restored == ("old.txt",)
    assert (root / "old.txt").read_text() == "the user's"
    assert snapshot.undo(force=True).restored == ("old.txt",)
    assert (root / "old.txt").read_text() == "one\ntwo\nthree\n"


def test_a_file_that_the_user_changed_after_the_run_had_is_left_alone_and_told(snapshot: Snapshot, root: Path) -> None:
    snapshot.keep(None)
    (root / "old.txt").write_text("the run's")
    (root / "new.txt").write_text("the run's")
    (root / "gone.txt").write_text("the run's")
    snapshot.close()
    (root / "old.txt").write_text("the user's")
    (root / "new.txt").write_text("the user's")
    (root / "gone.txt").unlink()
    snapshot.keep(None)
    snapshot.seal()
    assert snapshot.changes() == []
    changes, left = snapshot.outlook()
    assert (changes, set(left)) == ([], {"old.txt", "new.txt"})
    assert snapshot.undo().why == dict.fromkeys(("new.txt", "old.txt"), "it was changed since, not by the run")
    assert (root / "old.txt").read_text() == (root / "new.txt").read_text() == "the user's"


def test_the_diff_does_not_show_the_users_text_as_the_runs(snapshot: Snapshot, root: Path) -> None:
    snapshot.keep("new.txt")
    (root / "new.txt").write_text("the run's\n")
    snapshot.close()
    (root / "new.txt").write_text("the user's\n")
    snapshot.seal()
    assert snapshot.diff() == "File new.txt added, and changed since, not by the run\n"


def test_what_a_tool_tells_of_is_the_runs(snapshot: Snapshot, root: Path) -> None:
    snapshot.keep(None)
    snapshot.close()
    (root / "told.txt").write_text("by a tool that says what it did, and only afterwards")
    (root / "untold.txt").write_text("by somebody")
    snapshot.close(["told.txt", "../outside", "/etc/passwd"])
    assert [c.path for c in snapshot.changes()] == ["told.txt"]


def test_nothing_is_left_to_undo_after_an_undo(snapshot: Snapshot, root: Path) -> None:
    snapshot.keep(None)
    (root / "made" / "deep").mkdir(parents=True)
    (root / "made" / "deep" / "new.txt").write_text("new")
    (root / "old.txt").unlink()
    snapshot.seal()
    changes, left = snapshot.outlook()
    assert ([c.path for c in changes], left) == (["made/deep/new.txt", "old.txt"], {})
    snapshot.undo()
    assert snapshot.outlook() == ([], {}) and snapshot.changes()


def test_a_run_of_an_older_version_can_be_gone_on_with(snapshot: Snapshot, root: Path, tmp_path: Path) -> None:
    """It had no line for the end of an action, and noted the end of a run in a file of its own."""
    snapshot.keep(None)
    (root / "old.txt").write_text("the run's")
    folder = tmp_path / "run" / "snapshot"
    journal = (folder / "manifest.jsonl").read_bytes()
    assert [c.path for c in Snapshot(tmp_path / "run", root).changes()] == ["old.txt"], "it was killed"
    snapshot.seal()
    images = [line for line in (folder / "manifest.jsonl").read_bytes()[len(journal) :].split(b"\n") if b"path" in line]
    (folder / "manifest.jsonl").write_bytes(journal)
    (folder / "after.jsonl").write_bytes(b"".join(line + b"\n" for line in images))
    users = user_at_work(root)
    for _ in range(2):
        again = Snapshot(tmp_path / "run", root)
        again.keep(None)
        (root / "new.txt").write_text("the run's")
        again.seal()
    again = Snapshot(tmp_path / "run", root)
    assert [c.path for c in again.changes()] == ["new.txt"]
    report = again.undo()
    assert (report.removed, report.conflicts) == (("new.txt",), ("old.txt",))
    assert picture(root) == users


# -- while the run is still going on -----------------------------------------------------------------


def test_what_was_at_some_paths_is_put_back_and_the_rest_stays(snapshot: Snapshot, root: Path) -> None:
    (root / "one").write_text("1")
    (root / "one").chmod(0o640)
    (root / "two").write_text("2")
    (root / "gone").write_text("3")
    before = picture(root)
    snapshot.keep(None)
    (root / "one").write_text("spoilt")
    (root / "two").write_text("good")
    (root / "gone").rename(root / "moved")
    (root / "new").mkdir()
    (root / "new" / "deep").write_text("4")
    report = snapshot.put_back(["one", "gone", "moved", "new/deep", "never/there"])
    assert set(report.restored) == {"one", "gone"} and set(report.removed) == {"moved", "new/deep"}
    assert not report.conflicts
    after = picture(root)
    assert after.pop("two")[2] == b"good" and before.pop("two")[2] == b"2"
    assert after == before  # the folder that was made for it is gone too
    assert snapshot.put_back(["one", "gone", "moved"]).restored == ()
    assert snapshot.undo().restored == ("two",)


def test_put_back_leaves_a_folder_with_other_things_in_it(snapshot: Snapshot, root: Path) -> None:
    snapshot.keep(None)
    (root / "new").mkdir()
    (root / "new" / "ours").write_text("1")
    (root / "new" / "theirs").write_text("2")
    assert snapshot.put_back(["new/ours"]).removed == ("new/ours",)
    assert (root / "new" / "theirs").read_text() == "2" and not (root / "new" / "ours").exists()


def test_put_back_brings_folders_and_links_back_and_follows_none(
    snapshot: Snapshot, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("not ours")
    (root / "folder").mkdir()
    (root / "folder" / "file").write_text("old")
    (root / "folder").chmod(0o750)
    (root / "link").symlink_to("folder/file")
    before = picture(root)
    snapshot.keep(None)
    shutil.rmtree(root / "folder")
    (root / "folder").symlink_to(outside)
    (root / "link").unlink()
    (root / "link").write_text("no link any more")
    assert snapshot.missing(["folder/file"]), "what is behind a link is not what was there"
    report = snapshot.put_back(["folder/file", "folder", "link"])
    assert not report.conflicts and picture(root) == before
    assert (outside / "file").read_text() == "not ours"


def test_what_is_missing(snapshot: Snapshot, root: Path) -> None:
    (root / "file").write_text("1")
    (root / "folder").mkdir()
    (root / "link").symlink_to("nowhere")
    snapshot.keep(None)
    paths = ["file", "folder", "link"]
    assert not snapshot.missing(paths) and not snapshot.missing([])
    (root / "file").write_text("changed")
    (root / "added").write_text("2")
    (root / "added").unlink()
    assert not snapshot.missing([*paths, "added", "never", "../outside", "/etc/passwd", "never/there"])
    for path in paths:
        aside = root / "aside"
        (root / path).rename(aside)
        assert snapshot.missing([path]) and snapshot.missing(["never", path])
        aside.rename(root / path)
        assert not snapshot.missing([path])


@pytest.mark.parametrize("path", ["../outside", "/etc/hostname", "folder/../../outside", "", "."])
def test_nothing_outside_is_put_back(snapshot: Snapshot, root: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").write_text("not ours")
    (root / "file").write_text("1")
    snapshot.keep(None)
    (root / "file").write_text("2")
    report = snapshot.put_back([path])
    assert (report.restored, report.removed, report.conflicts) == ((), (), ())
    assert (root / "file").read_text() == "2" and (tmp_path / "outside").read_text() == "not ours"


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_what_was_not_kept_whole_is_told_and_left(snapshot: Snapshot, root: Path, tmp_path: Path, damage: str) -> None:
    (root / "file").write_text("first")
    (root / "other").write_text("second")
    snapshot.keep(None)
    (root / "file").write_text("spoilt")
    (root / "other").unlink()
    (blob,) = [b for b in tmp_path.rglob("blobs/*/*") if b.read_text() == "first"]
    if damage == "gone":
        blob.unlink()
    else:
        blob.chmod(0o600)
        blob.write_text("FIRST")
    report = snapshot.put_back(["file", "other"])
    assert (
        report.restored == ("other",) and report.conflicts == ("file",) and "content is" in (report.why or {})["file"]
    )
    assert (root / "file").read_text() == "spoilt" and not list(root.glob(".wornpath*"))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**9), data=st.data())
def test_putting_all_back_is_an_undo_and_in_parts_it_is_too(seed: int, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory(prefix="wornpath-test-") as folder:
        root, run = Path(folder, "w"), Path(folder, "run")
        root.mkdir()
        Vandal(root, seed).work(20)
        before = picture(root)
        snapshot = Snapshot(run, root)
        snapshot.keep(None)
        Vandal(root, seed + 1).work(15)
        changed = sorted({c.path for c in snapshot.changes()})
        some = data.draw(st.sets(st.sampled_from(changed))) if changed else set()
        snapshot.put_back(some)
        snapshot.put_back([*before, *picture(root), *changed])
        assert picture(root) == before
