"""`@tool` makes a tool of a function: its schema from the type hints, its description from the docstring."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import itertools
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args, overload

from wornpath.core import BudgetReached, NeedsPerson, Observation, Risk, SubtaskKind, ToolError, UsageError
from wornpath.tools.results import from_error, to_observation
from wornpath.tools.schema import REQUIRED, object_schema, read_arguments
from wornpath.tools.tool import Tool, ToolContext

MAX_YIELDED = 10_000
"""So many values are taken of a generator."""


class FunctionTool:
    """A tool made from a function, which stays reachable as `function`."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        risk: Risk = "read",
        kinds: Iterable[SubtaskKind] = (),
        idempotent: bool | None = None,
        name: str | None = None,
        names: Mapping[str, Any] | None = None,
        verify: Callable[..., Any] | None = None,
    ) -> None:
        self.function = function
        self.verifier = verify
        self.name: str = name or str(getattr(function, "__name__", ""))
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", self.name):
            raise UsageError(f"{self.name!r} is no name for a tool; use letters, digits and underscores.")
        if risk not in get_args(Risk):
            raise UsageError(f"The tool {self.name} has the risk {risk!r}; the risks are {', '.join(get_args(Risk))}.")
        self.kinds = frozenset[str]((kinds,) if isinstance(kinds, str) else kinds)
        if unknown := sorted(self.kinds - set(get_args(SubtaskKind))):
            raise UsageError(
                f"The tool {self.name} has the kind {unknown[0]!r}; the kinds are {', '.join(get_args(SubtaskKind))}."
            )
        self.description = _first_sentence(inspect.getdoc(function) or "")
        self.risk: Risk = risk
        self.idempotent = risk == "read" if idempotent is None else idempotent
        self._arguments, self._takes_context = read_arguments(function, names or {})
        self.text: Mapping[str, str] = {a.name: a.text for a in self._arguments if a.text}
        self.paths = tuple(a.name for a in self._arguments if a.path)
        self.roles: Mapping[str, str] = {a.name: a.role for a in self._arguments if a.role}

    def __repr__(self) -> str:
        return f"<tool {self.name}>"

    if TYPE_CHECKING:
        schema: Mapping[str, Any]
    else:

        @functools.cached_property
        def schema(self) -> Mapping[str, Any]:
            """JSON schema of the arguments, made at first use: it takes pydantic, which is slow to import."""
            return object_schema(self._arguments)

    def canonical(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """ARGUMENTS checked and in one spelling: defaults dropped, paths normal. Text arguments may be missing.

        Raises ToolError with a sentence for the model when they do not fit the schema.
        """
        given = self._known(arguments)
        out: dict[str, Any] = {}
        for argument in self._arguments:
            if argument.name not in given:
                if not argument.optional and argument.name not in self.text:
                    raise self._missing(argument.name)
                continue
            value = argument.canonical(given[argument.name])
            if argument.default is REQUIRED or value != argument.plain_default:
                out[argument.name] = value
        return out

    async def __call__(self, context: ToolContext, **arguments: Any) -> Observation:
        """Do it. What the function raises becomes an observation of class `error`; a synchronous one runs in a thread.

        How long it may take is the caller's to limit: a cancelled thread goes on, but nothing waits for it.
        """
        try:
            first = (context,) if self._takes_context else ()
            value = await _result(functools.partial(self.function, *first, **self._values(arguments)))
            return to_observation(value, context.max_chars)
        except (BudgetReached, NeedsPerson):
            raise
        except (Exception, SystemExit) as error:
            return from_error(self.name, error, context)

    async def verify(self, context: ToolContext, **arguments: Any) -> Observation | bool | None:
        """As `Verifiable` has it: what the tool's own check says. None without one, or when it fails."""
        if self.verifier is None:
            return None
        try:
            given = {a.name: a.default for a in self._arguments if a.default is not REQUIRED} | self._values(arguments)
            found = await _result(_fitting(self.verifier, context, given))
        except Exception:  # then it cannot be told
            return None
        if found is None or found is False:
            return found
        if found is True:
            return Observation.of(f"{self.name} was done before the run was cut off.")
        return to_observation(found, context.max_chars)

    def _values(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        given = self._known(arguments)
        values: dict[str, Any] = {}
        for argument in self._arguments:
            if argument.name in given:
                values[argument.name] = argument.validate(given[argument.name])
            elif argument.default is REQUIRED:
                if not argument.optional:
                    raise self._missing(argument.name)
                values[argument.name] = None
        return values

    def _known(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        names = [a.name for a in self._arguments]
        if extra := sorted(arguments.keys() - set(names)):
            has = f"its arguments are {', '.join(names)}" if names else "it takes none"
            raise ToolError(f"{self.name} has no argument {str(extra[0])[:60]!r}; {has}.")
        return {k: v for k, v in arguments.items() if v is not None}

    def _missing(self, argument: str) -> ToolError:
        return ToolError(f"{self.name} needs the argument {argument!r}.")


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...


@overload
def tool(
    *,
    risk: Risk = "read",
    kinds: Iterable[SubtaskKind] = (),
    idempotent: bool | None = None,
    name: str | None = None,
    verify: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    risk: Risk = "read",
    kinds: Iterable[SubtaskKind] = (),
    idempotent: bool | None = None,
    name: str | None = None,
    verify: Callable[..., Any] | None = None,
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Make a tool of a function, synchronous or not: `@tool`, or `@tool(risk="write", kinds=("write",))`.

    The description is the docstring's first sentence; arguments are described in a Google, NumPy or Sphinx docstring. A
    first parameter annotated `ToolContext` (or named `context`) gets the workspace and the rest. Say the true RISK: it
    decides whether a person is asked. The function itself stays reachable as `function`, for tests of your own.

    After a crash an action may have been done or not. VERIFY is called with the same arguments to find out: it returns True, or what the
    tool would have returned, when it was done; False when it was not; None when that cannot be told. Without it, IDEMPOTENT tools are
    called again (by default, those that read), and a person is asked about the others. A tool that sends `context.key` along, to a
    service that does a request with the same key only once, is idempotent.

    Raises UsageError where the function cannot be a tool.
    """
    names = dict(sys._getframe(1).f_locals)  # so that annotations may name classes local to a function or a test

    def make(function: Callable[..., Any]) -> FunctionTool:
        return FunctionTool(
            function, risk=risk, kinds=kinds, idempotent=idempotent, name=name, names=names, verify=verify
        )

    return make if function is None else make(function)


def as_tool(thing: Tool | Callable[..., Any]) -> Tool:
    """THING itself where it is a tool, else a tool made of it, a function, as bare `@tool` does."""
    if isinstance(thing, FunctionTool | Tool):
        return thing
    if not callable(thing):
        raise UsageError(f"{thing!r} is no tool and no function that one could be made of.")
    return FunctionTool(thing)


def _fitting(verify: Callable[..., Any], context: ToolContext, values: Mapping[str, Any]) -> functools.partial[Any]:
    """VERIFY with those of a tool's VALUES that it names, and the CONTEXT if its first parameter is for that."""
    parameters = inspect.signature(verify).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    first = next(iter(parameters.values()), None)
    takes_context = first is not None and (first.name == "context" or first.annotation in (ToolContext, "ToolContext"))
    wanted = {name: value for name, value in values.items() if takes_all or name in parameters}
    return functools.partial(verify, *((context,) if takes_context else ()), **wanted)


async def _result(call: functools.partial[Any]) -> Any:
    """What CALL returns; one that is no coroutine function runs in a thread."""
    if inspect.iscoroutinefunction(call.func):
        return await call()
    value = await _in_thread(call)
    if inspect.isasyncgen(value):
        return [item async for item in value]
    return await value if inspect.isawaitable(value) else value


async def _in_thread(call: Callable[[], Any]) -> Any:
    """CALL's result from a daemon thread: at exit the interpreter waits for the loop's own, and a tool may hang."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if not done.done():
            done.set_exception(error) if error is not None else done.set_result(value)

    def work() -> None:
        value: Any = None
        error: BaseException | None = None
        try:
            value = call()
            if isinstance(value, Iterator):  # a generator: its work is done here too, and not in the event loop
                value = list(itertools.islice(value, MAX_YIELDED))
        except StopIteration as stop:  # a future refuses to carry this one
            error = RuntimeError(f"StopIteration: {stop.value}")
        except BaseException as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:  # the loop was closed meanwhile, nobody waits any more
            return

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), daemon=True, name="wornpath-tool").start()
    return await done


def _first_sentence(doc: str) -> str:
    """The first paragraph's first sentence, on one line."""
    paragraph = " ".join(doc.strip().split("\n\n", 1)[0].split())
    found = re.match(r"(.+?[.!?。])(?:\s|$)|([^。]+。)", paragraph)
    return (found[0].strip() if found else paragraph)[:200]
