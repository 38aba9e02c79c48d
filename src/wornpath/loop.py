"""The loop over a run's actor: step by step until no subtask is left, then the verdict; and the plan anew where a subtask fails or turns in
circles. What a step is made of is in `actor.py`."""

from __future__ import annotations

from collections.abc import Callable

from wornpath.actor import Actor
from wornpath.chooser import MAX_REPLANS
from wornpath.core import Action, Goal, Observation, RunStatus, Subtask, UsageError, WornpathError
from wornpath.experience.tracker import REFUSED
from wornpath.resuming import take_up
from wornpath.tools.run_code import can_be_written

MAX_SUBTASK_STEPS = 10
MAX_SUBTASK_ERRORS = 4
MAX_RETRIES = 3
"""How often a result that the checks did not accept is worked on again."""


class Paused(WornpathError):
    """The run was asked to stop after the step in hand."""

    exit_code = 130


async def work_on(actor: Actor, goal: Goal, stopped: Callable[[], bool]) -> RunStatus:
    """Work on GOAL from where ACTOR's run stands until there is a verdict on it. Raises Paused before a step, once STOPPED says so."""
    tracker = actor.session.tracker
    if tracker.plan is None:
        await actor.plan()
    _check_writable(actor)
    while True:
        while tracker.active is not None:
            if stopped():
                raise Paused("The run was stopped.")
            await _step(actor)
        await actor.write_answer()
        final_try = tracker.failures >= MAX_RETRIES and not tracker.trying
        verdict = actor.session.verdict or await actor.verdicts.judge(goal, actor.answer, final_try=final_try)
        if verdict.verdict != "unmet" or tracker.failures > MAX_RETRIES:
            return verdict.verdict
        if tracker.was_try:
            actor.retract("what was recalled from earlier runs did not do")
        else:
            await _try_again(actor)


def _check_writable(actor: Actor) -> None:
    """Raises UsageError where the plan makes a file in a folder that cannot be written: every step would fail."""
    workspace, plan = actor.context.workspace, actor.session.tracker.plan
    subtasks = plan.subtasks if plan is not None and workspace.writable else ()
    for path in (p.path for s in subtasks if s.status != "done" for p in s.predicates if p.kind != "gone"):
        file = workspace.root / path
        folder = next((folder for folder in file.parents if folder.exists()), workspace.root)
        if not file.exists() and not can_be_written(folder):
            raise UsageError(
                f"{path} cannot be made, since the folder {folder} cannot be written; change its permissions, or choose another workspace."
            )


async def _step(actor: Actor) -> None:
    session, tracker = actor.session, actor.session.tracker
    session.check(step=True)
    active = tracker.active
    assert active is not None
    if active.status == "pending":
        session.record("subtask.started", {"subtask": active.id})
        if actor.subtask_done():  # an earlier subtask's program did this one's work too
            session.record("subtask.finished", {"subtask": active.id, "status": "done", "why": active.criterion})
            return
    decision = await actor.chooser.choose(actor.observe())
    seen = await actor.caller.call(decision.action)
    actor.evaluate(seen)
    await adjust(actor, decision.action, seen)


async def adjust(actor: Actor, action: Action, seen: Observation) -> None:
    """After a step: close the subtask, or replan when it fails or turns in circles."""
    session, tracker = actor.session, actor.session.tracker
    active = tracker.active
    if active is None:
        return
    failing = tracker.subtask_errors >= MAX_SUBTASK_ERRORS or tracker.subtask_steps >= MAX_SUBTASK_STEPS
    if why := await _done(actor, active, action, seen):
        session.record("subtask.finished", {"subtask": active.id, "status": "done", "why": why})
    elif action.tool == "replan" or failing or session.cycle:
        usual = "the same steps came again" if session.cycle else "it did not succeed"
        reason = str(action.arguments.get("reason") or usual)
        session.record("subtask.finished", {"subtask": active.id, "status": "failed", "why": reason})
        await _replan(actor, reason)


async def _done(actor: Actor, active: Subtask, action: Action, seen: Observation) -> str:
    """Why the step ended the ACTIVE subtask; empty where it did not."""
    if action.tool == "finish":
        return "finished"
    if seen.result == "ok" and actor.subtask_done():
        return active.criterion
    if actor.settled(seen):
        return "the same program again changed nothing"
    accepted = await actor.verdicts.accepted(seen)
    if accepted:
        return "the checks hold"
    return "the program ran, and the checks do not hold" if accepted is False and actor.ran_it_all(seen) else ""


async def _replan(actor: Actor, reason: str) -> None:
    plan = actor.session.tracker.plan
    if plan is not None and plan.revision < MAX_REPLANS:
        await actor.replan(reason)


async def _try_again(actor: Actor) -> None:
    """The checks did not accept the result: the last plan is gone through again, and every second time a new one is made, unless it is the
    one that did before."""
    tracker, plan = actor.session.tracker, actor.session.tracker.plan
    tidied = actor.footprint.tidied()
    other = plan is not None and plan.revision < MAX_REPLANS and not actor.recaller.keeps_plan(plan)
    if tracker.failures % 2 == 0 and other:
        await actor.replan(REFUSED, **tidied)
    else:
        actor.reopen(REFUSED, **tidied)


async def settle(actor: Actor) -> None:
    """Draw the consequences that an earlier sitting did not come to."""
    left = actor.session.unfinished
    if left is None:
        return
    if left.kind == "failed":
        await _replan(actor, left.reason)
        return
    kind, seen = left.kind, left.seen
    if kind in ("approval", "started"):
        seen = await take_up(actor.caller, left)
    if kind != "evaluated":
        actor.evaluate(seen)
    await adjust(actor, left.action, seen)
