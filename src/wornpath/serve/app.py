"""The application: the page, the REST interface and the protocols, behind the gate."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from wornpath.core import WornpathError
from wornpath.serve import (
    agent_protocol,
    api_files,
    api_learning,
    api_people,
    api_recurring,
    api_runs,
    chat_completions,
)
from wornpath.serve.access import Access, Gate
from wornpath.serve.openapi import document
from wornpath.serve.operations import Operation
from wornpath.serve.problems import Json, Problem, handle, handle_disk, handle_unexpected
from wornpath.serve.service import Service

PAGE = Path(__file__).with_name("page")


async def openapi(request: Request) -> Response:
    from wornpath import __version__

    return Json(document(API, __version__))


API: tuple[Operation, ...] = (
    *api_runs.OPERATIONS,
    *api_files.OPERATIONS,
    *api_people.OPERATIONS,
    *api_learning.OPERATIONS,
    *api_recurring.OPERATIONS,
    Operation("GET", "/openapi.json", openapi, "This document"),
)
"""Everything below /api/v1."""


def create_app(service: Service, access: Access) -> ASGIApp:
    """The ASGI application of SERVICE, which starts and stops with it, behind the gate of ACCESS."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()
            service.close()

    app = Starlette(
        routes=[
            Route("/", page),
            *([Mount("/static", StaticPage(directory=PAGE))] if PAGE.is_dir() else []),
            Route("/v1/models", chat_completions.models, methods=["GET"]),
            Route("/v1/models/{model:path}", chat_completions.model, methods=["GET"]),
            Route("/v1/chat/completions", chat_completions.complete, methods=["POST"]),
            *agent_protocol.routes(),
            Mount("/api/v1", routes=[operation.route() for operation in API]),
        ],
        exception_handlers={
            HTTPException: handle,
            WornpathError: handle,
            OSError: handle_disk,
            Exception: handle_unexpected,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.service = service
    return Gate(app, access)  # outside of all else, so that even a fault of ours is answered in its dress


async def page(request: Request) -> Response:
    index = PAGE / "index.html"
    if not index.is_file():
        raise Problem(404, "The page is not part of this installation; install wornpath from its wheel.")
    return FileResponse(index, headers={"cache-control": "no-cache"}, media_type="text/html; charset=utf-8")


class StaticPage(StaticFiles):
    """The page's modules, styles and pictures; asked about anew at each visit, for they change with the version."""

    def file_response(self, *args: object, **more: object) -> Response:
        response: Response = super().file_response(*args, **more)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response
