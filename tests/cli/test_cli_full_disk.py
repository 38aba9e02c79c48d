"""A whole `wornpath run` on a disk that is full, or fills up on the way: one clear sentence, an exit code, a store that is intact, and a
run that goes on once there is room."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from model_server import Player, act, playing
from shell import Shell

from places import small_disk

PLAN = [{"do": "Write report.md", "kind": "other", "output": "report.md", "has": []}]
LOOKS = [act("list_files", path=f"f{n}") for n in range(4)]
SIZE = 2 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    with small_disk(tmp_path / "disk", SIZE) as place:
        yield place


def player() -> Player:
    return Player(*LOOKS, act("write_file", path="report.md"), plan=PLAN, text="Total: 340\n" * 400)


def fill(disk: Path, room: int) -> Path:
    """Leave ROOM bytes free on DISK."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        file.write(b"\0" * max(0, free - room))
    return filler


def intact(home: Path) -> list[str]:
    """The types of the events in the store, which SQLite finds nothing wrong with."""
    file = home / "events.sqlite3"
    if not file.exists() or not file.stat().st_size:
        return []
    db = sqlite3.connect(file)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name = 'events'")]
        return [t for (t,) in db.execute("SELECT type FROM events ORDER BY seq")] if tables else []
    finally:
        db.close()


def told(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one sentence that says what went wrong."""
    err = done.stderr.decode()
    assert done.returncode == 1, err
    assert "Traceback" not in err and "internal error" not in err
    lines = [line for line in err.splitlines() if line.startswith("wornpath: error: ")]
    assert len(lines) == 1, err
    return lines[0]


@pytest.mark.parametrize("room", [0, 60_000, 200_000, 400_000])
def test_a_disk_with_little_room(shell: Shell, disk: Path, room: int) -> None:
    home = disk / "home"
    home.mkdir()
    for n in range(4):
        (shell.cwd / f"f{n}").mkdir()
    with playing(player()) as env:
        env["WORNPATH_HOME"] = str(home)
        filler = fill(disk, room)
        done = shell.call("run", "Write a report", "--check", "grep -q 340 report.md", **env)
        if done.returncode == 0:
            pytest.fail(f"{room} bytes were enough: the test tests nothing")
        sentence = told(done)
        assert "disk" in sentence or "space" in sentence, sentence
        types = intact(home)
        assert "run.finished" not in types
        filler.unlink()
        if "goal.set" not in types:
            assert shell.call("run", "Write a report", "--check", "grep -q 340 report.md", **env).returncode == 0
            return
        assert shell.call("show", "last", **env).returncode == 0
        resumed = shell.call("resume", "last", **env)
        assert resumed.returncode == 0, resumed.stderr.decode()
    assert (shell.cwd / "report.md").read_text() == "Total: 340\n" * 400
    assert intact(home)[-1] == "run.finished"


def test_a_workspace_on_a_full_disk_is_the_tools_trouble(shell: Shell, disk: Path) -> None:
    work = disk / "work"
    work.mkdir()
    fill(disk, 0)
    with playing(player()) as env:
        done = shell.call("run", "Write a report", "--workspace", str(work), "--max-steps", "7", **env)
    assert done.returncode == 5, done.stderr.decode()  # the model, told that the disk is full, has no better idea
    assert "internal error" not in done.stderr.decode()
    shown = shell.call("show", "last").stdout.decode()
    assert "disk is full" in shown
    assert "run.finished" in intact(shell.home)


@pytest.mark.parametrize("most", [60_000])
def test_a_limit_of_file_size(shell: Shell, most: int) -> None:
    """The same without the right to mount: no file of the run may grow beyond a limit."""

    def limited(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

        command: list[Any] = [sys.executable, "-m", "wornpath", *arguments]
        environment = shell.environment(**env)
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, cwd=shell.cwd, preexec_fn=limit
        )

    with playing(player()) as env:
        sentence = told(limited("run", "Write a report", env=env))
        assert "disk" in sentence or "large" in sentence, sentence
        types = intact(shell.home)
        assert "run.finished" not in types
        if "goal.set" in types:
            assert shell.call("resume", "last", **env).returncode == 3
    assert intact(shell.home)[-1:] in ([], ["run.finished"])
