"""What an address of the interface does, in one line each: the routes and the OpenAPI document are both made of these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wornpath.serve.problems import Problem
from wornpath.serve.service import Service

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """METHOD PATH, what it is for, the BODY it takes, its QUERY parameters, and the STATUS it answers with."""

    method: str
    path: str
    handler: Handler
    summary: str
    body: type[BaseModel] | None = None
    query: Sequence[str] = ()
    status: int = 200
    media_type: str = "application/json"

    def route(self) -> Route:
        return Route(self.path, self.handler, methods=[self.method])


def service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


def whole(request: Request, name: str, default: int, *, least: int = 0, most: int = 1 << 60) -> int:
    """The whole number that the query gives for NAME. Raises Problem."""
    text = request.query_params.get(name)
    if text is None or not text.strip():
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise Problem(400, f"?{name}= wants a whole number from {least} to {most}, not {text[:50]!r}.")
    return value


def path_text(request: Request, name: str) -> str:
    """A part of the address."""
    value: Any = request.path_params[name]
    return str(value)
