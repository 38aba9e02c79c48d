"""One process at a time works on a run: a lock that the system takes away from a process that dies, however it dies."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from wornpath.core import StoreError, UsageError

_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


class RunLock:
    """The lock on the run whose folder is RUN_FOLDER, held from `take` to `release`."""

    def __init__(self, run_folder: Path) -> None:
        self._file = run_folder / "lock"
        self._fd: int | None = None

    def take(self) -> None:
        """Raises UsageError when another process (or another agent of this one) is at work on the run."""
        if self._fd is not None:
            return
        import fcntl

        try:
            fd = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"The run's lock {self._file} cannot be made: {error.strerror or error}.") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD:
                os.close(fd)
                raise UsageError(
                    f"Run {self._file.parent.name} is at work in another process; stop it before resuming it."
                ) from None
            # a file system without locks: the run's recorded process is all there is to go by
        self._fd = fd

    def release(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __del__(self) -> None:
        self.release()
