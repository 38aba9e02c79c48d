"""The persistent Python kernel, from the host's side: cells go in and answers come out as JSON lines over two pipes of their own.

What cells print comes by a third pipe, which the host reads while it waits, so that output is there even when the process is not.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wornpath.core import SandboxUnavailable
from wornpath.sandbox.process import Supervised, in_thread
from wornpath.sandbox.protocol import CellResult, SandboxLimits
from wornpath.sandbox.quarters import Confinement, Quarters, python, user_packages
from wornpath.sandbox.text import HeadAndTail, clean

_READY_SECONDS = 60.0
_ANSWER_LIMIT = 1 << 20
_LIFETIME_CPU = 1000  # cells have their own allowance; this is the whole process's, in cells
_LOST = "The Python process was replaced: all variables and imports are gone."


class ProcessKernel:
    """A Python process in a sandbox, started at its first cell and replaced when it dies or takes too long. Cells run one at a time."""

    def __init__(
        self,
        *,
        workspace: Path,
        writable: bool,
        limits: SandboxLimits,
        confinement: Callable[[], Confinement],
        check: Callable[[], None],
        hosts: Sequence[str] = (),
    ) -> None:
        self._hosts = hosts
        self._workspace, self._writable, self._limits = workspace, writable, limits
        self._confinement, self._check = confinement, check
        self._session: _Session | None = None
        self._lock = threading.Lock()
        self._cells = 0
        self._closed = False

    async def run(self, code: str, *, timeout: float) -> CellResult:
        """Run CODE for at most TIMEOUT seconds. Raises SandboxUnavailable when no process can be started."""
        return await in_thread(lambda: self._run(code, timeout), self._kill)

    async def close(self) -> None:
        """End the process and all it started. A later cell starts a new one."""
        await in_thread(self._end, lambda: None)

    def _run(self, code: str, timeout: float) -> CellResult:
        with self._lock:
            if self._session is None:
                self._check()
                self._session = _Session(
                    self._workspace, self._writable, self._limits, self._confinement(), self._hosts
                )
            self._cells += 1
            began = time.monotonic()
            result = self._session.cell(code, self._cells, began + timeout)
            if result.timed_out or result.died:
                self._discard()
            return replace(result, seconds=time.monotonic() - began)

    def _kill(self) -> None:
        session = self._session
        if session is not None:
            session.process.kill()

    def _end(self) -> None:
        self._kill()
        with self._lock:
            self._discard()

    def _discard(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the interpreter anything may be gone
            self._discard()


class _Session:
    """One life of the process."""

    def __init__(
        self, workspace: Path, writable: bool, limits: SandboxLimits, confinement: Confinement, hosts: Sequence[str]
    ) -> None:
        self._limits, self._hosts = limits, hosts if confinement.on else ()
        self._quarters = Quarters.make()
        self._output = -1
        self._requests = self._answers = -1
        self._buffer = b""
        self._kept = HeadAndTail(limits.output_bytes)
        self._output_ended = False
        try:
            self.process = self._start(workspace, writable, confinement)
            self._hello()
        except BaseException:
            self.close()
            raise

    def _start(self, workspace: Path, writable: bool, confinement: Confinement) -> Supervised:
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        self._output, output = os.pipe()
        cpu = str(self._limits.cpu_seconds)
        site = self._quarters.site
        argv = [python(), "-I", "-B", "-X", "utf8", str(site / "runner.py"), str(requests), str(answers), str(site)]
        argv += [os.pathsep.join(user_packages()), cpu]
        try:
            limits = replace(self._limits, cpu_seconds=self._limits.cpu_seconds * _LIFETIME_CPU)
            orders: dict[str, Any] = self._quarters.orders(
                argv,
                self._quarters.environment(),
                workspace=workspace,
                writable=writable,
                limits=limits,
                confinement=confinement,
                proxied=bool(self._hosts),
            )
            orders["fds"] = [requests, answers]
            with open(os.devnull, "rb") as nothing:  # noqa: PTH123
                return Supervised(orders, stdin=nothing, stdout=output, stderr=output)
        finally:
            os.close(output)
            os.close(requests)
            os.close(answers)

    def _hello(self) -> None:
        self.process.started(self._hosts)
        if self._answer(time.monotonic() + _READY_SECONDS) is None:
            said = self._printed()[0].strip().splitlines()
            reason = said[-1] if said else "it did not answer"
            raise SandboxUnavailable(f"Python could not be started in the sandbox, so nothing was run: {reason}.")

    def cell(self, code: str, number: int, deadline: float) -> CellResult:
        request = json.dumps({"id": number, "cell": number, "code": code}).encode() + b"\n"
        answer: dict[str, Any] | None = None
        if self._send(request, deadline):
            answer = self._answer(deadline)
            while answer is not None and answer.get("id") != number:  # a forged or repeated line
                answer = self._answer(deadline)
        stdout, truncated = self._printed()
        if answer is not None:
            value, error = clean(str(answer.get("value", ""))), clean(str(answer.get("error", "")))
            return CellResult(stdout, value, error, truncated=truncated)
        if time.monotonic() >= deadline:
            return CellResult(
                stdout, error=f"Stopped: the time limit was reached. {_LOST}", timed_out=True, truncated=truncated
            )
        return CellResult(stdout, error=f"{self._how_it_died()} {_LOST}", died=True, truncated=truncated)

    def _how_it_died(self) -> str:
        code = self.process.exit_code(0.5)
        if code is None:  # it lives, but cannot be talked to
            self.process.kill()
            code = self.process.exit_code(5.0) or -signal.SIGKILL
        if self.process.excess:
            return f"The process was stopped: {self.process.excess}."
        if code == -signal.SIGXCPU:
            return f"The process used more than its {self._limits.cpu_seconds} seconds of processor time."
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"The process was ended by {signal.Signals(-code).name}."
        return f"The process ended with exit code {code}."

    def _send(self, data: bytes, deadline: float) -> bool:
        """Write a request; False when the process is gone or does not read."""
        view = memoryview(data)
        os.set_blocking(self._requests, False)
        while view:
            left = deadline - time.monotonic()
            if left <= 0 or self._gone():
                return False
            try:
                view = view[os.write(self._requests, view) :]
            except BlockingIOError:
                select.select([self.process], [self._requests], [], left)
            except OSError:
                return False
        return True

    def _gone(self) -> bool:
        return bool(select.select([self.process], [], [], 0)[0])

    def _answer(self, deadline: float) -> dict[str, Any] | None:
        """The next answer; None at the deadline, and when the process is gone or writes something else."""
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or len(self._buffer) > _ANSWER_LIMIT:
                return None
            sources: list[int | Supervised] = [
                self._answers,
                self.process,
                *([] if self._output_ended else [self._output]),
            ]
            ready, _, _ = select.select(sources, [], [], left)
            if self._output in ready:
                self._absorb()
            if self._answers in ready:
                piece = os.read(self._answers, 65536)
                if not piece:
                    return None
                self._buffer += piece
            elif self.process in ready:
                return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            return None
        return answer if isinstance(answer, dict) else None

    def _printed(self) -> tuple[str, bool]:
        """What was printed since the last time, and whether some of it had to be dropped."""
        self._absorb()
        kept, self._kept = self._kept, HeadAndTail(self._limits.output_bytes)
        return kept.text(), kept.dropped > 0

    def _absorb(self) -> None:
        """Read what is there; some megabytes at most, so that a thread that prints without end cannot hold this up."""
        for _ in range(64):
            if self._output_ended or not select.select([self._output], [], [], 0)[0]:
                return
            piece = os.read(self._output, 65536)
            self._kept.add(piece)
            self._output_ended = not piece

    def close(self) -> None:
        if hasattr(self, "process"):
            self.process.close()
        for fd in (self._requests, self._answers, self._output):
            if fd >= 0:
                os.close(fd)
        self._requests = self._answers = self._output = -1
        self._quarters.remove()
