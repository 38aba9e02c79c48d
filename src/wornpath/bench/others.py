"""What others do with past runs, as arms to compare with: an exact cache of plans and actions, and successes shown in the prompt.

Both stand between the agent and its model and see what any such layer would: the goal, the requests, the answers, and how the run ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from wornpath.core import Episode, Usage
from wornpath.llm.chat import Chat, Completion, Message, Sizes
from wornpath.llm.tokens import clip
from wornpath.store.protocol import Store

_SLOT = re.compile(
    r"(?:[\w-]+/)*[\w-]+\.[a-z]\w{0,4}\b|(?:[\w-]+/)+|\d[\d.:-]*|[A-Z][\w&]*(?: (?:& )?[A-Z][\w&]*)*|[a-z]+_\w+|\b\w+,\w[\w,]*",
    re.ASCII,
)
_REJECTED = ("is not right yet", "It failed:", "A program for this failed before")
SHOWN_TOKENS = 300
"""What past successes may take of each prompt: as much as the state itself."""


def purpose(schema: Mapping[str, Any] | None) -> str:
    """What a request is for, as its schema tells."""
    if schema is None:
        return "text"
    if "anyOf" in schema:
        return "propose"
    return str(next(iter(schema.get("properties", {"other": 0}))))


def template(goal: str) -> tuple[str, list[str]]:
    """GOAL with slots for its names, numbers and paths, and what stands in them."""
    values = [m[0].strip() for m in _SLOT.finditer(goal)]
    return _SLOT.sub("§", goal), values


class _Between:
    """A chat in front of another."""

    def __init__(self, inner: Chat) -> None:
        self.inner = inner
        self.model: str = inner.model
        self.sizes: Sizes = inner.sizes

    async def aclose(self) -> None:
        await self.inner.aclose()


# -- an exact cache ------------------------------------------------------------------------------------


class Cache:
    """Goal template → the values it had and the answers that led to success. FILE keeps what each run changed of that, so that it can be
    taken back."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._changes: list[tuple[str, str, dict[str, Any] | None]] = (
            [tuple(c) for c in json.loads(file.read_text("utf-8"))] if file.exists() else []
        )
        self._known = _folded(self._changes)
        self._chat: _Replay | None = None
        self._goal = ""

    def chat(self, inner: Chat, goal: str) -> Chat:
        key, values = template(goal)
        known = self._known.get(key)
        script = _with(known, values) if known is not None else []
        self._goal, self._chat = goal, _Replay(inner, script)
        return self._chat

    @property
    def served(self) -> int:
        return self._chat.served if self._chat is not None else 0

    def ended(self, met: bool, run_id: str) -> None:
        """Keep the answers of a success, in place of those of an earlier one; forget those that failed."""
        assert self._chat is not None
        key, values = template(self._goal)
        if met:
            self._change([*self._changes, (run_id, key, {"values": values, "answers": self._chat.given})])
        elif self._chat.served:
            self._change([*self._changes, (run_id, key, None)])

    def forget(self, run_id: str) -> None:
        """Take back what RUN_ID and later runs changed."""
        self._change([c for c in self._changes if c[0] < run_id])

    def _change(self, changes: list[tuple[str, str, dict[str, Any] | None]]) -> None:
        self._changes, self._known = changes, _folded(changes)
        self._file.write_text(json.dumps(changes, ensure_ascii=False), "utf-8")


def _folded(changes: Iterable[tuple[str, str, dict[str, Any] | None]]) -> dict[str, dict[str, Any]]:
    """What is known after CHANGES."""
    last = {key: entry for _, key, entry in changes}
    return {key: entry for key, entry in last.items() if entry is not None}


def _with(known: Mapping[str, Any], values: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The answers of KNOWN with today's VALUES where it had its own."""
    swap = {old: new for old, new in zip(known["values"], values, strict=True) if old != new}
    if not swap:
        return [(p, list(texts)) for p, texts in known["answers"]]
    pattern = re.compile("|".join(re.escape(old) for old in sorted(swap, key=len, reverse=True)))
    return [(p, [pattern.sub(lambda m: swap[m[0]], text) for text in texts]) for p, texts in known["answers"]]


class _Replay(_Between):
    """Gives the answers of SCRIPT while the requests are of the same kinds and nothing goes wrong, then asks."""

    def __init__(self, inner: Chat, script: list[tuple[str, list[str]]]) -> None:
        super().__init__(inner)
        self._script = script
        self.served = 0
        self.given: list[tuple[str, list[str]]] = []

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
        kind = purpose(schema)
        wrong = any(mark in str(m["content"]) for m in messages for mark in _REJECTED)
        if self._script and self._script[0][0] == kind and not wrong:
            texts = self._script.pop(0)[1]
            self.served += 1
            self.given.append((kind, texts))
            return Completion(
                tuple(texts[i % len(texts)] for i in range(n)), (None,) * n, Usage(calls=1), "stop", self.model
            )
        self._script = []
        if wrong:
            self.given = [entry for entry in self.given if entry[0] == "subtasks"][
                :1
            ]  # what failed is not worth keeping
        answer = await self.inner.complete(
            messages, schema=schema, n=n, max_tokens=max_tokens, temperature=temperature, stop=stop, on_text=on_text
        )
        self.given.append((kind, list(answer.texts)))
        return answer


# -- memory in the prompt ------------------------------------------------------------------------------


class Recollection:
    """Goals that were met, what was done for them and in which run, kept in FILE; the one most like today's goal is shown."""

    def __init__(self, file: Path, most: int = 400) -> None:
        self._file, self._most = file, most
        self._past: list[tuple[str, str, str]] = (
            [tuple(p) for p in json.loads(file.read_text("utf-8"))] if file.exists() else []
        )

    def chat(self, inner: Chat, goal: str) -> Chat:
        mine = _words(goal)
        best = max(self._past, key=lambda past: _likeness(mine, _words(past[0])), default=None)
        return _Reminded(inner, clip(f"Solved before. {best[0]}\n{best[1]}", SHOWN_TOKENS) if best else "")

    def keep(self, store: Store, episode: Episode) -> None:
        done = []
        for event in store.events(episode.result.run_id, types=("action.started",)):
            action = event.data["action"]
            arguments = dict(action.get("arguments", {}))
            code = arguments.pop("code", "")
            done.append(f"{action['tool']} {json.dumps(arguments, ensure_ascii=False)}" + (f"\n{code}" if code else ""))
        self._write([*self._past, (episode.goal.text, "\n".join(done[-3:]), episode.result.run_id)][-self._most :])

    def forget(self, run_id: str) -> None:
        """Take back what RUN_ID and later runs added."""
        self._write([past for past in self._past if past[2] < run_id])

    def _write(self, past: list[tuple[str, str, str]]) -> None:
        self._past = past
        self._file.write_text(json.dumps(past, ensure_ascii=False), "utf-8")


class _Reminded(_Between):
    """Adds a text to the system message of every request for a plan, an action or an argument."""

    def __init__(self, inner: Chat, text: str) -> None:
        super().__init__(inner)
        self._text = text

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
        shown = list(messages)
        if self._text and purpose(schema) in ("subtasks", "propose", "text"):
            shown = [
                {**m, "content": f"{m['content']}\n{self._text}"} if m["role"] == "system" else m for m in messages
            ]
        return await self.inner.complete(
            shown, schema=schema, n=n, max_tokens=max_tokens, temperature=temperature, stop=stop, on_text=on_text
        )


def _words(text: str) -> frozenset[str]:
    wide = re.findall(r"[\u4e00-\u9fff]", text)
    return frozenset([*re.findall(r"[a-z]{2,}", text.lower()), *map("".join, pairwise(wide))])


def _likeness(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard's index."""
    return len(a & b) / (len(a | b) or 1)
