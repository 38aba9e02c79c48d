"""An event loop in a thread of its own, so that asynchronous work can be waited for from anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """An event loop in a thread of its own, for the synchronous methods."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_run_loop, args=(self._loop,), name="wornpath", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self, *, wait: bool = True) -> None:
        with contextlib.suppress(RuntimeError):  # closed already, at the end of the interpreter
            self._loop.call_soon_threadsafe(self._loop.stop)
        if wait:
            self._thread.join(5)


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


async def to_the_end(work: Coroutine[Any, Any, Any]) -> asyncio.CancelledError | None:
    """Await WORK though this is cancelled meanwhile; returns the cancellation, to be raised when what comes after is done, too.

    Cancelled a second time, it waits no longer.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError as late:
        await asyncio.shield(task)
        return late
    return None
