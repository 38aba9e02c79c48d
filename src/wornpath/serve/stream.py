"""Server-sent events as a response."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

STALLED_SECONDS = 120.0
"""A reader that takes nothing for so long is cut off; it can come back and read on."""


class Stream(Response):
    """FRAMES, sent as they come. It ends with them, with the client, or when the client takes nothing for a long time; CUT_OFF is
    awaited where it did not end by itself."""

    def __init__(self, frames: AsyncIterator[bytes], *, cut_off: Callable[[], Awaitable[None]] | None = None) -> None:
        self.frames, self.cut_off = frames, cut_off
        self.status_code, self.background = 200, None
        self.init_headers({"content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send(send))
        gone = asyncio.ensure_future(until_gone(receive))
        try:
            await asyncio.wait([sending, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            whole = sending.done() and not sending.cancelled() and sending.exception() is None
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
            if not whole and self.cut_off is not None:
                await self.cut_off()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with contextlib.aclosing(self.frames) as frames:  # type: ignore[type-var]
            async for data in frames:
                async with asyncio.timeout(STALLED_SECONDS):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def until_gone(receive: Receive) -> None:
    """Wait until the client closes the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
