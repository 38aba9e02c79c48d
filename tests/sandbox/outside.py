"""What tests of the sandbox see from outside: process numbers from inside mean nothing where there is a namespace of processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from wornpath.sandbox import BubblewrapSandbox, LandlockSandbox
from wornpath.sandbox.protocol import Sandbox


def layer(sandbox: Sandbox) -> object:
    return pytest.param(
        sandbox, id=sandbox.name, marks=pytest.mark.skipif(sandbox.missing() is not None, reason=str(sandbox.missing()))
    )


LAYERS = [layer(BubblewrapSandbox()), layer(LandlockSandbox())]


def living(mark: str) -> list[int]:
    """The processes whose command line holds MARK, this one left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if mark.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def gone(mark: str, seconds: float = 10) -> bool:
    """Whether all of them end, waiting for it a little."""
    deadline = time.monotonic() + seconds
    while living(mark) and time.monotonic() < deadline:
        pass
    return not living(mark)


def begun(mark: str, seconds: float = 10) -> bool:
    """Whether there is one, waiting for it a little: a program that was just started has no command line for a moment."""
    deadline = time.monotonic() + seconds
    while not living(mark) and time.monotonic() < deadline:
        pass
    return bool(living(mark))
