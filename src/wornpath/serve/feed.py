"""The one stream: all events of the store in order, and the passing news (text being written, the queue), to any number of readers.

A reader is a place in a ring of the latest frames, and nothing else: one that falls behind is read to from the store, so slow readers cost
no memory. Events of this process are looked for at once, those of others four times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wornpath.core import StoreError
from wornpath.store.protocol import Store

POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 15.0
RING_FRAMES, RING_BYTES = 4096, 16 << 20
BATCH_BYTES = 128 << 10
_PAGE = 64

Watcher = Callable[[int, str, str, str], None]
"""Told of every event: seq, run id, type, JSON."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is sent: the bytes, whose run it is about, and the event's place; 0 for passing news."""

    seq: int
    run_id: str
    data: bytes


class Feed:
    """Reads STORE and keeps the ring. All methods are for the server's event loop, but `wake` and `news`, which any thread may call."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._frames: list[Frame] = []
        self._base = 0  # the number of the first frame in the ring
        self._bytes = 0
        self._floor = self._head = 0  # all events after _floor, up to _head, are in the ring
        self._changed = asyncio.Event()
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self.closed = False
        self.turn = 0
        self.watchers: list[Watcher] = []
        self.readers = 0

    @property
    def head(self) -> int:
        """The place of the newest event that was seen."""
        return self._head

    def start(self) -> None:
        """Begin at the store's end."""
        self._loop = asyncio.get_running_loop()
        self._floor = self._head = self._store.last_seq()
        self._task = asyncio.create_task(self._follow(), name="feed")

    async def close(self) -> None:
        """End all readers' streams, with what there is left to tell."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            with contextlib.suppress(StoreError):
                self._take()
        self.closed = True
        self._tell()

    def wake(self) -> None:
        """Something was committed in this process."""
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                self._loop.call_soon_threadsafe(self._woken.set)

    def news(self, kind: str, run_id: str, data: Mapping[str, Any]) -> None:
        """Passing news of KIND, which is not stored and which a reader that is behind does not get."""
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
        frame = Frame(0, run_id, b"event: %b\ndata: %b\n\n" % (kind.encode(), text))
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._push_news, frame)

    async def frames(self, run_id: str | None = None, after: int | None = None) -> AsyncIterator[bytes]:
        """What a reader gets: the events with `seq` > AFTER (default: from now on), of one run or of all, batch by batch; heartbeats."""
        seq = self._head if after is None else max(0, after)
        yield b"retry: 1000\n\n"
        self.readers += 1
        try:
            at: int | None = None
            while True:
                if at is None or at < self._base:
                    if seq < self._floor:
                        data, seq = await asyncio.to_thread(self._from_store, run_id, seq)
                        at = None
                        if data:
                            yield data
                        continue
                    at = self._place_of(seq)
                at, seq, data = self._batch(at, seq, run_id)
                if data:
                    yield data
                elif self.closed:
                    return
                elif at == self._base + len(self._frames) and not await self._frame_within(HEARTBEAT_SECONDS):
                    yield b": still here\n\n"
        finally:
            self.readers -= 1

    # -- the ring ----------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(StoreError):  # locked for a moment by another process: the next look finds it
                self._take()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._woken.wait()
            self._woken.clear()

    def _take(self) -> None:
        """All new events into the ring."""
        while rows := self._store.event_texts(after=self._head, limit=_PAGE):
            self._push([Frame(seq, run, event_frame(seq, text)) for seq, run, _, text in rows])
            for row in rows:
                self._tell_watchers(*row)

    def _tell_watchers(self, *row: Any) -> None:
        for watcher in self.watchers:
            try:
                watcher(*row)
            except Exception:  # an odd event must not end the stream for all
                logging.getLogger("wornpath").exception("Event %s was not understood", row[0])

    def _push(self, frames: list[Frame]) -> None:
        self._frames += frames
        self._bytes += sum(len(frame.data) for frame in frames)
        self._head = max(self._head, frames[-1].seq)
        if len(self._frames) > RING_FRAMES or self._bytes > RING_BYTES:
            self._shrink()
        self._tell()

    def _push_news(self, frame: Frame) -> None:
        """News into the ring, after what was committed before them: text that is being written comes after the step it is written for."""
        with contextlib.suppress(StoreError):
            self._take()
        self._push([frame])

    def _shrink(self) -> None:
        """Drop the older half, so that dropping costs next to nothing a frame."""
        drop = 0
        while drop < len(self._frames) and (
            len(self._frames) - drop > RING_FRAMES // 2 or self._bytes > RING_BYTES // 2
        ):
            self._bytes -= len(self._frames[drop].data)
            self._floor = max(self._floor, self._frames[drop].seq)
            drop += 1
        del self._frames[:drop]
        self._base += drop

    def _tell(self) -> None:
        """Wake the readers that wait; whoever comes later waits for the next news."""
        self.turn += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def _frame_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def news_since(self, turn: int, seconds: float, over: asyncio.Future[None]) -> bool:
        """Wait until more than at TURN was told, or OVER ends; False when neither came within so many SECONDS."""
        if self.turn != turn:
            return True
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            waiting: list[asyncio.Future[Any]] = [changed, over]
            done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        return bool(done)

    def _place_of(self, seq: int) -> int:
        """The place in the ring after event SEQ."""
        index = len(self._frames)
        while index > 0 and not 0 < self._frames[index - 1].seq <= seq:
            index -= 1
        return self._base + index

    def _batch(self, at: int, seq: int, run_id: str | None) -> tuple[int, int, bytes]:
        """The next frames from place AT on that a reader of RUN_ID wants, up to a size."""
        wanted, size = [], 0
        for frame in self._frames[at - self._base : at - self._base + RING_FRAMES]:
            at += 1
            if 0 < frame.seq <= seq:
                continue  # the reader is ahead of the ring: it read the store, or came back from another server
            seq = max(seq, frame.seq)
            if run_id is None or frame.run_id == run_id:
                wanted.append(frame.data)
                size += len(frame.data)
                if size >= BATCH_BYTES:
                    break
        return at, seq, b"".join(wanted)

    def _from_store(self, run_id: str | None, seq: int) -> tuple[bytes, int]:
        """A page of events after SEQ, and the place reached: everything up to it was in the store before the page was read."""
        known = self._head
        rows = self._store.event_texts(run_id, after=seq, limit=_PAGE)
        reached = rows[-1][0] if len(rows) == _PAGE else max(known, rows[-1][0] if rows else 0)
        return b"".join(event_frame(number, text) for number, _, _, text in rows), reached


def event_frame(seq: int, text: str) -> bytes:
    """An event as it is sent."""
    return b"id: %d\nevent: event\ndata: %b\n\n" % (seq, text.encode("utf-8", "backslashreplace"))
