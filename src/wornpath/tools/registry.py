"""The tools of one agent, by name and by the kind of subtask they fit."""

from __future__ import annotations

import difflib
import functools
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wornpath.core import Action, ToolError, UsageError
from wornpath.tools.decorator import FunctionTool
from wornpath.tools.tool import Tool
from wornpath.tools.workspace import Workspace

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "wornpath.tools"


class Registry:
    """Tools by name, in the order given. `warnings` says which installed tools could not be loaded."""

    def __init__(self, tools: Iterable[Tool] = (), warnings: Iterable[str] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self.warnings = tuple(warnings)
        for tool in tools:
            if not isinstance(tool, FunctionTool | Tool):
                raise UsageError(f"{tool!r} is no tool; make one of a function with @tool.")
            if tool.name in self._tools:
                raise UsageError(f"There are two tools named {tool.name}; rename one with @tool(name=...).")
            self._tools[tool.name] = tool

    @classmethod
    def standard(cls, extra: Iterable[Tool] = ()) -> Registry:
        """The built-in tools, EXTRA, and those that installed packages offer under the entry point group `wornpath.tools`.

        Raises UsageError where EXTRA has a name twice or that of a built-in tool; an installed one that is broken, or whose
        name is taken, is left out with a warning.
        """
        tools = [*standard_tools(), *extra]
        taken = {getattr(tool, "name", "") for tool in tools}
        warnings: list[str] = []
        for source, tool in _installed(warnings):
            if tool.name in taken:
                warnings.append(f"The tool {tool.name} of {source} was left out: its name is taken.")
                continue
            taken.add(tool.name)
            tools.append(tool)
        return cls(tools, warnings)

    def without(self, names: Iterable[str]) -> Registry:
        """The same without the tools called NAMES."""
        left_out = set(names)
        return Registry([tool for tool in self if tool.name not in left_out], self.warnings)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __getitem__(self, name: str) -> Tool:
        """The tool named NAME. Raises ToolError with a sentence for the model where there is none."""
        try:
            return self._tools[name]
        except KeyError:
            close = difflib.get_close_matches(str(name), self._tools, 1)
            hint = f"did you mean {close[0]}?" if close else f"the tools are {', '.join(self._tools)}."
            raise ToolError(f"There is no tool {str(name)[:60]!r}; {hint}") from None

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def for_kind(self, kind: str) -> tuple[Tool, ...]:
        """The tools that fit a subtask of KIND, in order: those made for it, and those made for all."""
        return tuple(tool for tool in self if not tool.kinds or kind in tool.kinds)

    def action(self, name: str, arguments: Mapping[str, Any], workspace: Workspace) -> Action:
        """The call of tool NAME in canonical form: arguments checked, absolute paths in WORKSPACE made relative.

        Raises ToolError with a sentence for the model where tool or arguments do not fit, or a path leaves the workspace.
        """
        tool = self[name]
        given = dict(arguments)
        for path in tool.paths:
            value = given.get(path)
            if isinstance(value, str):
                given[path] = _relative(value, workspace)
            elif isinstance(value, (list, tuple)):
                given[path] = [_relative(v, workspace) if isinstance(v, str) else v for v in value]
        return Action.of(name, tool.canonical(given))


def standard_tools() -> list[Tool]:
    """The built-in tools: files, pictures and sounds, python, shell and note. The order is the one they are shown in."""
    from wornpath.tools.changes import CHANGING
    from wornpath.tools.files import LOOKING
    from wornpath.tools.media import MEDIA
    from wornpath.tools.note import note
    from wornpath.tools.run_code import python, shell

    return [*LOOKING, *MEDIA, *CHANGING, python, shell, note]


def _relative(path: str, workspace: Workspace) -> str:
    """PATH relative to WORKSPACE, a trailing slash kept: it says that a folder is meant."""
    relative = workspace.relative(path)
    return relative + "/" if path.endswith("/") and relative != "." else relative


@functools.lru_cache(maxsize=1)
def _entry_points(path: tuple[str, ...]) -> list[EntryPoint]:
    """The packages on PATH that bring tools: looked for once a process, since every agent asks and looking takes 20 ms."""
    from importlib.metadata import entry_points

    return sorted(entry_points(group=ENTRY_POINTS), key=lambda e: (e.name, e.value))


def _installed(warnings: list[str]) -> Iterator[tuple[str, Tool]]:
    for entry in _entry_points(tuple(sys.path)):
        try:
            found = entry.load()
            for tool in found if isinstance(found, (list, tuple)) else (found,):
                if not isinstance(tool, Tool):
                    raise TypeError(f"{tool!r} is no tool")
                yield entry.value, tool
        except Exception as error:  # foreign code: whatever it raises, the agent starts without it
            warnings.append(f"The tool {entry.name} ({entry.value}) was left out: {type(error).__name__}: {error}")
