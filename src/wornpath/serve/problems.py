"""Answers in JSON, and refusals as problem details (RFC 9457): what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeGuard

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wornpath.core import ModelAnswerError, ModelUnavailable, NeedsPerson, StoreError, UsageError, WornpathError

_DRAIN_BYTES, _DRAIN_SECONDS = 32 << 20, 5.0


class Problem(WornpathError):
    """A request that cannot be carried out: the HTTP STATUS and a sentence that says what to do."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


class Json(Response):
    """DATA as JSON; lone surrogates, which no encoding can write, become escapes."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=str)
        return text.encode("utf-8", "backslashreplace")


class Refusal(Json):
    """A problem document. What the client is still sending is read for a moment, so that it comes to read the answer."""

    media_type = "application/problem+json"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        left = _DRAIN_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while self.status_code == 413 and left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        break
        await send({"type": "http.response.body", "body": b""})


def refusal(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """A problem document; `error` is the same in the words of the OpenAI protocol."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": detail, "type": kind, "param": None, "code": None}
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "error": error}
    return Refusal(body, status, headers)


def of_exception(error: Exception) -> Refusal:
    """The refusal for anything that a handler raised."""
    if isinstance(error, Problem):
        return refusal(error.status, error.detail, error.headers)
    if isinstance(error, HTTPException):
        return refusal(error.status_code, _HTTP.get(error.status_code, error.detail), error.headers)
    if isinstance(error, WornpathError):
        return refusal(_status(error), str(error))
    if of_the_disk(error):
        what = f"The server could not write {error.filename or 'to its disk'}: {error.strerror}"
        return refusal(status_of(error), f"{what}; free some space or make it writable, and try again.")
    return refusal(500, "Something went wrong inside the server; its terminal shows the traceback. Please report it.")


def of_the_disk(error: BaseException) -> TypeGuard[OSError]:
    """Whether ERROR is trouble of the disk (full, read-only, failing, closed to us) and none of the program's own."""
    return isinstance(error, OSError) and error.errno in (*_FULL, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM)


def status_of(error: OSError) -> int:
    """507 where there is no room, 503 for other trouble of the disk."""
    return 507 if error.errno in _FULL else 503


def _status(error: WornpathError) -> int:
    if isinstance(error, UsageError):
        return 404 if str(error).startswith("There is no ") else 400
    if isinstance(error, (ModelUnavailable, ModelAnswerError, StoreError)):
        return 503
    return 409 if isinstance(error, NeedsPerson) else 400


_FULL = (errno.ENOSPC, errno.EDQUOT)
_HTTP = {
    404: "There is nothing at this address; /api/v1/openapi.json lists what there is.",
    405: "This address does not take that method; /api/v1/openapi.json lists what it takes.",
}


async def handle(request: Request, error: Exception) -> Response:
    """Starlette's handler for the exceptions we mean."""
    return of_exception(error)


async def handle_disk(request: Request, error: Exception) -> Response:
    """The same for what the system refuses: trouble of the disk is answered, all else is a fault of ours."""
    if not of_the_disk(error):
        raise error
    return of_exception(error)


async def handle_unexpected(request: Request, error: Exception) -> Response:
    """A fault of ours: uvicorn writes the traceback to the terminal, and the client gets none of it."""
    return of_exception(error)
