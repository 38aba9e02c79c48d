"""The tool protocol, and what a tool is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from wornpath.core import Observation, Risk, Scope
from wornpath.sandbox.protocol import Kernel, Sandbox, SandboxLimits
from wornpath.tools.workspace import Workspace


class Text:
    """Marks an argument of long free text: `content: Annotated[str, Text]`. It stays empty in candidates and is written by one model call
    after the choice."""


class Code(Text):
    """Marks an argument that holds a program; written after the choice, as `Text` is."""


class Link:
    """Marks an argument that is fetched or posted to: `url: Annotated[str, Link]`. A link from outside is asked about first."""


class Content:
    """Marks a short argument of what is said (a subject, a message), not to whom. `Text` arguments are such too."""


class Name:
    """Marks an argument that names what is made, such as the title of an event."""


class Detail:
    """Marks an argument that is a time, an amount or an option in words; it may be computed."""


ROLES: Mapping[type, str] = {Link: "link", Content: "content", Name: "name", Detail: "detail"}


class WorkspacePath:
    """Marks an argument that is a path in the workspace, so that equal paths have one canonical spelling."""


class Senses(Protocol):
    """A model that sees and hears. Both raise ToolError where it does not take what it was given."""

    async def see(self, name: str, image: bytes, media_type: str, question: str) -> str:
        """The answer to QUESTION about the picture IMAGE, the file NAME."""
        ...

    async def hear(self, name: str, sound: bytes) -> str:
        """What is said in the recording SOUND, the file NAME."""
        ...


@dataclass(slots=True)
class ToolContext:
    """The world as a tool may see it. One instance a run; `step` and `key` change with every action."""

    workspace: Workspace
    run_id: str = ""
    run_folder: Path | None = None
    step: int = 0
    key: str = ""
    """The idempotency key of the action: the same when the action is tried again after a crash, and of no other action anywhere."""
    sandbox: Sandbox | None = None
    kernel: Kernel | None = None
    senses: Senses | None = None
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    max_chars: int = 6000
    """About how much text an observation may hold; tools page or clip beyond it, and say so."""
    remember: Callable[[str, Scope], None] = lambda text, scope: None
    made: Callable[[str], bool] = lambda path: False
    """Whether a path is this run's own making, so that it may be made anew without saying `overwrite`."""
    before_write: Callable[[str | None], None] = lambda path: None
    """Called before a change: with the path, or with None when it cannot be known (code, shell). It keeps the old content for `undo`."""


@runtime_checkable
class Tool(Protocol):
    """Something the agent can do. `@tool` makes one from a function; any object with these members will do."""

    name: str
    description: str
    """One line, for the prompt."""
    risk: Risk
    schema: Mapping[str, Any]
    """JSON schema (an object) of the arguments; `text` and `paths` name the properties marked Text or Code, and WorkspacePath."""
    text: Mapping[str, str]
    """Arguments of long free text: name → "text" or "code"."""
    paths: tuple[str, ...]
    kinds: frozenset[str]
    """The subtask kinds it fits; empty = all."""
    idempotent: bool
    """Doing it twice is the same as doing it once, so it may be repeated after a crash."""

    def canonical(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """ARGUMENTS checked and in one spelling (defaults dropped, paths relative and normal). Text arguments may be missing.

        Raises ToolError with a sentence for the model when they do not fit the schema.
        """
        ...

    async def __call__(self, context: ToolContext, **arguments: Any) -> Observation: ...


@runtime_checkable
class Verifiable(Protocol):
    """A tool that can tell, after a crash, whether an action was done."""

    async def verify(self, context: ToolContext, **arguments: Any) -> Observation | bool | None:
        """The action's result when it was done, True when there is nothing more to say of it; False when it was not done; None when
        that cannot be told. `context.key` is the key that the action had."""
        ...
