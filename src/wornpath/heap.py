"""Giving memory back: what the C library keeps free between pieces in use would let a process that runs for weeks grow."""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from typing import Any

EVERY = 50
"""Runs of a process between two times that free memory is given back to the system; once takes a few milliseconds."""

_lock = threading.Lock()
_runs = 0


def run_ended() -> None:
    """Count a run that ended in this process, and give memory back now and then."""
    global _runs
    with _lock:
        _runs += 1
        due = _runs % EVERY == 0
    if due and (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    """The C library's function for it; None where it has none, as on musl."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
