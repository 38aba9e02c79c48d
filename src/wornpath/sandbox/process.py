"""A supervised process tree, as the host sees it, and one whole run of a command."""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import os
import selectors
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from wornpath.core import SandboxUnavailable
from wornpath.sandbox.launch import BOOT
from wornpath.sandbox.protocol import ProcessResult
from wornpath.sandbox.quarters import python
from wornpath.sandbox.text import HeadAndTail

if TYPE_CHECKING:
    from wornpath.sandbox.proxy import Proxy

T = TypeVar("T")
_PACKAGE = str(Path(__file__).parents[1])
_EXIT_PATIENCE = 15.0  # the supervisor itself gives up killing after 10 s
_Stream = int | IO[bytes]


class Supervised:
    """The supervisor of one process tree. Letting go of it (`close`) ends the whole tree, whatever it has become."""

    def __init__(self, orders: Mapping[str, Any], *, stdin: _Stream, stdout: _Stream, stderr: _Stream) -> None:
        self._control, theirs = socket.socketpair()
        self._buffer = b""
        self.excess = ""
        self.proxy: Proxy | None = None
        command = [python(), "-I", "-S", "-c", BOOT, _PACKAGE, str(theirs.fileno())]
        try:
            with theirs:
                self.popen = subprocess.Popen(
                    command,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    pass_fds=(theirs.fileno(), *orders["fds"]),
                    start_new_session=True,
                    env={"LANG": "C.UTF-8"},
                    cwd="/",
                )
            data = marshal.dumps(dict(orders))
            self._control.sendall(struct.pack("I", len(data)) + data)
        except OSError as error:
            self._control.close()
            raise SandboxUnavailable(f"The sandbox could not be started: {error.strerror or error}.") from None

    def fileno(self) -> int:
        """For selectors: readable when `exit_code` would not wait."""
        return self._control.fileno()

    def started(self, hosts: Sequence[str] = ()) -> None:
        """Wait until the program runs, with a proxy to HOSTS if any are named. Raises SandboxUnavailable when it does not: nothing was
        run then."""
        if hosts:
            from wornpath.sandbox.proxy import Proxy

            self._control.settimeout(_EXIT_PATIENCE)
            with contextlib.suppress(OSError):
                first, fds, _, _ = socket.recv_fds(self._control, 1, 1)
                if fds:
                    self.proxy = Proxy(socket.socket(fileno=fds[0]), hosts)
                else:
                    self._buffer = first
        line = self._line(_EXIT_PATIENCE) or ""
        if line != "started":
            reason = line.removeprefix("error ") or "its supervisor ended without a word"
            self.close()
            raise SandboxUnavailable(f"The sandbox could not be set up, so nothing was run: {reason}.")

    def exit_code(self, timeout: float) -> int | None:
        """How the program ended, or None when it still runs after TIMEOUT seconds."""
        line = self._line(timeout)
        if line is None:
            return None
        if not line.startswith("exit "):
            return -9
        code, _, self.excess = line.removeprefix("exit ").partition(" ")
        return int(code)

    def kill(self) -> None:
        """End the tree. Callable from any thread; `exit_code` then tells."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the tree and wait until nothing of it is left."""
        self.kill()
        if self.proxy is not None:
            self.proxy.close()
        try:
            self.popen.wait(_EXIT_PATIENCE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()
        self._control.close()

    def _line(self, timeout: float) -> str | None:
        """The supervisor's next line; None when there is none in time, empty when it is gone."""
        deadline = time.monotonic() + timeout
        while not self._buffer.endswith(b"\n"):
            self._control.settimeout(max(deadline - time.monotonic(), 0.0001))
            try:
                piece = self._control.recv(1)  # no more than the line: `fileno` must stay readable for the next
            except TimeoutError:
                return None
            except OSError:
                return ""
            if not piece:
                return ""
            self._buffer += piece
        line, self._buffer = self._buffer[:-1], b""
        return line.decode("utf-8", "replace")


class CommandRun:
    """One command, from its start to the end of all its processes."""

    def __init__(
        self,
        orders: Mapping[str, Any],
        *,
        wall_seconds: float,
        output_bytes: int,
        stdin: str,
        hosts: Sequence[str] = (),
    ) -> None:
        self._orders, self._wall, self._cap, self._stdin = orders, wall_seconds, output_bytes, stdin
        self._hosts = hosts if orders["proxied"] else ()
        self._process: Supervised | None = None
        self._cancelled = False
        self._lock = threading.Lock()

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._process is not None:
                self._process.kill()

    def __call__(self) -> ProcessResult:
        began = time.monotonic()
        process = Supervised(self._orders, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with self._lock:
            self._process = process
            if self._cancelled:
                process.kill()
        try:
            process.started(self._hosts)
            return self._attend(process, began)
        finally:
            process.close()
            for stream in (process.popen.stdin, process.popen.stdout, process.popen.stderr):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()

    def _attend(self, process: Supervised, began: float) -> ProcessResult:
        out, err = HeadAndTail(self._cap), HeadAndTail(self._cap)
        popen = process.popen
        assert popen.stdin is not None and popen.stdout is not None and popen.stderr is not None
        pending = memoryview(self._stdin.encode("utf-8", "replace"))
        timed_out = False
        code: int | None = None
        with selectors.DefaultSelector() as selector:
            for stream, keep in ((popen.stdout, out), (popen.stderr, err)):
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ, keep)
            os.set_blocking(popen.stdin.fileno(), False)
            selector.register(popen.stdin, selectors.EVENT_WRITE)
            selector.register(process, selectors.EVENT_READ)
            while code is None:
                left = began + self._wall - time.monotonic()
                if left <= 0 and not timed_out:
                    timed_out = True
                    process.kill()
                for key, _ in selector.select(_EXIT_PATIENCE if timed_out else max(left, 0)):
                    if key.fileobj is process:
                        code = process.exit_code(_EXIT_PATIENCE)
                        code = -9 if code is None else code
                    elif key.fileobj is popen.stdin:
                        pending = _feed(selector, popen.stdin, pending)
                    elif not _drain(key.fd, key.data):
                        selector.unregister(key.fileobj)
            for stream, keep in ((popen.stdout, out), (popen.stderr, err)):
                while _drain(stream.fileno(), keep, once=True):
                    pass
        texts = out.text(), err.text()
        dropped = bool(out.dropped or err.dropped)
        seconds = time.monotonic() - began
        return ProcessResult(code, *texts, timed_out, truncated=dropped, seconds=seconds, excess=process.excess)


def _feed(selector: selectors.BaseSelector, stdin: IO[bytes], pending: memoryview) -> memoryview:
    try:
        pending = pending[os.write(stdin.fileno(), pending[:65536]) :] if pending else pending
    except BlockingIOError:
        return pending
    except OSError:  # the program does not want it
        pending = pending[:0]
    if not pending:
        selector.unregister(stdin)
        stdin.close()
    return pending


def _drain(fd: int, keep: HeadAndTail, once: bool = False) -> bool:
    """Read what is there; False at the end of the stream, and with ONCE also when nothing is there now."""
    try:
        data = os.read(fd, 65536)
    except BlockingIOError:
        return not once
    except OSError:
        return False
    keep.add(data)
    return bool(data)


async def in_thread(work: Callable[[], T], cancel: Callable[[], None]) -> T:
    """Run WORK in a thread of its own (the loop's pool is small, and a run may be long). When the caller is cancelled, CANCEL makes WORK
    end, and the thread is waited for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def body() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as caught:
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=body, name="wornpath-sandbox", daemon=True).start()
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        cancel()
        await asyncio.wait([future], timeout=_EXIT_PATIENCE)
        if future.done() and not future.cancelled():
            future.exception()  # seen
        raise
