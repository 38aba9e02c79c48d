"""/api/v1: goals that come back, and what the agent remembers."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wornpath.core import UsageError, to_json
from wornpath.serve.bodies import read_body
from wornpath.serve.operations import Operation, path_text, service
from wornpath.serve.problems import Json, Problem
from wornpath.serve.schemas import ScheduleRequest


async def list_schedules(request: Request) -> Response:
    here = service(request)
    found = await asyncio.to_thread(here.schedules.all)
    return Json({"schedules": [one.as_dict() for one in found]})


async def add_schedule(request: Request) -> Response:
    here = service(request)
    given = await read_body(request, ScheduleRequest)
    if given.workspace is not None:
        await asyncio.to_thread(here.folder, given.workspace, "")
    try:
        made = await asyncio.to_thread(
            lambda: here.schedules.add(given.cron, given.goal, workspace=given.workspace, checks=tuple(given.checks))
        )
    except UsageError as error:
        raise Problem(422, str(error)) from None
    return Json(made.as_dict(), 201)


async def remove_schedule(request: Request) -> Response:
    here = service(request)
    await asyncio.to_thread(here.schedules.remove, path_text(request, "id"))
    return Response(status_code=204)


async def list_notes(request: Request) -> Response:
    here = service(request)
    notes = await asyncio.to_thread(lambda: here.reader.notes(everything=True))
    defaults: dict[str, Any] = {"scope": "run", "where": "", "time": 0.0, "run_id": ""}
    return Json({"notes": [{**defaults, **to_json(note)} for note in notes]})


async def remove_note(request: Request) -> Response:
    here, id = service(request), path_text(request, "id")
    if not id.isdecimal() or len(id) > 18:
        raise Problem(404, f"There is no note {id[:40]!r}; notes have numbers.")
    await asyncio.to_thread(here.store.remove_note, int(id))
    return Response(status_code=204)


OPERATIONS = (
    Operation("GET", "/schedules", list_schedules, "Goals that come back"),
    Operation("POST", "/schedules", add_schedule, "Hand in a goal again and again", ScheduleRequest, status=201),
    Operation("DELETE", "/schedules/{id}", remove_schedule, "Stop handing it in", status=204),
    Operation("GET", "/notes", list_notes, "What the agent remembers"),
    Operation("DELETE", "/notes/{id}", remove_note, "Make it forget", status=204),
)
