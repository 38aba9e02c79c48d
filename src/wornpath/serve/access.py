"""Who may come in: the Host and Origin of each request, the token, and the headers that keep browsers strict.

The token comes as `Authorization: Bearer T`, `?token=T`, the path prefix `/t/T/`, or the cookie that opening `/?token=T` sets.
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wornpath.serve.problems import Problem, of_exception

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""Set on every answer that does not say otherwise."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Access:
    """TOKEN is None where none is asked for; HOSTS are the names this server answers to, besides addresses if ANY_ADDRESS."""

    token: str | None
    hosts: frozenset[str] = frozenset(LOOPBACK)
    any_address: bool = False
    cookie: str = "wornpath"


class Gate:
    """ASGI middleware: refuses what may not come in, and dresses every answer in HEADERS."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        cookie = ""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if cookie:
                    headers.append("set-cookie", cookie)
            await send(message)

        given: str = scope["path"]
        try:
            cookie = self._admit(scope)
        except Problem as problem:
            await of_exception(problem)(scope, receive, dressed)
            return
        if not scope["path"]:  # relative addresses in the page need the slash
            await RedirectResponse(f"{given}/")(scope, receive, dressed)
            return
        await self.app(scope, receive, dressed)

    def _admit(self, scope: Scope) -> str:
        """Take the token out of the path, and return the cookie to set. Raises Problem."""
        headers = Headers(scope=scope)
        _check_host(headers.get("host", ""), self.access)
        if scope["method"] not in _SAFE:
            _check_origin(headers)
        if self.access.token is None:
            return ""
        given = _prefix(scope) or _bearer(headers) or _query(scope) or _cookie(headers, self.access.cookie)
        if not given or not secrets.compare_digest(given.encode(), self.access.token.encode()):
            how = "Open the address that `wornpath serve` printed, or send `Authorization: Bearer TOKEN`."
            wrong = "The token is not the right one." if given else "This needs the server's token."
            raise Problem(401, f"{wrong} {how}", {"www-authenticate": "Bearer"})
        if _query(scope) and scope["path"] == "/":
            return f"{self.access.cookie}={self.access.token}; HttpOnly; SameSite=Strict; Path=/"
        return ""


def _check_host(host: str, access: Access) -> None:
    """A name that is not ours came by way of a foreign page whose name was pointed at this address."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    if name in access.hosts:
        return
    if access.any_address:
        try:
            ipaddress.ip_address(name)
            return
        except ValueError:
            pass
    raise Problem(
        421,
        f"This server does not answer to the name {name[:100]!r}; start it with --allow-host {name[:100]} if it should.",
    )


def _check_origin(headers: Headers) -> None:
    """A page of another site may not change anything here, whatever cookies its visitor has."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
    own = origin is None or origin.lower().partition("://")[2] == headers.get("host", "").lower()
    if not own or site not in ("same-origin", "none"):
        raise Problem(403, "Another site's page may not do this; use the page of this server, or a program.")


def _prefix(scope: Scope) -> str:
    """The token of a path `/t/TOKEN/...`, which is shortened to what follows."""
    path: str = scope["path"]
    if not path.startswith("/t/"):
        return ""
    token, slash, rest = path[3:].partition("/")
    scope["path"] = f"/{rest}" if slash else ""
    scope["raw_path"] = scope["path"].encode("utf-8", "surrogateescape")
    scope["root_path"] = ""
    return token


def _bearer(headers: Headers) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _query(scope: Scope) -> str:
    values = parse_qs(scope["query_string"].decode("latin-1")).get("token")
    return values[0] if values else ""


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""
