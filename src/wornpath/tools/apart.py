"""Documents are read in a process of its own: what a stranger made to take for ever, to swell or to break a library ends that process, and
costs nobody else anything. It may read Python's own files and the document that it is handed, write nothing, and reach nobody.

One process serves a whole program, one document after another, and is started at the first.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

from wornpath.core import ToolError

SECONDS = 30
"""Processor time for one document."""
PATIENCE = 100.0
HURRIED = 2
"""The same for a glimpse: the first lines for a map of the workspace."""
MEMORY = 1 << 30
DOCUMENTS = 500
"""After so many the process is replaced: libraries keep what they need no more."""
_LONGEST = 32 << 20
_SIZE = struct.Struct("!I")
_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from wornpath.tools.apart import main; main(int(sys.argv[1]))"
_NO_NEW_PRIVS = 38


class TooMuch(ToolError):
    """A document took more time or memory than one may; HURRIED, more than one may that is only looked at."""

    def __init__(self, text: str, *, hurried: bool = False) -> None:
        super().__init__(text)
        self.hurried = hurried


class Damaged(Exception):
    """What a library said of a document that it cannot read."""


class Reader:
    """The process, as seen from the program. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._owner = os.getpid()
        self._read = 0

    def text(self, kind: str, file: BinaryIO, most: int, *, hurried: bool = False) -> tuple[str, bool]:
        """The text of FILE, a document of KIND, at most MOST characters, and whether that is all. HURRIED: somebody waits for a glimpse.

        Raises ToolError with the reader's own sentence, TooMuch for a document without end, and Damaged with what the library said.
        """
        with self._lock:
            if self._owner != os.getpid():  # a fork's child leaves its parent's alone
                self._process, self._socket, self._owner = None, None, os.getpid()
            seconds, patience = (HURRIED, 3.0 * HURRIED) if hurried else (SECONDS, PATIENCE)
            answer = self._asked(json.dumps([kind, most, seconds]).encode(), file, patience)
        if "refused" in answer:
            raise ToolError(str(answer["refused"]))
        if "damaged" in answer:
            raise Damaged(str(answer["damaged"]))
        return str(answer["text"]), bool(answer["complete"])

    def _asked(self, request: bytes, file: BinaryIO, patience: float) -> dict[str, Any]:
        for again in (True, False):
            fresh = self._socket is None
            if self._socket is None:
                self._socket = self._start()
            try:
                socket.send_fds(self._socket, [_SIZE.pack(len(request)) + request], [file.fileno()])
            except OSError:  # it was ended by somebody meanwhile
                self.close()
                if again and not fresh:
                    continue
                raise TooMuch("The process that reads documents cannot be reached.") from None
            try:
                answer = _received(self._socket, time.monotonic() + patience)
            except OSError:
                self.close()
                raise TooMuch(f"It takes too long, or more than {MEMORY >> 20:,} MiB, to read.") from None
            self._read += 1
            if self._read >= DOCUMENTS or answer.get("spent"):
                self.close()
            return answer
        raise AssertionError

    def _start(self) -> socket.socket:
        here, there = socket.socketpair()
        path = [folder for folder in sys.path if os.path.isabs(folder)]  # noqa: PTH117
        root = str(Path(__file__).parents[2])
        command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _BOOT, str(there.fileno()), root, *path]
        try:
            with there:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(there.fileno(),),
                    start_new_session=True,
                    env={"LANG": "C.UTF-8"},
                    cwd="/",
                )
        except OSError as error:
            here.close()
            raise TooMuch(f"No process to read it in could be started: {error.strerror or error}.") from None
        self._read = 0
        return here

    def close(self) -> None:
        """End the process; the next document starts another."""
        process, self._process = self._process, None
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.wait()


READER = Reader()
atexit.register(READER.close)


def _received(connection: socket.socket, deadline: float) -> dict[str, Any]:
    """The answer. Raises OSError at the deadline, and where the process ended or says something else."""
    data = b""
    length = _SIZE.size
    while len(data) < length:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        piece = connection.recv(min(length - len(data), 1 << 20))
        if not piece:
            raise ConnectionError("it ended")
        data += piece
        if len(data) == length == _SIZE.size:
            length += _SIZE.unpack(data)[0]
            if length > _LONGEST:
                raise ConnectionError("it says too much")
    try:
        answer = json.loads(data[_SIZE.size :])
    except ValueError:
        raise ConnectionError("it says nothing sensible") from None
    if not isinstance(answer, dict) or not answer.keys() & {"text", "refused", "damaged"}:
        raise ConnectionError("it says nothing sensible")
    return answer


# -- in the process --------------------------------------------------------------------------------


def main(fd: int) -> None:
    """Answer until the program lets go of the socket FD."""
    from wornpath.tools import readers

    _confine()
    with socket.socket(fileno=fd) as connection:
        while True:
            head, files, _, _ = socket.recv_fds(connection, _SIZE.size, 1)
            if not head or not files:
                return
            length = _SIZE.unpack(head)[0]
            kind, most, seconds = json.loads(connection.recv(length, socket.MSG_WAITALL))
            _allow(seconds)
            with os.fdopen(files[0], "rb") as file:
                file.seek(0)
                answer = _answer(readers.DOCUMENTS[kind], file, most)
            data = json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")
            connection.sendall(_SIZE.pack(len(data)) + data)


def _answer(pieces_of: Any, file: BinaryIO, most: int) -> dict[str, Any]:
    pieces, length = [], 0
    try:
        for piece in pieces_of(file):
            pieces.append(piece)
            length += len(piece)
            if length > most:
                return {"text": "".join(pieces)[:most], "complete": False}
    except ToolError as error:
        return {"refused": str(error)}
    except MemoryError:
        return {"refused": f"It takes more than {MEMORY >> 20:,} MiB to read.", "spent": True}
    except Exception as error:  # whatever a library raises on a damaged file
        return {"damaged": " ".join(str(error).split())[:120] or type(error).__name__}
    return {"text": "".join(pieces), "complete": True}


def _allow(seconds: int) -> None:
    """So much processor time more; then the process is ended."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _confine() -> None:
    """Give up all that reading needs not, as far as this system lets one."""
    import ctypes
    import resource

    from wornpath.sandbox import landlock, seccomp
    from wornpath.sandbox.quarters import readable

    for kind, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (value, value))
    version = 0
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        version = landlock.abi()
        if version > 0:
            folders = [*readable(), *sys.path, "/dev/null", "/dev/urandom"]
            landlock.restrict([(folder, landlock.READ & ~landlock.EXECUTE) for folder in folders])
    with contextlib.suppress(OSError, KeyError, AttributeError):
        owner = (os.geteuid(), os.getegid())
        program = seccomp.build(landlock_abi=max(version, 0), pid=os.getpid(), owner=owner, changes="refused")
        seccomp.install(program, listener=False)
