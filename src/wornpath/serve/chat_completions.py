"""/v1: the OpenAI-compatible door. Any chat client can hand the agent a goal: the last user message, each in a fresh workspace.

While the run works, its plan and steps are streamed as `reasoning_content`; the answer and the files made come as `content`. Closing the
connection cancels the run. Nobody can be asked by this door: a run that needs a person says where to answer.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wornpath.core import WornpathError
from wornpath.serve.bodies import checked, read_json
from wornpath.serve.jobs import CANCELLED
from wornpath.serve.operations import service
from wornpath.serve.problems import Json, Problem
from wornpath.serve.schemas import RunRequest
from wornpath.serve.service import Service
from wornpath.serve.stream import Stream, until_gone
from wornpath.store import RunInfo

OURS = "wornpath"
"""The model's name for the agent with the server's own model."""
PULSE_SECONDS = 10.0


async def models(request: Request) -> Response:
    here = service(request)
    names = [OURS, *([here.models.default] if here.models.default else [])]
    return Json({"object": "list", "data": [_model(name) for name in names]})


async def model(request: Request) -> Response:
    name, here = str(request.path_params["model"]), service(request)
    if name not in (OURS, here.models.default):
        raise Problem(404, f"There is no model {name[:100]!r}; GET /v1/models lists them.")
    return Json(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "wornpath"}


async def complete(request: Request) -> Response:
    """Do the goal in the last user message; answer at its end, or as it goes with `stream`."""
    here, body = service(request), await read_json(request)
    goal, name = goal_of(body), body.get("model") or OURS
    if not isinstance(name, str):
        raise Problem(400, "The field model must be a name; GET /v1/models lists them.")
    asked = checked({"goal": goal, "model": None if name in (OURS, here.models.default) else name}, RunRequest)
    try:
        run = await here.hand_in(asked, protocol="chat")
    except WornpathError as error:
        if asked.model is not None and not isinstance(error, Problem):
            raise Problem(404, f"The model {name[:100]!r} cannot be used: {error}") from None
        raise
    if body.get("stream"):
        options = body.get("stream_options")
        usage = isinstance(options, Mapping) and bool(options.get("include_usage"))
        return Stream(_chunks(here, run, name, usage), cut_off=lambda: _cut_off(here, run.run_id))
    return Waiting(here, run, name)


def goal_of(body: Mapping[str, Any]) -> str:
    """The text of the last user message. Raises Problem."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Problem(400, "The field messages must be a list with at least one user message.")
    for message in reversed(messages):
        if isinstance(message, Mapping) and message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, list):
                parts = [part for part in content if isinstance(part, Mapping)]
                if any(part.get("type") != "text" for part in parts):
                    raise Problem(400, "Only text can be handed in here; send files with POST /api/v1/runs.")
                content = "\n".join(str(part.get("text", "")) for part in parts)
            if not isinstance(content, str) or not content.strip():
                raise Problem(400, "The last user message is empty; say in it what should be done.")
            return content.strip()
    raise Problem(400, "There is no user message; the last one is taken as the goal.")


class Waiting(Response):
    """The whole answer, when the run has ended. A client that goes away cancels the run."""

    def __init__(self, here: Service, run: RunInfo, name: str) -> None:
        self.here, self.run, self.name = here, run, name
        self.status_code, self.background = 200, None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        over = asyncio.ensure_future(self.here.jobs.ended(self.run.run_id))
        gone = asyncio.ensure_future(until_gone(receive))
        try:
            await asyncio.wait([over, gone], return_when=asyncio.FIRST_COMPLETED)
            if not over.done():
                await _cut_off(self.here, self.run.run_id)
                return
        finally:
            over.cancel()
            gone.cancel()
        run = self.here.reader.run(self.run.run_id)
        message = {"role": "assistant", "content": answer_of(self.here, run), "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        body = {**_head(run, self.name, "chat.completion"), "choices": [choice], "usage": _usage(run)}
        await Json(body)(scope, receive, send)


async def _cut_off(here: Service, run_id: str) -> None:
    """The client went away: what it asked for is not wanted any more."""
    if run_id in here.jobs.live:
        await here.jobs.halt(here.reader.run(run_id), cancel=True)


async def _chunks(here: Service, run: RunInfo, name: str, usage: bool) -> AsyncIterator[bytes]:
    head = _head(run, name, "chat.completion.chunk")

    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return _data({**head, "choices": [choice], **({"usage": None} if usage else {})})

    yield chunk({"role": "assistant", "content": ""})
    over = asyncio.ensure_future(here.jobs.ended(run.run_id))
    seen = 0
    try:
        while True:
            ended, turn = over.done(), here.feed.turn
            for event in here.reader.events(run.run_id, after=seen):
                seen = event.seq
                if line := progress(event.type, event.step, event.data):
                    yield chunk({"reasoning_content": f"{line}\n"})
            if ended:
                break
            if not await here.feed.news_since(turn, PULSE_SECONDS, over):
                yield b": at work\n\n"
    finally:
        over.cancel()
    run = here.reader.run(run.run_id)
    yield chunk({"content": answer_of(here, run)})
    yield chunk({}, "stop")
    if usage:
        yield _data({**head, "choices": [], "usage": _usage(run)})
    yield b"data: [DONE]\n\n"


def _data(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return b"data: %b\n\n" % text.encode("utf-8", "backslashreplace")


def progress(type: str, step: int, data: Mapping[str, Any]) -> str:
    """A line for people about an event; empty for those that tell them nothing."""
    match type:
        case "plan.made" | "plan.changed":
            todo = [str(s.get("description", "")) for s in data.get("plan", {}).get("subtasks", [])]
            return "Plan: " + "; ".join(todo)
        case "action.started":
            action = data.get("action", {})
            target = action.get("arguments", {}).get("path", "")
            return f"Step {step}: {action.get('tool', '')} {target}".rstrip()
        case "action.finished":
            result = data.get("observation", {}).get("result", "ok")
            return "" if result in ("ok", "empty") else f"Step {step}: {result}"
        case _:
            return ""


def answer_of(here: Service, run: RunInfo) -> str:
    """What the run says at its end, how sure that is, and the files it made."""
    said = [run.summary or run.reason or "(no answer)"]
    if run.status == "needs_person":
        said = [f"This needs a person: {run.summary} The page of this server shows the question."]
    elif run.status in ("paused", "cancelled") and run.reason != CANCELLED:
        said = [f"The run is {run.status}: {run.reason or run.summary}"]
    made = here.reader.artefacts(run.run_id)
    if made:
        said.append("Files: " + ", ".join(f"{one.path} ({one.bytes:,} bytes)" for one in made[:50]))
    meaning = {"met": "The goal is met", "unmet": "The goal is not met", "unverified": "Nothing verified the result"}
    if run.status in meaning:
        said.append(
            f"{meaning[run.status]}{f' ({run.verdict_source})' if run.verdict_source else ''}. Run {run.run_id}."
        )
    return "\n\n".join(said)


def _head(run: RunInfo, name: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{run.run_id}", "object": kind, "created": int(run.started or time.time()), "model": name}


def _usage(run: RunInfo) -> dict[str, int]:
    total = run.prompt_tokens + run.completion_tokens
    return {"prompt_tokens": run.prompt_tokens, "completion_tokens": run.completion_tokens, "total_tokens": total}
