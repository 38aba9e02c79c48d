"""The only way out for a program in the sandbox that may use the network: an HTTP proxy on the host that lets named hosts through.

The supervisor makes the listening socket where the program can reach it (in bubblewrap that is a network with nothing else in it) and hands
it to this process. Names are resolved here, and what they lead to is checked and used: an address that is not public is refused unless the
list names that host by its exact name, so a public name cannot be turned into a way to a service of the house.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import select
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from wornpath.core import UsageError

_HEAD_LIMIT, _PIECE, _PATIENCE, _AT_ONCE = 32_768, 65_536, 60.0, 32
_NAME = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?|\[[0-9a-f:.]+\]")


@dataclass(frozen=True, slots=True)
class Rule:
    """A host that may be reached: `example.org` (ports 80 and 443), `example.org:8443`, `*.example.org` (what lies below it)."""

    name: str
    ports: tuple[int, ...] = (80, 443)

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Raises UsageError for what names no host."""
        name, colon, port = (
            text.strip().lower().rpartition(":") if re.search(r":\d+$", text.strip()) else (text, "", "")
        )
        name = name.strip().lower().rstrip(".")
        if not _NAME.fullmatch(name) or (colon and not 0 < int(port) < 65536):
            raise UsageError(f"{text!r} names no host; write it as example.org, *.example.org or example.org:8443.")
        return cls(name.strip("[]"), (int(port),) if colon else (80, 443))

    def fits(self, host: str, port: int) -> bool:
        if port not in self.ports:
            return False
        return (
            host.endswith(self.name[1:]) and host != self.name[2:] if self.name.startswith("*.") else host == self.name
        )


class Refused(Exception):
    """Why a connection is not made, for the program to read."""


class Proxy:
    """Serves LISTENER until it is closed. `seen` has what was asked for: (host, port, whether it was let through)."""

    def __init__(self, listener: socket.socket, hosts: Sequence[str]) -> None:
        self._listener = listener
        self._rules = [Rule.parse(host) for host in hosts]
        self._places = threading.Semaphore(_AT_ONCE)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.seen: list[tuple[str, int, bool]] = []
        threading.Thread(target=self._serve, name="wornpath-proxy", daemon=True).start()

    def close(self) -> None:
        """End it, with all its connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            if not self._places.acquire(blocking=False):
                client.close()
                continue
            threading.Thread(target=self._attend, args=(client,), name="wornpath-proxy", daemon=True).start()

    def _attend(self, client: socket.socket) -> None:
        try:
            with client, contextlib.suppress(OSError):
                client.settimeout(_PATIENCE)
                self._note(client)
                try:
                    server, first = self._request(client)
                except Refused as error:
                    body = f"{error}\n".encode()
                    head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                    client.sendall(head.encode() + body)
                    return
                with server:
                    self._note(server)
                    (client if first is None else server).sendall(first or b"HTTP/1.1 200 Connected\r\n\r\n")
                    _relay(client, server)
                    self._forget(server)
        finally:
            self._forget(client)
            self._places.release()

    def _note(self, one: socket.socket) -> None:
        with self._lock:
            self._open.add(one)

    def _forget(self, one: socket.socket) -> None:
        with self._lock:
            self._open.discard(one)

    def _request(self, client: socket.socket) -> tuple[socket.socket, bytes | None]:
        """The connection asked for, and what to send there first; None for a tunnel. Raises Refused."""
        head, rest = _head(client)
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise Refused("This is a proxy for HTTP; it did not understand the request.")
        method, target, version = words
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        try:
            host, port = (parts.hostname or "").rstrip("."), parts.port or (443 if method == "CONNECT" else 80)
        except ValueError:
            raise Refused("The request names no port that can be.") from None
        if method != "CONNECT" and parts.scheme != "http":
            raise Refused("Only http:// and CONNECT are served here.")
        server = self._connect(host, port)
        if method == "CONNECT":
            return server, None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        kept = [
            line for line in lines[1:] if not re.match(r"(?i)(proxy-|connection:|keep-alive:|host:)", line) and line
        ]
        where = f"{host}:{port}" if port != 80 else host
        fresh = [f"{method} {path} {version}", f"Host: {where}", *kept, "Connection: close", "", ""]
        return server, "\r\n".join(fresh).encode("latin-1") + rest

    def _connect(self, host: str, port: int) -> socket.socket:
        rules = [rule for rule in self._rules if rule.fits(host, port)]
        self.seen.append((host, port, bool(rules)))
        if not rules:
            raise Refused(f"{host}:{port} is not among the hosts that may be reached from here.")
        named = any(rule.name == host for rule in rules)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Refused(f"There is no host {host}.") from None
        for family, kind, protocol, _, address in found:
            if not named and not _public(str(address[0])):
                continue
            server = socket.socket(family, kind, protocol)
            try:
                server.settimeout(_PATIENCE)
                server.connect(address)
            except OSError:
                server.close()
                continue
            return server
        raise Refused(f"{host}:{port} cannot be reached, or is no public address.")


def _public(address: str) -> bool:
    place = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(place, "ipv4_mapped", None) or getattr(place, "sixtofour", None)
    return place.is_global and not place.is_multicast and (inner is None or inner.is_global)


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(_PIECE)
        data += piece
        if not piece or len(data) > _HEAD_LIMIT:
            raise Refused("The request is too long, or was broken off.")
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until both sides are done, or nothing came for a while."""
    towards = {one: other, other: one}
    while towards:
        ready, _, _ = select.select(list(towards), [], [], _PATIENCE)
        if not ready:
            return
        for source in ready:
            piece = source.recv(_PIECE)
            if piece:
                towards[source].sendall(piece)
            else:
                with contextlib.suppress(OSError):
                    towards[source].shutdown(socket.SHUT_WR)
                del towards[source]
