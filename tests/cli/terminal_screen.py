"""A pseudo-terminal with `wornpath` in it: what it shows is collected, what a person types is sent."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    def __init__(self, arguments: list[str], *, env: dict[str, str], cwd: Path, columns: int = 100) -> None:
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wornpath", *arguments],
            env={**env, "TERM": "xterm-256color"},
            cwd=cwd,
            preexec_fn=lambda: (os.login_tty(slave), signal.signal(signal.SIGINT, signal.SIG_DFL)),
            close_fds=True,
            pass_fds=(slave,),
        )
        os.close(slave)
        self.output = b""
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                data = b""
            with self._changed:
                self.output += data
                self._ended = not data
                self._changed.notify_all()
            if not data:
                return

    @property
    def shown(self) -> str:
        """All that was written, without the codes that move and colour."""
        return _CODES.sub("", self.output.decode("utf-8", "replace"))

    def wait_for(self, text: str, timeout: float = 90) -> None:
        with self._changed:
            self._changed.wait_for(lambda: text in self.shown or self._ended, timeout)
            assert text in self.shown, f"never saw {text!r} in:\n{self.shown}"

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def end(self, timeout: float = 90) -> int:
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not end:\n{self.shown}") from None
        self._reader.join(5)
        os.close(self.master)
        return code
