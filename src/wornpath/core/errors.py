"""Errors for people: what happened, on what, and what to do next. Each kind has the exit code that the command line ends with."""

from __future__ import annotations


class WornpathError(Exception):
    """Any error Wornpath raises on purpose. `exit_code` is the command line's; the message is one sentence a person can act on."""

    exit_code = 1


class UsageError(WornpathError):
    """The caller asked for something that cannot be: a bad option, goal, workspace or file."""

    exit_code = 2


class NeedsPerson(WornpathError):
    """Only a person can go on from here: an approval or an answer is missing."""

    exit_code = 4


def of_limit(limit: float, kind: str) -> str:
    """LIMIT with its KIND: `1 step`, `20 steps`."""
    return f"{limit:g} {kind.removesuffix('s') if limit == 1 else kind}"


class BudgetReached(WornpathError):
    """A limit was reached before the next call: `kind` is steps, tokens, cost_usd or seconds."""

    exit_code = 5

    def __init__(self, kind: str, value: float, limit: float) -> None:
        super().__init__(f"The limit of {of_limit(limit, kind)} was reached ({value:g} used); raise it to go on.")
        self.kind, self.value, self.limit = kind, value, limit


class ModelUnavailable(WornpathError):
    """The language model cannot be reached or loaded: no network, a refused key, damaged weights, a server that keeps failing.
    `tries` counts the requests that were sent before giving up."""

    exit_code = 6
    tries = 1


class ModelAnswerError(WornpathError):
    """The model answered, but with nothing that can be used, even after another try. `tries` as in ModelUnavailable."""

    exit_code = 6
    tries = 1


class StoreError(WornpathError):
    """The event store could not be opened, read or written; what was written before is intact."""


class SandboxUnavailable(WornpathError):
    """Code cannot be run safely on this machine; nothing was run."""

    exit_code = 2


class ToolError(WornpathError):
    """A tool could not do what was asked. It becomes an observation of class `error`, never the end of the run."""
