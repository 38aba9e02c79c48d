"""Calling a tool so that nothing it does ends the run: a time limit, and every failure as an observation."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from wornpath.core import Action, BudgetReached, NeedsPerson, Observation, ToolError
from wornpath.tools.results import to_observation
from wornpath.tools.tool import Tool, ToolContext, Verifiable

MAX_FACT = 200
VERIFY_SECONDS = 60.0


async def call(tool: Tool, context: ToolContext, action: Action, timeout: float) -> Observation:
    """What TOOL returned for ACTION within TIMEOUT seconds; an error or timeout observation where it did not return."""
    try:
        seen = to_observation(await asyncio.wait_for(tool(context, **action.arguments), timeout), context.max_chars)
        return _with_fact(action, seen)
    except TimeoutError:
        late = f"{tool.name} did not end within {timeout:g} seconds; it may have done its work or may still be at it."
        return Observation.of(late, "timeout")
    except (BudgetReached, NeedsPerson):  # not the tool's to answer: they end the run
        raise
    except ToolError as error:
        return Observation.of(str(error), "error")
    except Exception as error:  # a tool is foreign code: whatever it raises is its answer
        return Observation.of(f"{tool.name} failed: {type(error).__name__}: {str(error)[:300]}", "error")


async def outcome(tool: Tool, context: ToolContext, action: Action, idempotent: bool) -> Observation | bool | None:
    """What came of ACTION, which was cut off by a crash: its result, False when it is to be done (again), None when a person must say."""
    if not isinstance(tool, Verifiable) or getattr(tool, "verifier", tool) is None:
        return False if idempotent else None
    try:
        found = await asyncio.wait_for(tool.verify(context, **action.arguments), VERIFY_SECONDS)
    except Exception:  # foreign code: what it cannot tell, a person must
        return None
    done = Observation.of(f"{tool.name} was done before the run was cut off.")
    return _with_fact(action, done if found is True else found) if found else found


def _with_fact(action: Action, seen: Observation) -> Observation:
    """SEEN with its short result as a fact, where the tool named none: later subtasks know only facts."""
    text = seen.text.strip()
    if seen.facts or seen.result != "ok" or not text or len(text) > MAX_FACT:
        return seen
    given = ", ".join(str(value)[:40] for value in action.arguments.values())
    return replace(seen, facts=(f"{action.tool}({given}): {' '.join(text.split())}",))
