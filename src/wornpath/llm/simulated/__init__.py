"""A simulated language model for benchmarks with many seeds: it sees the prompt only, and has the weaknesses of a real small model.

Its rates of failure are fitted to recorded runs of the real one (`rates.json`). What it is good for is comparing ways to use a model; its
figures are always labelled `simulated`, and no headline rests on them alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wornpath.core import Usage
from wornpath.llm import tokens
from wornpath.llm.chat import Completion, Message, Sizes
from wornpath.llm.simulated import acting, mistakes, planning, programs, rates
from wornpath.llm.simulated.chance import uniform
from wornpath.llm.simulated.reading import View


class SimulatedChat:
    """Answers the agent's own prompts. With the same SEED, the same prompts in the same order get the same answers."""

    def __init__(self, seed: int = 0, *, sizes: Sizes | None = None, fitted: Mapping[str, Any] | None = None) -> None:
        self.model = "simulated"
        self.sizes = sizes or Sizes()
        self.seed = seed
        self.rates = fitted or rates.load()
        self._asked: dict[int, int] = {}

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        n: int = 1,
        max_tokens: int = 256,
        temperature: float = 0.0,
        stop: Sequence[str] | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Completion:
        """N answers. At temperature 0 they depend on the prompt alone, else also on how often it was asked."""
        view = View.of(messages)
        prompt = view.system + view.text
        times = 0
        if temperature:
            key = hash(prompt)
            times = self._asked[key] = self._asked.get(key, 0) + 1
        texts = tuple(self._answer(view, schema, f"{prompt}\x1e{times}", sample) for sample in range(n))
        if on_text is not None and n == 1:
            on_text(texts[0])
        usage = Usage(prompt=tokens.count_messages(messages), completion=sum(map(tokens.count, texts)), calls=1)
        logprobs = tuple(-0.15 - 0.5 * uniform(self.seed, text) for text in texts)
        return Completion(texts, logprobs, usage, "stop", self.model)

    async def aclose(self) -> None:
        """Nothing to free."""

    def _answer(self, view: View, schema: Mapping[str, Any] | None, key: str, sample: int) -> str:
        if schema is None:
            return self._text(view, key)
        if "anyOf" in schema:
            return _json(self._action(view, schema, key, sample))
        names = schema.get("properties", {})
        if "subtasks" in names:
            answer = planning.plan(view, self.seed, self.rates, key)
            return answer if isinstance(answer, str) else _json(answer)
        if "state" in names:
            return _json({"state": acting.progress(view, self.seed, self.rates, key)})
        if "met" in names:
            return _json({"reason": "what the goal asks for is there", "met": uniform(self.seed, key, "met") < 0.8})
        return _json(_any(schema))

    def _action(self, view: View, schema: Mapping[str, Any], key: str, sample: int) -> dict[str, Any]:
        """Samples of one prompt agree more often than not: all start from the same first thought."""
        offered = {form["properties"]["tool"]["const"] for form in schema["anyOf"]}
        own = sample and uniform(self.seed, key, sample, "agree") >= self.rates["agree"]
        return acting.action(view, offered, self.seed, self.rates, f"{key}\x1e{sample if own else 0}")

    def _text(self, view: View, key: str) -> str:
        if not view.system.startswith("You write one short Python"):
            return _prose(view)
        marked, hard = programs.write(view) or (_LOST, 1.0)
        rates = self.rates["program"]
        again = view.crashed or view.rejected
        code = mistakes.written(
            marked, view.goal, key, self.seed, {**rates, "hazard": rates["hazard"] * hard}, again=again
        )
        return f"```python\n{code}```"


_LOST = 'from pathlib import Path\n\nfor path in sorted(Path(".").rglob("*")):\n    print(path)\n'


def _prose(view: View) -> str:
    """A text about the goal: form, not substance."""
    wide = sum("\u4e00" <= c <= "\u9fff" for c in view.goal) >= 4
    files = ", ".join(view.outputs[:3]) or "the result"
    if wide:
        return f"任务已完成：{view.goal[:60]}。结果在 {files}。"
    return f"The task is finished: {view.goal[:80]}. The result is in {files}."


def _any(schema: Mapping[str, Any]) -> Any:
    """The least that fits SCHEMA, for requests the model was not made for."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {k: _any(v) for k, v in schema.get("properties", {}).items() if k in schema.get("required", ())}
        case "array":
            return [_any(schema.get("items", {}))] * int(schema.get("minItems", 0))
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
        case _:
            return re.sub(r"\s+", " ", "as asked")


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
