"""The SDK's clients, one an event loop, base URL and key, shared by the chats that use it: a client of its own costs each agent 0.1 MiB
and the loading of all certificates."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wornpath.core import UsageError
from wornpath.llm.faults import TooLarge, setters_of

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI


@dataclass(slots=True)
class _Shared:
    client: AsyncOpenAI
    users: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)


_Key = tuple[str, str, float, int]
_shared: dict[asyncio.AbstractEventLoop, dict[_Key, _Shared]] = {}


def acquire(user: object, base_url: str, api_key: str, timeout: float, max_bytes: int) -> AsyncOpenAI:
    """The running loop's client for BASE_URL. USER counts as using it until `release`, or until it is gone."""
    loop = asyncio.get_running_loop()
    clients = _shared.get(loop)
    if clients is None:
        for old in [other for other in _shared if other.is_closed()]:
            del _shared[old]
        clients = _shared[loop] = {}
    key = (base_url, api_key, timeout, max_bytes)
    shared = clients.get(key)
    if shared is None:
        shared = clients[key] = _Shared(_make(base_url, api_key, timeout, max_bytes))
    shared.users.add(user)
    return shared.client


async def release(user: object) -> None:
    """USER is done with the running loop's clients; those that nobody uses are closed."""
    clients = _shared.get(asyncio.get_running_loop(), {})
    for key, shared in list(clients.items()):
        shared.users.discard(user)
        if not shared.users:
            del clients[key]
            await shared.client.close()


def shown(base_url: str) -> str:
    """BASE_URL without a user, password or query."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def local(base_url: str) -> bool:
    return urlsplit(base_url).hostname in ("localhost", "127.0.0.1", "::1")


def check_url(base_url: str) -> None:
    """Raises UsageError when BASE_URL is no address of an HTTP server."""
    try:
        parts = urlsplit(base_url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        place = setters_of(base_url).base_url
        raise UsageError(f"The base URL of the model endpoint is no http:// or https:// address; check {place}.")


def _make(base_url: str, api_key: str, timeout: float, max_bytes: int) -> AsyncOpenAI:
    import httpx2
    from openai import AsyncOpenAI

    class Limited(httpx2.AsyncByteStream):
        """A response's bytes, up to a limit."""

        def __init__(self, stream: Any) -> None:
            self._stream, self._left = stream, max_bytes

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in self._stream:
                self._left -= len(chunk)
                if self._left < 0:
                    raise TooLarge(f"of more than {max_bytes:,} bytes")
                yield chunk

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def limit(response: httpx2.Response) -> None:
        response.stream = Limited(response.stream)

    patience = httpx2.Timeout(timeout, connect=min(timeout, 15.0))
    http = httpx2.AsyncClient(
        timeout=patience,
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100),
        verify=base_url.startswith("https:"),  # certificates take 20 ms to load
        trust_env=not local(base_url),  # a proxy is not asked for what is on this machine
        event_hooks={"response": [limit]},
    )
    return AsyncOpenAI(
        base_url=base_url,
        api_key=api_key or "none",
        max_retries=0,
        timeout=patience,
        http_client=http,
        default_headers={"Accept-Encoding": "identity"},  # answers are small, and a packed one could unpack to any size
    )
