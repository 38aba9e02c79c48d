"""Runs for other programs: chat messages with rewards for fine-tuning, and ATIF trajectories (Agent Trajectory Interchange Format 1.8).

Both read only the events. A run whose prompts were not recorded has no messages to export.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from wornpath.core import Action, Event, Observation, Part
from wornpath.core.redact import redact_data
from wornpath.store import projections
from wornpath.store.effects import calls, number, section, text, whole
from wornpath.store.protocol import Store

ATIF_VERSION = "ATIF-v1.8"
_BEFORE_THE_STEP = ("plan", "replan", "propose")
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_AUDIO = ("wav", "mpeg", "mp4", "aac", "ogg", "flac", "webm", "aiff")


def to_messages(store: Store, run_id: str) -> Iterator[dict[str, Any]]:
    """One object a model call: `messages` (the prompt and the answer, as Chat Completions has them), `reward` (of the step that
    the call served), `return` (from that step to the end of the run), and where it comes from.

    Of several answers to one call the one that was acted upon is taken, else the first; `texts` has them all.
    """
    info = store.run(run_id)
    steps = list(store.transitions(info.run_id))
    place = {step.step: n for n, step in enumerate(steps)}
    decided = [e.step for e in store.events(info.run_id, types=("action.decided",))]
    seen = 0
    for event in store.events(info.run_id, types=("model.called", "action.decided")):
        if event.type == "action.decided":
            seen += 1
            continue
        prompt, texts = event.data.get("messages"), event.data.get("texts")
        if not prompt or not texts:
            continue
        ahead = event.data.get("purpose") in _BEFORE_THE_STEP
        number_ = (decided[seen] if seen < len(decided) else None) if ahead else (decided[seen - 1] if seen else None)
        n = place.get(number_) if number_ is not None else None
        action = steps[n].candidates[steps[n].chosen].action if n is not None else None
        call = {
            "run_id": info.run_id,
            "step": number_ or 0,
            "purpose": text(event.data, "purpose"),
            "model": text(event.data, "model"),
            "messages": [*prompt, {"role": "assistant", "content": _answer(texts, action)}],
            "texts": texts,
            "reward": steps[n].reward if n is not None else 0.0,
            "return": sum(s.reward for s in steps[n:]) if n is not None else (0.0 if seen else info.reward),
            "status": info.status,
        }
        yield redact_data(call)  # what is recorded has no secrets; older stores may


def _answer(texts: list[str], action: Action | None) -> str:
    """The text whose JSON holds the chosen action, else the first."""
    if action is not None:
        for answer in texts:
            try:
                if _names(json.loads(answer), action):
                    return answer
            except ValueError:
                continue
    return texts[0]


def _names(value: Any, action: Action) -> bool:
    if isinstance(value, Mapping):
        if action.tool in value.values() and any(
            isinstance(v, Mapping) and Action.of(action.tool, v) == action for v in (value, *value.values())
        ):
            return True
        return any(_names(v, action) for v in value.values())
    return isinstance(value, list) and any(_names(v, action) for v in value)


def to_atif(store: Store, run_id: str) -> dict[str, Any]:
    """The run as an ATIF 1.8 trajectory, plain JSON. A step that the policy took alone has `llm_call_count` 0 and no metrics."""
    from wornpath import __version__

    info = store.run(run_id)
    trace = _Trace()
    for event in store.events(info.run_id):
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            handler(trace, event)
    trace.finish(info.finished, info.summary)
    steps = [{"step_id": n, **step} for n, step in enumerate(trace.steps, 1)]
    extra = {"status": info.status, "reward": info.reward, "verdict_source": info.verdict_source}
    trajectory = {
        "schema_version": ATIF_VERSION,
        "session_id": info.run_id,
        "agent": {
            "name": "wornpath",
            "version": trace.version or __version__,
            **({"model_name": info.model} if info.model else {}),
            "extra": {"policy_version": info.policy_version},
        },
        "steps": steps,
        "final_metrics": {
            "total_prompt_tokens": info.prompt_tokens,
            "total_completion_tokens": info.completion_tokens,
            "total_cached_tokens": trace.cached,
            "total_cost_usd": info.cost_usd,
            "total_steps": len(steps),
            "extra": {"llm_calls": info.llm_calls, "skipped_llm_calls": info.skipped_llm_calls},
        },
        "extra": {key: value for key, value in extra.items() if value is not None},
    }
    clean: dict[str, Any] = redact_data(trajectory)
    return clean


@dataclass(slots=True)
class _Calls:
    """What the model calls behind one step cost together."""

    count: int = 0
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cost: float = 0.0

    def add(self, data: Mapping[str, Any]) -> None:
        usage = section(data, "usage")
        self.count += calls(data)
        self.prompt += whole(usage, "prompt")
        self.completion += whole(usage, "completion")
        self.cached += whole(usage, "cached")
        self.cost += number(usage, "cost_usd")

    def join(self, other: _Calls) -> None:
        self.count, self.prompt, self.completion = (
            self.count + other.count,
            self.prompt + other.prompt,
            self.completion + other.completion,
        )
        self.cached, self.cost = self.cached + other.cached, self.cost + other.cost

    def into(self, step: dict[str, Any]) -> None:
        step["llm_call_count"] = self.count
        if self.count:
            step["metrics"] = {
                "prompt_tokens": self.prompt,
                "completion_tokens": self.completion,
                "cached_tokens": self.cached,
                "cost_usd": self.cost,
            }


@dataclass(slots=True)
class _Trace:
    steps: list[dict[str, Any]] = field(default_factory=list)
    version: str = ""
    cached: int = 0
    ahead: _Calls = field(default_factory=_Calls)
    """Calls whose step has not come yet."""
    current: dict[str, Any] | None = None
    """The action step that later events belong to."""
    current_calls: _Calls = field(default_factory=_Calls)

    def add(self, source: str, message: str, when: float | None, **more: Any) -> dict[str, Any]:
        step: dict[str, Any] = {"source": source, "message": message, **more}
        if when:
            step["timestamp"] = (
                datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            )
        self.steps.append(step)
        return step

    def take_calls(self, step: dict[str, Any]) -> _Calls:
        taken, self.ahead = self.ahead, _Calls()
        taken.into(step)
        return taken

    def finish(self, when: float | None, summary: str) -> None:
        if summary or self.ahead.count:
            self.take_calls(self.add("agent", summary, when))


def _started(trace: _Trace, event: Event) -> None:
    trace.version = text(event.data, "version")


def _goal(trace: _Trace, event: Event) -> None:
    trace.add("user", text(section(event.data, "goal"), "text"), event.time)


def _planned(trace: _Trace, event: Event) -> None:
    subtasks = section(event.data, "plan").get("subtasks")
    lines = [f"{s.get('id')}. {s.get('description')}" for s in subtasks or () if isinstance(s, Mapping)]
    trace.current = None
    trace.take_calls(trace.add("agent", "\n".join(["Plan:", *lines]), event.time, extra={"event": event.type}))


def _called(trace: _Trace, event: Event) -> None:
    trace.cached += whole(section(event.data, "usage"), "cached")
    if trace.current is not None and event.data.get("purpose") == "argument":
        trace.current_calls.add(event.data)
        trace.current_calls.into(trace.current)
    else:
        trace.ahead.add(event.data)


def _decided(trace: _Trace, event: Event) -> None:
    decision = section(event.data, "decision")
    candidates, chosen = decision.get("candidates"), whole(decision, "chosen")
    if not isinstance(candidates, list) or not 0 <= chosen < len(candidates):
        return
    action = section(candidates[chosen], "action")
    call = {
        "tool_call_id": f"call_{event.seq}",
        "function_name": text(action, "tool"),
        "arguments": dict(section(action, "arguments")),
    }
    extra = {
        "by": text(decision, "by") or "llm",
        "policy_version": text(decision, "policy_version") or "prior",
        "probability": (decision.get("probabilities") or [None])[
            min(chosen, len(decision.get("probabilities") or [None]) - 1)
        ],
        "candidates": len(candidates),
    }
    step = trace.add("agent", "", event.time, tool_calls=[call], extra=extra)
    trace.current, trace.current_calls = step, trace.take_calls(step)


def _acting(trace: _Trace, event: Event) -> None:
    """The arguments as they were used: texts are written after the choice."""
    action = section(event.data, "action")
    if trace.current is not None and action:
        trace.current["tool_calls"][0]["arguments"] = dict(section(action, "arguments"))


def _acted(trace: _Trace, event: Event) -> None:
    if trace.current is None:
        return
    observation = projections.read(Observation, event.data.get("observation")) or Observation("error")
    result = {
        "source_call_id": trace.current["tool_calls"][0]["tool_call_id"],
        "content": _content(observation),
        "extra": {"result": observation.result},
    }
    trace.current["observation"] = {"results": [result]}


def _evaluated(trace: _Trace, event: Event) -> None:
    if trace.current is not None:
        extra = trace.current["extra"]
        extra["reward"] = extra.get("reward", 0.0) + number(section(event.data, "evaluation"), "reward")


def _said(trace: _Trace, event: Event) -> None:
    words = " ".join(part for part in (text(event.data, "rating"), text(event.data, "text")) if part)
    if words:
        trace.add("user", words, event.time, extra={"event": event.type})


def _answered(trace: _Trace, event: Event) -> None:
    words = " ".join(part for part in (text(event.data, "answer"), text(event.data, "comment")) if part)
    trace.add("user", words, event.time, extra={"event": event.type})


_HANDLERS = {
    "run.started": _started,
    "goal.set": _goal,
    "plan.made": _planned,
    "plan.changed": _planned,
    "model.called": _called,
    "action.decided": _decided,
    "action.started": _acting,
    "action.finished": _acted,
    "evaluation.made": _evaluated,
    "person.said": _said,
    "approval.answered": _answered,
}


def _content(observation: Observation) -> str | list[dict[str, Any]]:
    """Text alone as a string; with pictures or sound a list of parts, as ATIF has it since 1.6 and 1.8."""
    parts = [_part(part) for part in observation.parts]
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _part(part: Part) -> dict[str, Any]:
    if part.kind == "image" and part.media_type in _IMAGES:
        return {"type": "image", "source": {"media_type": part.media_type, "path": part.path}}
    if part.kind == "audio" and part.media_type.removeprefix("audio/") in _AUDIO:
        return {"type": "audio", "source": {"media_type": part.media_type, "path": part.path}}
    return {"type": "text", "text": part.text if part.kind == "text" else f"[{part.kind}: {part.path}]"}
