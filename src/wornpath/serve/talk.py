"""Talking about a run: the model answers a question from a digest of the run's events, which fits a small model's context."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from wornpath.core import Event
from wornpath.llm.chat import Chat
from wornpath.llm.tokens import clip, count
from wornpath.store import RunInfo
from wornpath.store.protocol import Store

SYSTEM = (
    "You answer a question about one piece of work that an agent did. Use only the record below. "
    "Be short and concrete: name steps by their number and files by their path. "
    "If the record does not tell, say so. Answer in the language of the question."
)
_TYPES = (
    *("plan.made", "plan.changed", "subtask.finished", "action.started", "action.finished", "evaluation.made"),
    *("approval.requested", "approval.answered", "budget.reached", "loop.found", "person.said", "run.paused"),
)


async def talk(store: Store, run: RunInfo, question: str, chat: Chat, said: Callable[[str], None]) -> str:
    """The answer to QUESTION about RUN; SAID gets it piece by piece. Raises ModelUnavailable or ModelAnswerError."""
    room = chat.sizes.argument_context * 2
    record = digest(run, store.events(run.run_id, types=_TYPES), room)
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": f"{record}\n\nQuestion: {clip(question, room // 4)}"},
    ]
    completion = await chat.complete(messages, max_tokens=chat.sizes.text // 2, on_text=said)
    return completion.text.strip()


def digest(run: RunInfo, events: Iterable[Event], room: int) -> str:
    """The run in at most ROOM tokens: goal and outcome whole, of the steps as many of the first and the last ones as fit."""
    head = [f"Goal: {clip(run.goal, room // 4)}", f"Status: {run.status}. Steps: {run.steps}."]
    if run.summary:
        head.append(f"Result: {clip(run.summary, room // 6)}")
    lines = [line for event in events if (line := _line(event))]
    left = room - sum(count(line) for line in head)
    return "\n".join([*head, "Record:", *_fitting(lines, left)])


def _fitting(lines: list[str], room: int) -> list[str]:
    """The first and the last LINES that fit ROOM tokens, the last ones first; a line says how many are missing."""
    first: list[str] = []
    last: list[str] = []
    rest = list(lines)
    while rest:
        from_end = len(last) <= 2 * len(first)
        line = rest[-1] if from_end else rest[0]
        room -= count(line) + 1
        if room < 0:
            break
        rest.pop(-1 if from_end else 0)
        (last if from_end else first).append(line)
    missing = [f"[{len(rest)} entries left out]"] if rest else []
    return [*first, *missing, *reversed(last)]


def _line(event: Event) -> str:
    data = event.data
    match event.type:
        case "plan.made" | "plan.changed":
            todo = "; ".join(str(s.get("description", "")) for s in data.get("plan", {}).get("subtasks", []))
            return f"plan ({data.get('reason', '')}): {clip(todo, 120)}"
        case "subtask.finished":
            return f"subtask {data.get('subtask')} {data.get('status')}: {clip(str(data.get('why', '')), 40)}"
        case "action.started":
            return f"step {event.step}: {_call(data.get('action', {}))}"
        case "action.finished":
            seen = data.get("observation", {})
            texts = "\n".join(part.get("text", "") for part in seen.get("parts", []))
            return f"  gave {seen.get('result', 'ok')}: {clip(' '.join(texts.split()), 80)}"
        case "evaluation.made":
            judged = data.get("evaluation", {})
            if data.get("scope") != "run":
                return ""
            comment = clip(str(judged.get("comment", "")), 80)
            return f"verdict {judged.get('verdict', 'unverified')} by {judged.get('source', 'environment')}: {comment}"
        case "approval.requested":
            return f"asked a person: {clip(str(data.get('reason', '')), 60)}"
        case "approval.answered":
            return f"the person said {data.get('answer')}: {clip(str(data.get('comment', '')), 60)}"
        case "person.said":
            return f"a person's {data.get('kind')}: {data.get('rating', '')} {clip(str(data.get('text', '')), 60)}"
        case _:
            return f"{event.type}: {clip(json.dumps(dict(data), ensure_ascii=False), 60)}"


def _call(action: dict[str, Any]) -> str:
    given = ", ".join(f"{k}={clip(str(v), 40)}" for k, v in action.get("arguments", {}).items())
    return f"{action.get('tool', '')}({given})"
