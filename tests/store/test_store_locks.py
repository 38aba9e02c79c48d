"""The lock on a run: one process at a time, and free again when its process dies, however it dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wornpath.core import StoreError, UsageError
from wornpath.store.locks import RunLock

HOLDER = """
import sys
from pathlib import Path
from wornpath.store.locks import RunLock
lock = RunLock(Path(sys.argv[1]))
lock.take()
print("held", flush=True)
sys.stdin.read()
"""


def test_only_one_process_holds_it_until_it_dies(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None and holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    mine = RunLock(tmp_path)
    with pytest.raises(UsageError, match="at work in another process"):
        mine.take()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    mine.take()
    mine.take()  # it has it already
    holder.stdin.close()
    holder.stdout.close()
    mine.release()


def test_two_agents_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    one, other = RunLock(tmp_path), RunLock(tmp_path)
    one.take()
    with pytest.raises(UsageError):
        other.take()
    one.release()
    other.take()
    del other  # as when an agent is forgotten
    one.take()
    one.release()


def test_a_program_that_was_started_meanwhile_does_not_hold_it(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    lock.take()
    child = subprocess.Popen(["sleep", "30"], close_fds=False)
    lock.release()
    again = RunLock(tmp_path)
    again.take()
    again.release()
    child.kill()
    child.wait()


def test_a_folder_that_cannot_be_written_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="lock"):
        RunLock(tmp_path / "nowhere").take()
    assert not list(tmp_path.iterdir())
