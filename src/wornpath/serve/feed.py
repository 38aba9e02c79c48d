"""The one stream: all events of the store in order, and the passing news (text being written, the queue), to any number of readers.

A reader is a place in a ring of the latest frames, and nothing else: one that falls behind is read to from the store, so slow readers cost
no memory. Events of this process are looked for at once, or together with others that come within a moment; those of other processes
four times a second. A frame is encoded once, and readers at the same place are sent the same bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wornpath.core import StoreError
from wornpath.store.protocol import Store

POLL_SECONDS = 0.25
GATHER_SECONDS = 0.00025
"""For each reader of everything: what comes so soon after something was sent waits for more. Many small sends to many readers cost most."""
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


@dataclass(frozen=True, slots=True)
class Piece:
    """TEXT that the model wrote after event AFTER of its run."""

    after: int
    purpose: str
    text: str


class Feed:
    """Reads STORE and keeps the ring. All methods are for the server's event loop, but `wake` and `news`, which any thread may call."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._frames: list[Frame] = []
        self._base = 0  # the number of the first frame in the ring
        self._bytes = 0
        self._floor = self._head = 0  # all events after _floor, up to _head, are in the ring
        self._waiting: dict[str | None, asyncio.Event] = {}  # readers of one run, or of all, that have everything
        self._texts: dict[str, list[Piece]] = {}
        self._hearing = threading.Lock()
        self._batch_key: tuple[int, int, int, str | None] | None = None
        self._batch_made: tuple[int, int, bytes] = (0, 0, b"")
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self.closed = False
        self.turn = 0
        self.watchers: list[Watcher] = []
        self._everything = 0
        """Readers of all runs."""

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
                self._gather()
        self.closed = True
        self._tell(set(self._waiting))

    def wake(self) -> None:
        """Something was committed in this process."""
        self._soon(self._woken.set)

    def news(self, kind: str, run_id: str, tell: Callable[[], Mapping[str, Any] | None]) -> None:
        """Passing news of KIND, which is not stored and which a reader that is behind does not get. TELL is asked for it when all that was
        committed before is on its way, so that it is not older than that; None is no news."""
        self._soon(self._push_news, kind, run_id, tell)

    def text(self, run_id: str, purpose: str, text: str, after: int = 0) -> None:
        """A piece of what the model is writing for a run whose last event was AFTER; passing news, between that one and the next."""
        with self._hearing:  # at once, so that it is there before the event that ends it is
            pieces = self._texts.setdefault(run_id, [])
            if pieces and (pieces[-1].after, pieces[-1].purpose) == (after, purpose):
                text = pieces.pop().text + text
            pieces.append(Piece(after, purpose, text))
        self.wake()

    def _soon(self, work: Callable[..., Any], *given: Any) -> None:
        """Have WORK done by the server's loop, if that is there."""
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                self._loop.call_soon_threadsafe(work, *given)

    async def frames(self, run_id: str | None = None, after: int | None = None) -> AsyncIterator[bytes]:
        """What a reader gets: the events with `seq` > AFTER (default: from now on), of one run or of all, batch by batch; heartbeats."""
        seq = self._head if after is None else max(0, after)
        yield b"retry: 1000\n\n"
        self._everything += run_id is None
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
                elif at == self._base + len(self._frames) and not await self._frame_within(HEARTBEAT_SECONDS, run_id):
                    yield b": still here\n\n"
        finally:
            self._everything -= run_id is None

    # -- the ring ----------------------------------------------------------------------------------

    async def _follow(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            with contextlib.suppress(StoreError):  # locked for a moment by another process: the next look finds it
                self._gather()
            soonest = clock() + GATHER_SECONDS * self._everything
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._woken.wait()
            await asyncio.sleep(max(0.0, soonest - clock()))
            self._woken.clear()

    def _gather(self) -> None:
        """All new events, and all text that was heard, into the ring."""
        self._take()
        if left := [frame for run_id in list(self._texts) for frame in self._heard(run_id)]:
            self._push(left)

    def _take(self) -> None:
        """All new events into the ring, and the text that came before them."""
        while rows := self._store.event_texts(after=self._head, limit=_PAGE):
            frames: list[Frame] = []
            for seq, run, _, text in rows:
                frames += self._heard(run, before=seq)
                frames.append(Frame(seq, run, event_frame(seq, text)))
            self._push(frames)
            for row in rows:
                self._tell_watchers(*row)

    def _heard(self, run_id: str, before: int | None = None) -> list[Frame]:
        """The text of a run that is still to be sent; that which came BEFORE an event."""
        if run_id not in self._texts:
            return []
        with self._hearing:
            pieces = self._texts.pop(run_id)
            now = [one for one in pieces if before is None or one.after < before]
            if len(now) < len(pieces):
                self._texts[run_id] = pieces[len(now) :]
        return [
            Frame(0, run_id, news_frame("text", {"run_id": run_id, "purpose": one.purpose, "text": one.text}))
            for one in now
        ]

    def _tell_watchers(self, *row: Any) -> None:
        for watcher in self.watchers:
            try:
                watcher(*row)
            except Exception:  # an odd event must not end the stream for all
                logging.getLogger("wornpath").exception("Event %s was not understood", row[0])

    def _push(self, frames: list[Frame]) -> None:
        self._frames += frames
        self._head = max(self._head, *(frame.seq for frame in frames))
        self._bytes += sum(len(frame.data) for frame in frames)
        if len(self._frames) > RING_FRAMES or self._bytes > RING_BYTES:
            self._shrink()
        self._tell({frame.run_id for frame in frames})

    def _push_news(self, kind: str, run_id: str, tell: Callable[[], Mapping[str, Any] | None]) -> None:
        """News into the ring, after what was committed before them."""
        with contextlib.suppress(StoreError):
            self._take()
            if (data := tell()) is not None:
                self._push([Frame(0, run_id, news_frame(kind, data))])

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

    def _tell(self, runs: set[Any]) -> None:
        """Wake the readers that wait for news of RUNS, or of any; whoever comes later waits for the next news."""
        self.turn += 1
        for key in (*runs, None):
            if (waiting := self._waiting.pop(key, None)) is not None:
                waiting.set()

    def _news_of(self, run_id: str | None) -> asyncio.Event:
        """What is set at the next news of that run, or of any."""
        return self._waiting.setdefault(run_id, asyncio.Event())

    async def _frame_within(self, seconds: float, run_id: str | None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._news_of(run_id).wait()
        except TimeoutError:
            return False
        return True

    async def news_since(self, turn: int, seconds: float, over: asyncio.Future[None]) -> bool:
        """Wait until more than at TURN was told, or OVER ends; False when neither came within so many SECONDS."""
        if self.turn != turn:
            return True
        changed = asyncio.ensure_future(self._news_of(None).wait())
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
        """The next frames from place AT on that a reader of RUN_ID wants, up to a size; the next reader there gets the same bytes."""
        key = (at, seq, self._base + len(self._frames), run_id)
        if key == self._batch_key:
            return self._batch_made
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
        self._batch_key, self._batch_made = key, (at, seq, b"".join(wanted))
        return self._batch_made

    def _from_store(self, run_id: str | None, seq: int) -> tuple[bytes, int]:
        """A page of events after SEQ, and the place reached: everything up to it was in the store before the page was read."""
        known = self._head
        rows = self._store.event_texts(run_id, after=seq, limit=_PAGE)
        reached = rows[-1][0] if len(rows) == _PAGE else max(known, rows[-1][0] if rows else 0)
        return b"".join(event_frame(number, text) for number, _, _, text in rows), reached


def event_frame(seq: int, text: str) -> bytes:
    """An event as it is sent."""
    return b"id: %d\nevent: event\ndata: %b\n\n" % (seq, text.encode("utf-8", "backslashreplace"))


def news_frame(kind: str, data: Mapping[str, Any]) -> bytes:
    """What passes by, as it is sent."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), text)
