"""Files that several processes share: replaced whole, and locked while they are changed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def replace_file(file: Path, data: bytes) -> None:
    """Write DATA to FILE all at once: a reader sees the old content or the new."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    with part.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)


@contextlib.contextmanager
def file_lock(file: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the advisory lock FILE; gives whether it is held (always, with WAIT). The system frees it when a process dies."""
    import fcntl

    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            held = True
        except BlockingIOError:
            held = False
        yield held
    finally:
        os.close(descriptor)
