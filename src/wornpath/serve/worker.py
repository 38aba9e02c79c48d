"""The thread with an event loop in which all runs work, so that what an agent computes never keeps a reader of the page waiting."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any


class Work:
    """Something going on in the worker. `done` ends when it has really ended, after `cancel` with None."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any]) -> None:
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None
        self.done: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.done.set_running_or_notify_cancel()  # those who wait may give up; the work goes on until it is cancelled
        loop.call_soon_threadsafe(self._begin, work)

    def cancel(self) -> None:
        """Cancel it, once. Any thread may call this."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._cancel)

    def _begin(self, work: Coroutine[Any, Any, Any]) -> None:
        self._task = self._loop.create_task(work)
        self._task.add_done_callback(self._ended)

    def _cancel(self) -> None:
        if self._task is not None and not self._task.cancelling():
            self._task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self.done.set_result(None)
        elif (error := task.exception()) is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(task.result())


class Worker:
    """The thread. `start` begins work there; `close` ends it, cancelling what is left."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="wornpath-runs", daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, Any]) -> Work:
        return Work(self._loop, work)

    async def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of WORK, awaited from another loop; cancelling the wait cancels the work."""
        begun = self.start(work)
        try:
            return await asyncio.wrap_future(begun.done)
        except asyncio.CancelledError:
            begun.cancel()
            raise

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(_end_all())
        finally:
            self._loop.close()


async def _end_all() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()  # what a cancelled run left in a thread has ended, too, when the server has
