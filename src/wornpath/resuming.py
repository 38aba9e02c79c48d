"""Going on with a run that stopped: what it began with, and the action that was left open."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wornpath.caller import Caller
from wornpath.core import Goal, Observation, UsageError, from_json
from wornpath.guard import ApprovalRequest, Limits
from wornpath.guard.preview import preview
from wornpath.guard.session import Unfinished
from wornpath.tools.calling import outcome

if TYPE_CHECKING:
    from wornpath.store.protocol import Store
    from wornpath.store.runs import RunInfo

ENDED = ("met", "unmet", "unverified")
"""The statuses after which there is nothing to go on with."""


@dataclass(frozen=True, slots=True)
class Start:
    """What an earlier run was begun with, and the options that a resume changed."""

    run_id: str
    goal: Goal
    seed: int
    options: Mapping[str, Any]


def recorded_start(store: Store, run_id: str) -> Start:
    """How the run whose id starts with RUN_ID was begun. Raises UsageError when it cannot be gone on with."""
    info = not_ended(store.run(run_id))
    if info.status == "running" and info.pid != os.getpid():
        raise UsageError(f"Run {info.run_id} is at work in process {info.pid}; stop it before resuming it.")
    goal: Goal | None = None
    seed = 0
    options: dict[str, Any] = {}
    for event in store.events(info.run_id, types=["run.started", "run.resumed", "goal.set"]):
        if event.type == "goal.set":
            goal = from_json(Goal, event.data["goal"])
        else:
            options |= event.data["options"]
            seed = event.data.get("seed", seed)
    if goal is None:
        raise UsageError(f"Run {info.run_id} stopped before its goal was recorded; start it again.")
    if any("[secret" in check for check in goal.checks):
        raise UsageError(f"A check of run {info.run_id} held a secret, which is not kept; start it again.")
    return Start(info.run_id, goal, seed, options)


def not_ended(info: RunInfo) -> RunInfo:
    """INFO of a run that can be gone on with. Raises UsageError for one that has come to its end."""
    if info.status in ENDED:
        raise UsageError(
            f"Run {info.run_id} has ended ({info.status}); start a new one with: wornpath run --continue {info.run_id}"
        )
    return info


def to_data(limits: Limits) -> dict[str, Any]:
    return {name: getattr(limits, name) for name in limits.__slots__}


async def take_up(caller: Caller, left: Unfinished) -> Observation:
    """Carry the action that was LEFT out, unless it turns out to be done, and once a person agrees where one must."""
    action, tool = left.action, caller.registry.get(left.action.tool)
    begun = left.kind == "started"
    if tool is None and not left.question:
        gone = Observation.of(f"There is no tool named {action.tool!r} any more.", "error")
        return caller.finish(action, left.risk, gone, started=not begun)
    found: Observation | bool | None = None
    if begun:
        assert tool is not None
        caller.identify(action)
        found = await outcome(tool, caller.context, action, left.idempotent)
        if isinstance(found, Observation):
            found = caller.session.provenance.label(tool, action, found)
            return caller.finish(action, left.risk, found, started=False)
    doubtful = found is None
    if begun and not doubtful and not left.question:  # it was not done, and is an action like any other
        assert tool is not None
        caller.session.refresh()
        ruling = caller.session.ruling(tool, action)
        doubtful = ruling.permission == "ask" and left.answer is None
        if ruling.permission == "deny" and left.answer is None:
            return caller.finish(action, left.risk, Observation.of(ruling.reason, "denied"), started=False)
        left.reason = ruling.reason
    if doubtful:
        reason, answer = left.reason, left.answer
        if begun and found is None:
            answer = None
            reason = f"{action.tool} was cut off; it may or may not have happened. Do it (again)?"
        if answer is None:
            kind: Literal["approval", "question"] = "question" if left.question else "approval"
            shown = left.preview or preview(tool, action, caller.context.workspace)
            request = ApprovalRequest(left.id, action, left.risk, reason, kind, shown)
            answer = await caller.session.approved(request, tool, lambda given: caller.edited(action, given))
        if left.question or answer.answer != "allow":
            return caller.answered(action, left.risk, answer, question=left.question, started=not begun)
        action = caller.edited(action, answer.arguments)
    assert tool is not None
    if forbidden := caller.session.forbidden(tool, action):  # the rules may be others than when it was allowed
        return caller.finish(action, left.risk, Observation.of(forbidden, "denied"), started=not begun)
    return await caller.execute(tool, action)
