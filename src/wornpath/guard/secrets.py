"""Secrets of one run: kept out of its events and out of what the model reads, and put back where a file or a program needs them.

A secret gets a mark such as `[secret 3f9a1c]`, random, so that nothing about the value can be read from it. The pairs live in the memory
of this process only. A text that the model writes with a mark in it gets the value back when it goes into a file or a sandboxed program;
it is refused where it would leave the machine, and where the value is no longer known (after a resume, until the file is read again).
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from wornpath.core import Action, ToolError
from wornpath.core.redact import named_secret, random_looking, redact, redact_data, suspicious
from wornpath.llm.chat import Chat, Completion, Message
from wornpath.tools import Tool, Workspace

_MARK = re.compile(r"\[secret(?: [0-9a-f]{6})?\]")
_SETTING = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(['\"]?)(.*?)\2\s*$", re.MULTILINE)
MAX_BYTES = 64 << 10
SHORTEST = 8
MAX_FORMS = 600


@dataclass(slots=True)
class Secrets:
    """What is secret in this run."""

    marks: dict[str, str] = field(default_factory=dict)
    """Value → mark."""
    values: dict[str, str] = field(default_factory=dict)
    """Mark → value."""
    known: list[str] = field(default_factory=list)
    """Values that are secret wherever they stand, longest first."""
    _forms: list[str] = field(default_factory=list)
    """What is looked for beside the forms of secrets: the known values and those that were marked once, as they are and as programs write
    them (base64, hexadecimal, in an address), longest first."""

    def learn(self, workspace: Workspace, environment: Mapping[str, str] = os.environ) -> None:
        """Take the secrets of this process's ENVIRONMENT and of the `.env` files at the top of WORKSPACE for known."""
        found = [v for name, v in environment.items() if named_secret(name) and len(v) >= SHORTEST and not v.isalpha()]
        for entry in sorted(workspace.root.glob(".env*")):
            if entry.is_file() and not entry.is_symlink():
                try:
                    with entry.open("rb") as file:
                        text = file.read(MAX_BYTES).decode("utf-8", "replace")
                except OSError:
                    continue
                found += [value for name, _, value in _SETTING.findall(text) if named_secret(name)]
        self.known = sorted({v for v in found if len(v) >= 6 and not v.startswith("$")}, key=len, reverse=True)
        for value in self.known:
            self._watch(value)

    def text(self, text: str) -> str:
        """TEXT without its secrets."""
        for value in self._forms:
            if value in text:
                text = text.replace(value, self._mark(value, watch=False))
        return redact(text, self._mark)

    def data(self, data: Any) -> Any:
        """JSON data without its secrets."""
        whole = json.dumps(data, ensure_ascii=False, default=str)
        if not suspicious(whole) and not any(json.dumps(v, ensure_ascii=False)[1:-1] in whole for v in self._forms):
            return data
        return redact_data(data, self.text)

    def _mark(self, value: str, *, watch: bool = True) -> str:
        mark = self.marks.get(value)
        if mark is None:
            mark = f"[secret {secrets.token_hex(3)}]"
            self.marks[value], self.values[mark] = mark, value
            if watch and len(value) >= SHORTEST and random_looking(value):  # not a word that stands elsewhere, too
                self._watch(value)
        return mark

    def _watch(self, value: str) -> None:
        """Look for VALUE from now on, wherever it stands and however it is written."""
        if len(self._forms) < MAX_FORMS:
            self._forms = sorted({*self._forms, value, *_written(value)}, key=len, reverse=True)

    def restored(self, tool: Tool, action: Action, *, confined: bool) -> Action:
        """ACTION with its secrets in place of their marks. CONFINED: code runs in the sandbox.

        Raises ToolError where TOOL must not have them, or where they are no longer known.
        """
        if not any(_MARK.search(text) for text in _texts(action.arguments)):
            return action
        if tool.risk == "read":
            return action
        if not (tool.risk == "write" or (tool.risk == "execute" and confined)):
            raise ToolError(f"{tool.name} may not be given a secret; leave it out, or ask the user to do this.")

        def back(text: str) -> str:
            for mark in _MARK.findall(text):
                if mark not in self.values:
                    raise ToolError(f"The value of {mark} is not known any more; read the file that holds it again.")
                text = text.replace(mark, self.values[mark])
            return text

        return Action(action.tool, redact_data(action.arguments, back))


def _written(value: str) -> set[str]:
    """How programs write VALUE when they encode it. In base64 it stands in one of three ways, whatever is around it."""
    data = value.encode("utf-8", "replace")
    found = {data.hex(), data.hex().upper(), quote(value, safe=""), value[::-1]}
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data + b"\0\0")
        inner = whole[-(-8 * before // 6) : 8 * (before + len(data)) // 6].decode()
        found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {form for form in found if len(form) >= SHORTEST and form != value}


def _texts(value: Any) -> list[str]:
    found: list[str] = []
    redact_data(value, lambda text: found.append(text) or text)  # type: ignore[func-returns-value]
    return found


class Discreet:
    """A chat model that is told no secrets: CHAT behind the run's `Secrets`."""

    def __init__(self, chat: Chat, hidden: Secrets) -> None:
        self.chat, self.hidden = chat, hidden
        self.model, self.sizes = chat.model, chat.sizes
        self.senses = getattr(chat, "senses", False)

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
        told = [{**message, "content": self._hidden(message.get("content"))} for message in messages]
        return await self.chat.complete(
            told, schema=schema, n=n, max_tokens=max_tokens, temperature=temperature, stop=stop, on_text=on_text
        )

    def _hidden(self, content: Any) -> Any:
        """CONTENT without secrets. A picture is sent as it is: its bytes look like one."""
        if isinstance(content, list):
            return [part if part.get("type") == "image_url" else self.hidden.data(part) for part in content]
        return self.hidden.data(content)

    async def transcribe(self, name: str, sound: bytes) -> Completion:
        found: Completion = await self.chat.transcribe(name, sound)  # type: ignore[attr-defined]
        return found

    async def aclose(self) -> None:
        await self.chat.aclose()
