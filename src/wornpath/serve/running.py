"""Running the server: the address, the token, one server a store, and an end that checkpoints the runs."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from wornpath.core import StoreError, UsageError
from wornpath.serve.access import LOOPBACK, Access
from wornpath.serve.app import create_app
from wornpath.serve.service import Service
from wornpath.store.database import private_folder


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens: a bound SOCKET, and the URL to reach it by from this machine."""

    socket: socket.socket
    host: str
    port: int

    @property
    def url(self) -> str:
        name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(
            self.host, f"[{self.host}]" if ":" in self.host else self.host
        )
        return f"http://{name}:{self.port}"


def bind(host: str, port: int) -> Address:
    """A listening socket; PORT 0 takes a free one. Raises UsageError."""
    try:
        family, kind, proto, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageError(
            f"There is no address {host!r} to listen at ({error.strerror}); give another --host."
        ) from None
    bound = socket.socket(family, kind, proto)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"{host} is no address of this machine; give another --host.") from None
        raise UsageError(f"{host}:{port} cannot be listened at ({error.strerror}); give another --port.") from None
    return Address(bound, host, bound.getsockname()[1])


def access_for(address: Address, token: str | None, allow_hosts: tuple[str, ...] = ()) -> Access:
    """Who may come in at ADDRESS. Raises UsageError where no token is asked for beyond this machine."""
    local = address.host in LOOPBACK
    if token is None and not local:
        address.socket.close()
        raise UsageError(
            f"--no-token is for this machine only; {address.host} can be reached from others. Leave one of them out."
        )
    names = {*LOOPBACK, address.host, *(name.lower() for name in allow_hosts)}
    if not local:
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return Access(token, frozenset(names), not local, f"wornpath-{address.port}")


def kept_token(root: Path, *, new: bool = False) -> str:
    """The store's token, made at first use; it stays the same, so that open pages find a server that started anew. Raises StoreError."""
    file = _folder(root) / "token"
    with contextlib.suppress(FileNotFoundError):
        found = file.read_text(encoding="ascii", errors="replace").strip()
        if len(found) >= 20 and not new:
            return found
    token = secrets.token_urlsafe(24)
    part = file.with_suffix(".new")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(f"{token}\n")
        part.replace(file)
    except OSError as error:
        raise _unwritable(file.parent, error) from None
    return token


def workspaces_folder(folder: Path) -> Path:
    """FOLDER for the workspaces of runs, made where only it is missing. Raises UsageError where nothing can be written in it."""
    advice = "name another with --workspaces."
    try:
        if not folder.is_dir():
            folder.mkdir(0o700)
    except FileExistsError:
        raise UsageError(f"{folder} is a file, no folder of workspaces; {advice}") from None
    except OSError as error:
        raise UsageError(f"The folder of workspaces {folder} cannot be made: {error.strerror}; {advice}") from None
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise UsageError(f"The folder of workspaces {folder} cannot be written; make it writable, or {advice}")
    return folder


@contextlib.contextmanager
def only_server(root: Path, url: str) -> Iterator[None]:
    """Be the one server that goes on with the runs of the store at ROOT. Raises UsageError where there is one already, and StoreError."""
    file = _folder(root) / "server.json"
    try:
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(file.parent, error) from None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"A server of this store is running already{_where(file)}; use that one, or stop it first."
            ) from None
        try:
            os.ftruncate(fd, 0)
            os.write(fd, json.dumps({"url": url, "pid": os.getpid()}).encode())
        except OSError as error:
            raise _unwritable(file.parent, error) from None
        yield
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def _where(file: Path) -> str:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return f" at {known['url']}, process {known['pid']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _folder(root: Path) -> Path:
    try:
        return private_folder(root / "serve")
    except OSError as error:
        raise _unwritable(root / "serve", error) from None


def _unwritable(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"The server cannot write in {folder}: {error.strerror}; free some space or make it writable, or name another folder with "
        "WORNPATH_HOME."
    )


class Server(uvicorn.Server):
    """uvicorn's, but the runs are checkpointed and the streams ended before it waits for connections to close."""

    def __init__(self, config: uvicorn.Config, service: Service, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._service, self._ready = service, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        stopping = asyncio.ensure_future(self._service.stop())
        while not stopping.done() and not self.force_exit:  # a second Ctrl-C does not wait for the actions in hand
            await asyncio.wait([stopping], timeout=0.1)
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, without raising the signal again: a server that was asked to stop has done its work."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def make_server(service: Service, address: Address, access: Access, ready: Callable[[], None]) -> Server:
    config = uvicorn.Config(
        create_app(service, access),
        http="h11",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=30,
        backlog=512,
    )
    return Server(config, service, ready)


def serve(service: Service, address: Address, access: Access, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGINT or SIGTERM. READY is called when requests are answered."""
    make_server(service, address, access, ready).run(sockets=[address.socket])


def info_of(root: Path) -> dict[str, Any] | None:
    """The running server of the store at ROOT: `url` and `pid`; None where there is none."""
    try:
        known = json.loads((root / "serve" / "server.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) and known.get("url") else None
