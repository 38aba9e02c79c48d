"""The Chat Completions wire format: a request's body, and what comes back, read with suspicion."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wornpath.core import Usage
from wornpath.llm import tokens
from wornpath.llm.capabilities import Capabilities
from wornpath.llm.chat import Completion, Message
from wornpath.llm.faults import Fault
from wornpath.llm.parse import parse_json, strip_thinking
from wornpath.llm.pricing import Price

_ANSWER = "answer"
_THINKING_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Request:
    """What `complete` was asked. `one_of_several` stands for one of the calls made instead of `n`."""

    messages: Sequence[Message]
    schema: Mapping[str, Any] | None
    n: int
    max_tokens: int
    temperature: float
    stop: Sequence[str] | None
    on_text: Callable[[str], None] | None = None
    one_of_several: bool = False

    def body(self, model: str, can: Capabilities) -> dict[str, Any]:
        """The request for an endpoint that CAN so much."""
        most = self.max_tokens + (_THINKING_TOKENS if can.reasoning else 0)
        body: dict[str, Any] = {"model": model, "messages": self.messages, can.token_field: most}
        if can.temperature:
            body["temperature"] = self.temperature
        if self.n > 1:
            body["n"] = self.n
        if can.logprobs and (self.n > 1 or self.one_of_several):  # only to weigh several against each other
            body["logprobs"] = True
        if self.stop and can.stop:
            body["stop"] = list(self.stop)
        if self.on_text is not None and can.stream:
            body["stream"] = True
            if can.stream_usage:
                body["stream_options"] = {"include_usage": True}
        if self.schema is not None:
            self._constrain(body, self.schema, can)
        return body

    def _constrain(self, body: dict[str, Any], schema: Mapping[str, Any], can: Capabilities) -> None:
        if can.schema in ("strict", "json_schema"):
            if wrapped(schema):
                schema = _wrap(schema)
            form: dict[str, Any] = {"name": "answer", "schema": schema}
            if can.schema == "strict" and _closed(schema):
                form["strict"] = True
            body["response_format"] = {"type": "json_schema", "json_schema": form}
            return
        if can.schema == "json_object":
            body["response_format"] = {"type": "json_object"}
        rule = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
        note = {
            "role": "system",
            "content": f"Answer with JSON only, and nothing around it, that fits this JSON schema: {rule}",
        }
        body["messages"] = [*self.messages, note]


def wrapped(schema: Mapping[str, Any]) -> bool:
    """Whether SCHEMA goes into an object of its own: OpenAI wants an object without alternatives at the root."""
    return schema.get("type") != "object" or "anyOf" in schema or "oneOf" in schema


def _wrap(schema: Mapping[str, Any]) -> dict[str, Any]:
    inner = {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}
    out = {"type": "object", "properties": {_ANSWER: inner}, "required": [_ANSWER], "additionalProperties": False}
    return {**out, **{key: schema[key] for key in ("$defs", "definitions") if key in schema}}


def _closed(schema: Any) -> bool:
    """Whether strict mode takes SCHEMA: every object lists all its properties as required and has no others."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if (properties is not None or schema.get("type") == "object") and (
            schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties or ())
        ):
            return False
        return all(map(_closed, schema.values()))
    return all(map(_closed, schema)) if isinstance(schema, (list, tuple)) else True


def read_answer(data: Any, request: Request, model: str, price: Price | None) -> Completion:
    """The completion in an endpoint's answer. Raises ValueError when DATA is none, Fault when it reports an error with status 200."""
    if isinstance(data, dict) and data.get("error"):
        raise Fault.of_body(data["error"])
    choices = data.get("choices") if isinstance(data, Mapping) else None
    if not isinstance(choices, list) or not choices:
        raise ValueError("no choices")
    texts: list[str] = []
    logprobs: list[float | None] = []
    finish = "stop"
    for choice in choices[: request.n]:
        if not isinstance(choice, Mapping) or not isinstance(choice.get("message"), Mapping):
            raise ValueError("a choice without a message")
        text = strip_thinking(_content(choice["message"]))
        texts.append(_unwrapped(text) if request.schema is not None and wrapped(request.schema) else text)
        logprobs.append(mean_logprob(choice.get("logprobs")))
        if choice.get("finish_reason") not in (None, "stop"):
            finish = str(choice["finish_reason"])
    usage = read_usage(data.get("usage"), request.messages, texts, price)
    return Completion(tuple(texts), tuple(logprobs), usage, finish, model)


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if content is None:
        content = message.get("refusal") or ""
    if isinstance(content, list):
        content = "".join(
            part.get("text") or ""
            for part in content
            if isinstance(part, Mapping) and isinstance(part.get("text"), str)
        )
    if not isinstance(content, str):
        raise ValueError("a message that is no text")
    return content


def _unwrapped(text: str) -> str:
    value = parse_json(text) if f'"{_ANSWER}"' in text else None
    if isinstance(value, dict) and len(value) == 1 and _ANSWER in value:
        return json.dumps(value[_ANSWER], ensure_ascii=False, separators=(",", ":"))
    return text


def mean_logprob(logprobs: Any) -> float | None:
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, list):
        return None
    values = [
        item["logprob"]
        for item in content
        if isinstance(item, Mapping) and isinstance(item.get("logprob"), (int, float))
    ]
    return max(sum(values) / len(values), -1e3) if values else None


def read_usage(record: Any, messages: Sequence[Message], texts: Sequence[str], price: Price | None) -> Usage:
    """What the endpoint says the call used; an estimate where it says nothing."""
    if not isinstance(record, Mapping):
        record = {}
    prompt, completion = _number(record.get("prompt_tokens")), _number(record.get("completion_tokens"))
    if prompt is None:
        prompt = tokens.count_messages(messages)
    if completion is None:
        completion = sum(map(tokens.count, texts))
    details = record.get("prompt_tokens_details")
    cached = _number(details.get("cached_tokens")) if isinstance(details, Mapping) else None
    cached = min(cached or _number(record.get("prompt_cache_hit_tokens")) or 0, prompt)
    cost = record.get("cost")
    if not isinstance(cost, (int, float)) or not 0 <= cost < 1e6:
        cost = price.cost(prompt, completion, cached) if price else 0.0
    return Usage(prompt, completion, cached, 1, float(cost))


def told_usage(answer: Any, messages: Sequence[Message], price: Price | None) -> Usage:
    """What an ANSWER that cannot be used says it cost; nothing where it does not say."""
    record = answer.get("usage") if isinstance(answer, Mapping) else None
    return read_usage(record, messages, (), price) if isinstance(record, Mapping) and record else Usage()


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e12 else None


def joined(parts: Sequence[Completion]) -> Completion:
    """PARTS as one completion."""
    return Completion(
        tuple(text for part in parts for text in part.texts),
        tuple(logprob for part in parts for logprob in part.logprobs),
        sum((part.usage for part in parts), Usage()),
        next((part.finish_reason for part in parts if part.finish_reason != "stop"), "stop"),
        parts[0].model,
        sum(part.tries for part in parts),
    )


class Streamed:
    """Puts a stream's chunks together as the whole answer, and hands its text on as it comes."""

    def __init__(self, on_text: Callable[[str], None] | None) -> None:
        self._on_text = on_text
        self._parts: list[str] = []
        self._finish: str | None = None
        self.usage: Any = None
        """What the endpoint says the answer cost, once it has said so."""

    @property
    def began(self) -> bool:
        return bool(self._parts)

    def add(self, chunk: Any) -> None:
        if not isinstance(chunk, Mapping):
            raise ValueError("a chunk that is no object")
        self.usage = chunk.get("usage") or self.usage
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, Mapping) or choice.get("index", 0) != 0:
                continue
            self._finish = choice.get("finish_reason") or self._finish
            delta = choice.get("delta")
            text = delta.get("content") if isinstance(delta, Mapping) else None
            if isinstance(text, str) and text:
                self._parts.append(text)
                if self._on_text is not None:
                    self._on_text(text)

    def whole(self) -> dict[str, Any]:
        """The answer. Raises Fault when the stream ended before it did."""
        if self._finish is None:
            raise Fault("connection", "the stream ended halfway")
        message = {"role": "assistant", "content": "".join(self._parts)}
        return {"choices": [{"message": message, "finish_reason": self._finish}], "usage": self.usage}
