"""What `AutoGPT` is given, looked at before anything begins: a mistake is one sentence at once, and no traceback in the middle of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from wornpath.core import MAX_GOAL, Goal, UsageError
from wornpath.guard import ApproveMode, Limits, SandboxMode
from wornpath.tools import Tool


def read_goal(target: str | Goal, workspace: str | Path, checks: Sequence[str] | str, rubric: str) -> Goal:
    """The goal in one piece; a single check needs no list. Raises UsageError for one that is no text, empty, or too long."""
    if isinstance(target, str):
        checks = (checks,) if isinstance(checks, str) else tuple(checks)
        target = Goal(target.strip(), str(workspace), checks, rubric)
    if not isinstance(target, Goal):
        raise UsageError(f"The goal is {_kind(target)}; say in a sentence what should be done.")
    if not target.text:
        raise UsageError("The goal is empty; say in a sentence what should be done.")
    if len(target.text) > MAX_GOAL:
        raise UsageError(
            f"The goal has {len(target.text):,} characters; at most {MAX_GOAL:,} fit. Put long material into a file."
        )
    if empty := [check for check in target.checks if not isinstance(check, str) or not check.strip()]:
        raise UsageError(f"{empty[0]!r} is no check; a check is a shell command that exits 0 when the goal is met.")
    return target


def check_options(approve: str, sandbox: str, candidates: int, limits: Any) -> None:
    """Raise UsageError for an option that there is not: a mode with a slip in its name must not become another one."""
    for name, value, known in (("approve", approve, ApproveMode), ("sandbox", sandbox, SandboxMode)):
        if value not in get_args(known):
            raise UsageError(f"{name} must be one of {', '.join(get_args(known))}, not {value!r}.")
    if not isinstance(candidates, int) or not 1 <= candidates <= 8:
        raise UsageError(f"candidates must be 1 to 8, not {candidates!r}.")
    if limits is not None and not isinstance(limits, Limits):
        raise UsageError(f"limits is {_kind(limits)}; give wornpath.guard.Limits(max_steps=...).")


def check_parts(model: Any, policy: Any, approver: Any, tools: Any) -> None:
    """Raise UsageError for own parts that lack what their protocols ask for."""
    if model is not None and not isinstance(model, str):
        _has(model, "model", ("model", "sizes", "complete"), "wornpath.llm.Chat")
    if policy is not None:
        _has(policy, "policy", ("version", "decide"), "wornpath.policy.Policy")
    if approver is not None and not callable(approver):
        raise UsageError(f"approver is {_kind(approver)}; give a function that takes a wornpath.guard.ApprovalRequest.")
    if isinstance(tools, Tool) or callable(tools):
        raise UsageError("tools is a single tool; give a list: tools=[...].")


def _has(thing: Any, name: str, members: Sequence[str], protocol: str) -> None:
    if lacking := [member for member in members if not hasattr(thing, member)]:
        raise UsageError(f"{name} is {_kind(thing)}, which has no {' and no '.join(lacking)}; see {protocol}.")


def _kind(thing: Any) -> str:
    return "a class" if isinstance(thing, type) else f"of type {type(thing).__name__}"
