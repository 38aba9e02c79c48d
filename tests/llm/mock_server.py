"""A Chat Completions server on the loopback, with programmable faults and next to no latency.

Hand-written on asyncio's protocols, so that benchmarks measure the client and not the server:

    async with MockServer(lambda body: "hello") as server:
        OpenAIChat(base_url=server.base_url, ...)

`server.plan(Reply(status=429), ...)` answers the next requests in order; after them comes `answer`. `server.requests` has the bodies seen.
`with MockServer().in_thread() as server` runs it in a thread with a loop of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Reply:
    """One response. `hang` never answers; `cut` closes the connection after that many bytes of the response."""

    texts: tuple[str, ...] = ("ok",)
    status: int = 200
    body: bytes | Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    cut: int | None = None
    finish_reason: str = "stop"
    usage: Mapping[str, Any] | None = field(
        default_factory=lambda: {
            "prompt_tokens": 20,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 4},
        }
    )
    logprob: float | None = None


def refusal(message: str, param: str | None = None, status: int = 400, code: str | None = None) -> Reply:
    """An error as OpenAI words them."""
    return Reply(
        status=status,
        body={"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}},
    )


class MockServer:
    def __init__(
        self, answer: Callable[[dict[str, Any]], str | Reply] | None = None, *, models: tuple[str, ...] = ("mock",)
    ):
        self.answer = answer or (lambda body: "ok")
        self.models = models
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.cancelled = 0
        self.record = True
        self._plan: deque[Reply] = deque()
        self._server: asyncio.Server | None = None
        self.connections: set[_Connection] = set()
        self.base_url = ""

    def plan(self, *replies: Reply) -> None:
        self._plan.extend(replies)

    async def __aenter__(self) -> MockServer:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self.connections):
            connection.transport.abort()
        await self._server.wait_closed()

    @contextlib.contextmanager
    def in_thread(self) -> Iterator[MockServer]:
        ready, done = threading.Event(), asyncio.Event()
        loop = asyncio.new_event_loop()

        async def serve() -> None:
            async with self:
                ready.set()
                await done.wait()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
        thread.start()
        ready.wait()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(done.set)
            thread.join()
            loop.close()

    def respond(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> Reply | bytes:
        if self.record:
            self.paths.append(path)
            self.headers.append(headers)
        if method == "GET" and path.endswith("/models"):
            return _http(200, json.dumps({"data": [{"id": name} for name in self.models]}).encode())
        form = headers.get("content-type", "").startswith("multipart/")
        body = {"form": raw} if form else json.loads(raw)
        if self.record:
            self.requests.append(body)
        reply: str | Reply = self._plan.popleft() if self._plan else self.answer(body)
        if isinstance(reply, str):
            reply = Reply(texts=(reply,))
        if reply.hang:
            return reply
        if reply.status != 200 or reply.body is not None:
            payload = (
                reply.body
                if isinstance(reply.body, bytes)
                else json.dumps(reply.body or {"error": {"message": "fault"}}).encode()
            )
            out = _http(reply.status, payload, reply.headers)
        elif body.get("stream"):
            out = _http(200, _stream(reply), {"content-type": "text/event-stream", **reply.headers})
        else:
            out = _http(200, json.dumps(_completion(reply, body.get("n", 1))).encode(), reply.headers)
        return out if reply.cut is None else out[: reply.cut]


def _completion(reply: Reply, n: int) -> dict[str, Any]:
    texts = [reply.texts[i % len(reply.texts)] for i in range(n)]
    logprobs = None if reply.logprob is None else {"content": [{"token": "x", "logprob": reply.logprob}] * 3}
    choices = [
        {
            "index": i,
            "message": {"role": "assistant", "content": t},
            "finish_reason": reply.finish_reason,
            "logprobs": logprobs,
        }
        for i, t in enumerate(texts)
    ]
    return {"id": "c", "object": "chat.completion", "model": "mock", "choices": choices, "usage": reply.usage}


def _stream(reply: Reply) -> bytes:
    text = reply.texts[0]
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": text[i : i + 3]}, "finish_reason": None}]}
        for i in range(0, len(text), 3)
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish_reason}]})
    if reply.usage is not None:
        chunks.append({"choices": [], "usage": reply.usage})
    return b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks) + b"data: [DONE]\n\n"


def _http(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    lines = {"content-type": "application/json", **(headers or {}), "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, server: MockServer) -> None:
        self.server = server
        self.buffer = b""
        self.hanging = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)
        if self.hanging:
            self.server.cancelled += 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            start, *rest = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in rest)}
            length = int(headers.get("content-length", 0))
            if len(self.buffer) < end + 4 + length:
                return
            raw, self.buffer = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
            method, path, _ = start.split(" ")
            out = self.server.respond(method, path, headers, raw)
            if isinstance(out, Reply):
                self.hanging = True
                return
            self.transport.write(out)
            if int(out.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]) > len(out.split(b"\r\n\r\n", 1)[1]):
                self.transport.close()
