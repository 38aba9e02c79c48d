"""/api/v1: goals handed in, runs listed, watched, paused, cancelled and resumed, and the questions they ask."""

from __future__ import annotations

import asyncio
import json
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response

from wornpath.core import EVENT_TYPES, RunStatus
from wornpath.guard import ApprovalAnswer, Limits
from wornpath.learn.forgetting import remove
from wornpath.policy.forgetting import with_attempts
from wornpath.policy.registry import Registry
from wornpath.serve.bodies import checked, is_multipart, read_body, read_form
from wornpath.serve.jobs import ENDED, Order, recorded_options
from wornpath.serve.operations import Operation, path_text, service, whole
from wornpath.serve.problems import Json, Problem
from wornpath.serve.schemas import AnswerRequest, LimitsBody, RunRequest
from wornpath.serve.service import Service
from wornpath.serve.stream import Stream
from wornpath.serve.uploads import keep_uploads
from wornpath.serve.views import run_detail
from wornpath.store import RunInfo, new_run_id


async def info(request: Request) -> Response:
    from wornpath import __version__

    here = service(request)
    return Json(
        {
            "version": __version__,
            "model": here.models.default,
            "model_problem": here.models.problem,
            "workspace_root": str(here.workspaces),
            "jobs": here.jobs.at_once,
            "learning": here.settings.learn,
            "policy_version": Registry.of(here.reader).current,
            "language": here.settings.language,
            "last_seq": here.feed.head,
        }
    )


async def list_runs(request: Request) -> Response:
    here, query = service(request), request.query_params
    limit, status = whole(request, "limit", 50, least=1, most=500), query.get("status") or None
    if status is not None and status not in get_args(RunStatus):
        raise Problem(400, f"There is no status {status[:50]!r}; there are {', '.join(get_args(RunStatus))}.")

    def find() -> tuple[list[dict[str, Any]], str | None]:
        rows: list[dict[str, Any]] = []
        before = query.get("before") or None
        while len(rows) <= limit:
            found = here.reader.runs(limit=limit + 1, query=query.get("query", ""), before=before)
            rows += [row for row in map(here.row, found) if status is None or row["status"] == status]
            if len(found) <= limit:
                break
            before = found[-1].run_id
        return rows[:limit], rows[limit - 1]["run_id"] if len(rows) > limit else None

    rows, more = await asyncio.to_thread(find)
    return Json({"runs": rows, "next": more})


async def start_run(request: Request) -> Response:
    here = service(request)
    here.jobs.room()
    if not is_multipart(request):
        made = await here.hand_in(await read_body(request, RunRequest))
        return _row(here, made, 201)
    form = await read_form(request, here.settings.max_upload)
    try:
        try:
            data = json.loads(form.fields.get("request", ""))
        except ValueError:
            raise Problem(400, "The form's field `request` must hold the request as a JSON object.") from None
        asked, run_id = checked(data, RunRequest), new_run_id()
        folder = await asyncio.to_thread(here.folder, asked.workspace, run_id)
        await keep_uploads(form, folder)
        made = await here.hand_in(asked, run_id=run_id, folder=folder)
    finally:
        await form.close()
    return _row(here, made, 201)


async def show_run(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    row = here.row(found)
    detail = await asyncio.to_thread(run_detail, here.reader, found)
    return Json({**row, **detail, "pending": here.questions.listed(found.run_id)})


async def pause_run(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    await here.jobs.halt(found, cancel=False)
    return _row(here, found, 202)


async def cancel_run(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    await here.jobs.halt(found, cancel=True)
    return _row(here, found, 202)


async def resume_run(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    given = await read_body(request, LimitsBody, empty=True)
    limits = await asyncio.to_thread(limits_of, here, found.run_id, given)
    order = await asyncio.to_thread(Order.read, here.reader, found.run_id)
    await here.jobs.resume(found, limits=limits, model=order.model)
    return _row(here, found, 202)


def limits_of(here: Service, run_id: str, given: LimitsBody) -> Limits | None:
    """The limits that the run had, with those GIVEN in their place; None where nothing changes."""
    new = given.model_dump(exclude_none=True)
    return Limits(**{**recorded_options(here.reader, run_id).get("limits", {}), **new}) if new else None


async def remove_run(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    runs = await asyncio.to_thread(with_attempts, here.reader, found.run_id)
    for run_id in runs:
        await here.at_rest(here.run(run_id), "cancel it first.")
    await asyncio.to_thread(remove, here.store, runs)
    for run_id in runs:
        here.questions.forget(run_id)
    return Response(status_code=204)


async def run_events(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    after, limit = whole(request, "after", 0), whole(request, "limit", 1000, least=1, most=5000)
    types = [name for name in request.query_params.get("types", "").split(",") if name]
    unknown = [name for name in types if name not in EVENT_TYPES]
    if unknown:
        raise Problem(400, f"There is no event type {unknown[0][:50]!r}; there are {', '.join(EVENT_TYPES)}.")
    if types:
        events = await asyncio.to_thread(
            lambda: [e.as_dict() for e in here.reader.events(found.run_id, after=after, types=types, limit=limit)]
        )
        return Json({"events": events, "last_seq": here.reader.last_seq(found.run_id)})
    rows = await asyncio.to_thread(lambda: here.reader.event_texts(found.run_id, after=after, limit=limit))
    last = here.reader.last_seq(found.run_id)
    body = f'{{"events":[{",".join(text for *_, text in rows)}],"last_seq":{last}}}'
    return Response(body.encode("utf-8", "backslashreplace"), media_type="application/json")


async def stream_events(request: Request) -> Response:
    here = service(request)
    run = request.query_params.get("run") or None
    run_id = here.run(run).run_id if run is not None else None
    last = request.headers.get("last-event-id", "").strip()
    after = int(last) if last.isdecimal() and len(last) < 19 else whole(request, "after", -1)
    return Stream(here.feed.frames(run_id, None if after < 0 else after))


async def list_approvals(request: Request) -> Response:
    here = service(request)
    return Json({"approvals": await asyncio.to_thread(here.questions.listed)})


async def answer_approval(request: Request) -> Response:
    here, id = service(request), path_text(request, "id")
    given = await read_body(request, AnswerRequest)
    asked = here.questions.get(id)
    if asked is None:
        raise Problem(404, f"Nothing waits for an answer to {id[:50]!r}; it was answered, or its run is over.")
    question = asked.get("kind") == "question"
    if question != (given.answer == "answer"):
        wants = (
            "a question: send answer `answer` with the text as comment"
            if question
            else "an approval: send allow or deny"
        )
        raise Problem(422, f"{id[:50]} is {wants}.")
    if question and not given.comment.strip():
        raise Problem(422, "The answer is empty; give it as comment.")
    if given.arguments is not None and given.answer != "allow":
        raise Problem(422, "Changed arguments go with answer `allow` only.")
    answer = ApprovalAnswer(given.answer, given.comment.strip(), arguments=given.arguments, scope=given.scope)
    await _give(here, here.run(asked["run_id"]), id, answer)
    return Json({"ok": True})


async def _give(here: Service, run: RunInfo, id: str, answer: ApprovalAnswer) -> None:
    """To the run that waits for it here, or to one that is resumed with it."""
    if run.status in ENDED:
        await here.jobs.put_away(run)
    if not here.jobs.answer(run.run_id, id, answer):
        await _resume_with(here, run, id, answer)
    here.questions.answered(id)


async def _resume_with(here: Service, run: RunInfo, id: str, answer: ApprovalAnswer) -> None:
    order = await asyncio.to_thread(Order.read, here.reader, run.run_id)
    await here.jobs.resume(run, answers={id: answer}, model=order.model)


def _row(here: Service, run: RunInfo, status: int) -> Response:
    return Json(here.row(here.reader.run(run.run_id)), status)


OPERATIONS = (
    Operation("GET", "/info", info, "The server's version, model and settings"),
    Operation("GET", "/runs", list_runs, "The runs, newest first", query=("query", "status", "limit", "before")),
    Operation("POST", "/runs", start_run, "Hand in a goal, with files as multipart/form-data", RunRequest, status=201),
    Operation("GET", "/runs/{run}", show_run, "One run: its goal, plan, outcome, artefacts and open questions"),
    Operation("DELETE", "/runs/{run}", remove_run, "Forget a run and what it taught; its workspace stays", status=204),
    Operation("POST", "/runs/{run}/pause", pause_run, "Stop after the step in hand", status=202),
    Operation("POST", "/runs/{run}/cancel", cancel_run, "Stop at once and for good", status=202),
    Operation("POST", "/runs/{run}/resume", resume_run, "Go on, with other limits if need be", LimitsBody, status=202),
    Operation("GET", "/runs/{run}/events", run_events, "The run's events", query=("after", "limit", "types")),
    Operation(
        "GET",
        "/events",
        stream_events,
        "All events as they happen, as server-sent events; resumable by Last-Event-ID",
        query=("run", "after"),
        media_type="text/event-stream",
    ),
    Operation("GET", "/approvals", list_approvals, "What waits for a person"),
    Operation("POST", "/approvals/{id}", answer_approval, "Allow, deny, or answer", AnswerRequest),
)
