"""A server whose disk is full, or whose folder of workspaces went away: a problem document, no traceback, and it goes on afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from serve_world import World

from places import small_disk
from wornpath.cli.goal import workspace_folder
from wornpath.core import UsageError
from wornpath.serve.running import bind, workspaces_folder


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    with small_disk(tmp_path / "disk", 4 << 20, busy=True) as place:  # what was learnt is still open
        yield place


def test_a_full_disk_is_a_problem_and_no_traceback(disk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with World(disk) as world:
        world.until(world.hand_in("write a.txt"), "unverified")
        filler = disk / "filler"
        with filler.open("wb") as file:
            free = os.statvfs(disk)
            file.write(b"\0" * free.f_bavail * free.f_frsize)
        answer = world.http.post("/api/v1/runs", json={"goal": "write b.txt"})
        assert answer.status_code in (503, 507), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert "No space left" in answer.json()["detail"] or "full" in answer.json()["detail"]
        filler.unlink()
        world.until(world.hand_in("write b.txt"), "unverified")
    assert "Traceback" not in capfd.readouterr().err


def test_a_folder_of_workspaces_that_went_away(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    (world.folder / "workspaces").write_text("a file")
    answer = world.http.post("/api/v1/runs", json={"goal": "write b.txt"})
    assert answer.status_code == 503
    assert "cannot be made: Not a directory." in answer.json()["detail"]
    assert "Traceback" not in capfd.readouterr().err


def test_a_folder_of_workspaces_is_looked_at_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "none" / "below", Path("/proc/none")):
        with pytest.raises(UsageError, match="--workspaces"):
            workspaces_folder(folder)
    assert workspaces_folder(tmp_path / "new").is_dir()


def test_the_home_of_a_user_that_there_is_not_is_no_workspace() -> None:
    with pytest.raises(UsageError, match="a user that there is not; name another --workspace"):
        workspace_folder("~nosuchuser/x")


def test_an_address_of_another_machine() -> None:
    with pytest.raises(UsageError, match="no address of this machine; give another --host"):
        bind("192.0.2.1", 0)
