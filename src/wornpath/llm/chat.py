"""The one protocol that every language model is spoken to with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wornpath.core import Usage

Message = Mapping[str, Any]
"""`{"role": "system" | "user" | "assistant", "content": str | list of content parts}`, as Chat Completions has it."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to one request: `texts` has one string a completion asked for.

    `logprobs` runs parallel to `texts`: the mean log-probability of a generated token, or None where the endpoint gives none.
    `usage` counts what all the calls behind this answer cost (several, where an endpoint has no `n`). `tries` counts the requests that
    were sent for it, those that failed and were repeated among them; 0 where nothing is sent anywhere.
    """

    texts: tuple[str, ...]
    logprobs: tuple[float | None, ...] = ()
    usage: Usage = Usage()
    finish_reason: str = "stop"
    model: str = ""
    tries: int = 0

    @property
    def text(self) -> str:
        return self.texts[0]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much a model can be given and asked for, in tokens: small for the embedded models, larger for remote ones."""

    state: int = 300
    """The state's text."""
    result: int = 160
    """The part of the last result that enters the state."""
    argument_context: int = 900
    """Material shown when an argument of free text is written."""
    action: int = 160
    """One proposed action."""
    text: int = 700
    """One argument of free text: a file's content, a reply, a program."""

    @classmethod
    def large(cls) -> Sizes:
        return cls(state=3000, result=2000, argument_context=12000, action=400, text=6000)


class Chat(Protocol):
    """A chat model. Implementations: `OpenAIChat`, `EmbeddedChat`, `ScriptedChat`."""

    model: str
    """The name that events record."""
    sizes: Sizes

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
        """N completions of MESSAGES, each following the JSON SCHEMA where one is given. ON_TEXT gets the pieces of a single completion
        as they arrive. Cancelling the task cancels the request.

        Raises ModelUnavailable when the endpoint cannot be reached or keeps failing.
        """
        ...

    async def aclose(self) -> None:
        """Free what the client holds. The process-wide embedded server lives on until exit."""
        ...
