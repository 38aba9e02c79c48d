"""The Agent Protocol, under `/ap/v1/agent/` and `/agent/`: tasks, steps and artefacts, in the order its benchmark client calls them.

A task is a run. It begins at the first step and works on by itself; each request for a step waits for the next one and gives it out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wornpath.serve.api_files import file_response
from wornpath.serve.bodies import checked, limited, read_form, read_json
from wornpath.serve.jobs import ENDED
from wornpath.serve.operations import path_text, service, whole
from wornpath.serve.problems import Json, Problem
from wornpath.serve.schemas import RunRequest
from wornpath.serve.service import Service
from wornpath.serve.tasks import Task, Tasks, artifact, artifacts_of, shown, steps_of
from wornpath.serve.uploads import keep_upload, upload_path
from wornpath.store import RunInfo
from wornpath.tools.workspace import SKIPPED_FOLDERS

PREFIXES = ("/ap/v1/agent", "/agent")
WAIT_SECONDS = 20.0


async def create_task(request: Request) -> Response:
    here, body = service(request), await read_json(request)
    given, more = body.get("input"), body.get("additional_input") or {}
    if not isinstance(given, str) or not given.strip():
        raise Problem(422, "The field input must say what should be done.")
    if not isinstance(more, dict):
        raise Problem(422, "The field additional_input must be an object.")
    run = await here.hand_in(checked({"goal": given}, RunRequest), protocol="agent", begin=False)
    task = Task(run.run_id, given, more)
    await asyncio.to_thread(_tasks(here).save, task)
    return Json(shown(task, []))


async def list_tasks(request: Request) -> Response:
    here = service(request)
    found = await asyncio.to_thread(lambda: list(_tasks(here).all()))
    page, pagination = _page(request, found)
    return Json({"tasks": [shown(one, await _artifacts(here, one)) for one in page], "pagination": pagination})


async def get_task(request: Request) -> Response:
    here, task = await _task(request)
    return Json(shown(task, await _artifacts(here, task)))


async def execute_step(request: Request) -> Response:
    """Give out the next step, when it is done. The body may be empty."""
    await _step_body(request)
    async with service(request).lock(path_text(request, "task")):  # two requests at once get one step each
        return await _step(*await _task(request))


async def _step(here: Service, task: Task) -> Response:
    run = here.reader.run(task.task_id)
    if not task.begun:
        if run.run_id not in here.jobs.live:
            await here.jobs.resume(run, interactive=False)
        task.begun = True
        await asyncio.to_thread(_tasks(here).save, task)
    step = await _next_step(here, task)
    task.given = int(step["step_id"])
    await asyncio.to_thread(_tasks(here).save, task)
    return Json(step)


async def _next_step(here: Service, task: Task) -> dict[str, Any]:
    """The first step after those given out, once it is done. Raises Problem where there is no more."""
    while True:
        turn = here.feed.turn
        run = here.reader.run(task.task_id)
        steps = await asyncio.to_thread(steps_of, here.reader, task, run)
        for step in steps[task.given :]:
            if step["status"] == "completed":
                return step
        if steps and steps[-1]["is_last"]:
            raise Problem(
                409, f"The task {task.task_id} has ended, and all its steps were given out; POST tasks makes another."
            )
        if run.run_id not in here.jobs.live and run.status not in ENDED:
            raise Problem(409, f"The task {task.task_id} is {run.status} ({run.reason}); resume its run to go on.")
        over = asyncio.ensure_future(here.jobs.ended(run.run_id))
        await here.feed.news_since(turn, WAIT_SECONDS, over)
        over.cancel()


async def list_steps(request: Request) -> Response:
    here, task = await _task(request)
    steps = await asyncio.to_thread(steps_of, here.reader, task, here.reader.run(task.task_id))
    page, pagination = _page(request, steps[: task.given])
    return Json({"steps": list(page), "pagination": pagination})


async def get_step(request: Request) -> Response:
    here, task = await _task(request)
    wanted = path_text(request, "step")
    steps = await asyncio.to_thread(steps_of, here.reader, task, here.reader.run(task.task_id))
    for step in steps[: task.given]:
        if step["step_id"] == wanted:
            return Json(step)
    raise Problem(404, f"The task {task.task_id} has no step {wanted[:40]!r} yet.")


async def list_artifacts(request: Request) -> Response:
    here, task = await _task(request)
    page, pagination = _page(request, await _artifacts(here, task))
    return Json({"artifacts": list(page), "pagination": pagination})


async def upload_artifact(request: Request) -> Response:
    here, task = await _task(request)
    form = await read_form(request, here.settings.max_upload)
    try:
        file = next((file for name, file in form.files if name == "file"), None)
        if file is None:
            raise Problem(422, "The form needs a field `file` with the file.")
        place, name = form.fields.get("relative_path", "").strip(), file.filename or "upload"
        path = (
            place if place.rpartition("/")[2] == name else "/".join(part for part in (place.rstrip("/"), name) if part)
        )
        if hidden := SKIPPED_FOLDERS.intersection(upload_path(path).split("/")[:-1]):
            raise Problem(400, f"What is in {min(hidden)} is no artifact; give the file another place.")
        kept = await keep_upload(file, path, _root(here.reader.run(task.task_id)))
    finally:
        await form.close()
    if kept not in task.uploaded:
        task.uploaded.append(kept)
        await asyncio.to_thread(_tasks(here).save, task)
    unlisted = {**artifact(kept), "agent_created": False}  # one file too many, or in a folder too deep
    listed = await _artifacts(here, task)
    return Json(next((one for one in listed if one["relative_path"] == kept), unlisted))


async def download_artifact(request: Request) -> Response:
    here, task = await _task(request)
    wanted = path_text(request, "artifact")
    for one in await _artifacts(here, task):
        if one["artifact_id"] == wanted:
            return await file_response(_root(here.reader.run(task.task_id)), tuple(one["relative_path"].split("/")))
    raise Problem(404, f"The task {task.task_id} has no artifact {wanted[:60]!r}; GET artifacts lists them.")


# -- helpers ---------------------------------------------------------------------------------------


def _tasks(here: Service) -> Tasks:
    return Tasks(here.store)


async def _task(request: Request) -> tuple[Service, Task]:
    here = service(request)
    return here, await asyncio.to_thread(_tasks(here).get, path_text(request, "task"))


async def _artifacts(here: Service, task: Task) -> list[dict[str, Any]]:
    def find() -> list[dict[str, Any]]:
        written = {one.path for one in here.reader.artefacts(task.task_id)}
        return artifacts_of(task, here.reader.run(task.task_id), written)

    return await asyncio.to_thread(find)


def _root(run: RunInfo) -> Path:
    return Path(run.workspace)


async def _step_body(request: Request) -> None:
    """Clients send nothing, an empty object, or an input for the step; only what is no JSON at all is refused."""
    raw = b"".join([piece async for piece in limited(request, 1 << 20)])
    try:
        json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise Problem(400, "The body is not valid JSON; send nothing, or an object.") from None


def _page(request: Request, items: Sequence[Any]) -> tuple[Sequence[Any], dict[str, int]]:
    """One page of ITEMS; all of them when no page is asked for."""
    asked = {"current_page", "page_size"} & request.query_params.keys()
    size = whole(request, "page_size", 10, least=1, most=10_000) if asked else max(1, len(items))
    number = whole(request, "current_page", 1, least=1)
    pages = max(1, -(-len(items) // size))
    pagination = {"total_items": len(items), "total_pages": pages, "current_page": number, "page_size": size}
    return items[(number - 1) * size : number * size], pagination


def routes() -> list[Route]:
    made = []
    for prefix in PREFIXES:
        task = f"{prefix}/tasks/{{task}}"
        made += [
            Route(f"{prefix}/tasks", create_task, methods=["POST"]),
            Route(f"{prefix}/tasks", list_tasks, methods=["GET"]),
            Route(task, get_task, methods=["GET"]),
            Route(f"{task}/steps", execute_step, methods=["POST"]),
            Route(f"{task}/steps", list_steps, methods=["GET"]),
            Route(f"{task}/steps/{{step}}", get_step, methods=["GET"]),
            Route(f"{task}/artifacts", list_artifacts, methods=["GET"]),
            Route(f"{task}/artifacts", upload_artifact, methods=["POST"]),
            Route(f"{task}/artifacts/{{artifact}}", download_artifact, methods=["GET"]),
        ]
    return made
