"""/api/v1: what people make of a run: ratings, labels, questions about it, and why a step was taken."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from wornpath.core import Action, UsageError
from wornpath.judge import person
from wornpath.policy import report
from wornpath.serve.bodies import read_body
from wornpath.serve.operations import Operation, path_text, service
from wornpath.serve.problems import Json, Problem
from wornpath.serve.schemas import ChatRequest, LabelRequest, RatingRequest
from wornpath.serve.talk import talk


async def rate(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    given = await read_body(request, RatingRequest)
    found = await here.at_rest(found, "rate it when it has ended.")
    await asyncio.to_thread(person.rate, here.store, found, given.rating, given.comment.strip())
    here.feed.wake()
    return Json(here.row(here.reader.run(found.run_id)))


async def label(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    given = await read_body(request, LabelRequest)
    action = Action.of(given.action.tool, given.action.arguments)
    await asyncio.to_thread(person.label, here.store, found, given.step, action, given.comment.strip())
    here.feed.wake()
    return Json({"ok": True}, 201)


async def chat(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    given = await read_body(request, ChatRequest)
    model = await here.models.open()

    def said(text: str) -> None:
        here.feed.text(found.run_id, "chat", text)

    return Json({"answer": await here.worker.call(talk(here.reader, found, given.message, model, said))})


async def why(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    text = path_text(request, "step")
    step = int(text) if text.isdecimal() and len(text) < 9 else 0
    try:
        told = await asyncio.to_thread(report.explain, here.reader, found.run_id, step)
    except UsageError as error:
        raise Problem(404, str(error)) from None
    return Json(told)


OPERATIONS = (
    Operation("POST", "/runs/{run}/rating", rate, "Say whether a run did its job; `none` takes it back", RatingRequest),
    Operation(
        "POST", "/runs/{run}/labels", label, "Say what should have been done at a step", LabelRequest, status=201
    ),
    Operation("POST", "/runs/{run}/chat", chat, "Ask the model about a run", ChatRequest),
    Operation("GET", "/runs/{run}/why/{step}", why, "The candidates of a step, their probabilities, and who decided"),
)
