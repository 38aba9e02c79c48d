"""/api/v1: what was learnt: policy versions, learning curves, and two policies side by side on one run."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from wornpath.core import UsageError
from wornpath.policy import promotion, report
from wornpath.policy.registry import PRIOR, Registry
from wornpath.serve.operations import Operation, path_text, service
from wornpath.serve.problems import Json, Problem
from wornpath.serve.service import Service

BY_PERSON = "a person chose it on the page"


async def policies(request: Request) -> Response:
    return Json(await asyncio.to_thread(report.policies, service(request).reader))


async def promote(request: Request) -> Response:
    here, version = service(request), path_text(request, "version")
    _known(here, version)
    try:
        await asyncio.to_thread(promotion.promote, here.store, version, BY_PERSON)
    except UsageError as error:
        raise Problem(409, str(error)) from None
    here.feed.wake()
    return await policies(request)


async def roll_back(request: Request) -> Response:
    here, version = service(request), path_text(request, "version")
    _known(here, version)
    registry = Registry.of(here.store)
    if registry.current != version or version == PRIOR:
        raise Problem(
            409, f"Policy {version} is not in use, so it cannot be rolled back; {registry.current} is in use."
        )
    await asyncio.to_thread(registry.rollback, BY_PERSON)
    here.feed.wake()
    return await policies(request)


async def compare(request: Request) -> Response:
    here, query = service(request), request.query_params
    run = here.run(query.get("run", ""))
    a, b = query.get("a") or PRIOR, query.get("b") or ""
    for version in filter(None, (a, b)):
        _known(here, version)
    return Json(await asyncio.to_thread(report.compare_run, here.reader, run.run_id, a, b))


def _known(here: Service, version: str) -> None:
    """Raises Problem 404 where there is no such version."""
    known = [PRIOR, *(one.version for one in Registry.of(here.reader).versions())]
    if version not in known:
        raise Problem(404, f"There is no policy version {version[:50]!r}; there are {', '.join(known[:20])}.")


async def curves(request: Request) -> Response:
    here = service(request)
    return Json(await asyncio.to_thread(report.curves, here.reader, request.query_params.get("family", "")))


OPERATIONS = (
    Operation("GET", "/policies", policies, "The policy versions, and the one in use"),
    Operation("GET", "/policies/compare", compare, "Two versions on the steps of one run", query=("run", "a", "b")),
    Operation("POST", "/policies/{version}/promote", promote, "Put a version in use"),
    Operation("POST", "/policies/{version}/rollback", roll_back, "Go back to the version before the one in use"),
    Operation("GET", "/curves", curves, "Success and tokens, run by run", query=("family",)),
)
