"""The application: the page, the REST interface and the protocols, behind the gate."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from wornpath.core import WornpathError
from wornpath.serve import api_runs
from wornpath.serve.access import Access, Gate
from wornpath.serve.operations import Operation
from wornpath.serve.problems import Problem, handle, handle_unexpected
from wornpath.serve.service import Service

PAGE = Path(__file__).with_name("page")
API: tuple[Operation, ...] = (*api_runs.OPERATIONS,)


def create_app(service: Service, access: Access) -> Starlette:
    """The ASGI application of SERVICE, which starts and stops with it."""

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
            Mount("/static", StaticPage(directory=PAGE, check_dir=False)),
            Mount("/api/v1", routes=[operation.route() for operation in API]),
        ],
        middleware=[Middleware(Gate, access=access)],
        exception_handlers={HTTPException: handle, WornpathError: handle, Exception: handle_unexpected},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.service = service
    return app


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
