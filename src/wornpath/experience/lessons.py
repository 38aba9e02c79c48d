"""Lessons: what one run teaches, read from its events alone.

The work that led to a goal's being met is cut down to the steps that it needed, each lifted into roles; a step is told apart by its
position: the type of subtask and what was done before in it. What was recalled is counted as it went, well or badly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wornpath.experience.lifting import Lifter
from wornpath.experience.plans import lift_plan, plan_id
from wornpath.experience.reading import Step, Trace
from wornpath.experience.records import Lesson, Outcome
from wornpath.experience.template import Template

LOOKING = ("find", "read")
PLAN = "plan"
FINISH = Template("finish", {})
CONTROL_TOOLS = ("finish", "replan", "ask_person")


def position(kind: str, before: Sequence[str]) -> str:
    """Where a step stands: the type of its subtask, and the template that was used before it there (that one alone: what a long chain did
    earlier is in the workspace)."""
    return f"{kind}|{before[-1] if before else ''}"


def start(kind: str, wrong: bool) -> str:
    """The position at which a text is written: in a subtask of KIND, after something went WRONG or not. There it counts which action it is
    for, whatever the text says."""
    return f"{kind}~{'!' if wrong else ''}"


def written(kind: str, wrong: bool) -> str:
    """The position after a text was written and the action went well."""
    return f"{kind}~{'!' if wrong else ''}>"


def lessons(trace: Trace, texts: Mapping[str, Mapping[str, str]], *, roles: bool = True) -> list[Lesson]:
    """What TRACE teaches. TEXTS: tool → its arguments of free text and their kind. Nothing where nobody but a model judged it."""
    if trace.situation is None or trace.met is None:
        return []
    out: list[Lesson] = []
    lifter = Lifter(trace.situation, roles=roles)
    told: set[tuple[str, str]] = set()
    rewards = [s.reward for steps, _ in trace.passes for s in steps]
    total, gone = sum(rewards), 0.0
    uses: dict[tuple[str, str], tuple[bool, float]] = {}
    """Whether each recalled template did, all over the run, and the return from its first use: a loop over many files is one use."""
    for number, (steps, verdict) in enumerate(trace.passes):
        last = number == len(trace.passes) - 1
        good = trace.met if last else verdict == "met"
        for step in steps:
            if step.recalled:
                bare = "~" in step.at  # what text it would be was not known
                fine = (trace.met if bare else good) and step.result in ("ok", "empty")
                before, value = uses.get((step.at, step.recalled), (True, total - gone))
                uses[step.at, step.recalled] = (before and fine, value)
            gone += step.reward
    out += [Lesson(at, template, ok, value) for (at, template), (ok, value) in uses.items()]
    told |= uses.keys()
    for _, recalled in trace.plans[:1]:
        if recalled:
            told.add((PLAN, recalled))
            out.append(Lesson(PLAN, recalled, trace.met and _plan_held(trace, recalled, lifter), total))
    if trace.met:
        found = [*_good_work(trace, lifter, texts, total), *_writing(trace, lifter, texts, total)]
        out += [x for x in _unique(found) if (x.position, x.template) not in told]
    return out


def _plan_held(trace: Trace, recalled: str, lifter: Lifter) -> bool:
    """Whether the goal was met with the plan RECALLED: it was gone through again, perhaps, but no other was made."""
    last, _ = trace.plans[-1]
    return last.revision == 0 or plan_id(lift_plan(last, lifter)) == recalled


def _writing(trace: Trace, lifter: Lifter, texts: Mapping[str, Mapping[str, str]], total: float) -> list[Lesson]:
    """For what actions programs were written, whatever they said, and what was done instead. What was recalled is counted, and vouched for
    by the runs that came to it by themselves."""
    out: list[Lesson] = []
    last: Step | None = None
    for step in (s for steps, _ in trace.passes for s in steps):
        after = last is not None and last.subtask == step.subtask and last.result == "ok" and _writes(last, texts)
        at = written(step.kind, step.wrong) if after else start(step.kind, step.wrong)
        body = FINISH if step.action.tool == "finish" else lifter.bare(step.action, texts.get(step.action.tool, {}))
        if step.action.tool not in CONTROL_TOOLS or (after and body is FINISH):
            out.append(Lesson(at, body.id, True, total, "action", None if step.recalled else body))
        last = step
    return out


def _writes(step: Step, texts: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether STEP ran a program."""
    return "code" in texts.get(step.action.tool, {}).values()


def _good_work(trace: Trace, lifter: Lifter, texts: Mapping[str, Mapping[str, str]], total: float) -> list[Lesson]:
    """The plan and the needed steps of a run that met its goal, lifted."""
    out: list[Lesson] = []
    steps = trace.passes[-1][0] if trace.passes else []
    plan = trace.plans[-1][0] if trace.plans else None
    if plan is not None and plan.revision == 0:
        body = lift_plan(plan, lifter)
        out.append(Lesson(PLAN, plan_id(body), True, total, "plan", body))
    left = sum(s.reward for s in steps)
    for group in _by_subtask(steps):
        chain: list[str] = []
        kind = group[0].kind
        needed = needed_steps(group, lifter, texts)
        closes = group[-1].action.tool == "finish"
        for step, template in needed:
            # Lifted again, what was recalled may get another name, as if it were this run's own; at "~" the model wrote its text.
            known = step.recalled if "~" not in step.at else ""
            name = known or template.id
            out.append(Lesson(position(kind, chain), name, True, left, "action", None if known else template))
            chain.append(name)
        if closes and chain:
            out.append(Lesson(position(kind, chain), FINISH.id, True, left, "action", FINISH))
        left -= sum(s.reward for s in group)
    return _unique(out)


def needed_steps(
    steps: Sequence[Step], lifter: Lifter, texts: Mapping[str, Mapping[str, str]]
) -> list[tuple[Step, Template]]:
    """Those of one subtask's STEPS that its result needed, lifted: what changed something and was not done over, and the looks
    that told what it was to be done to. Where nothing was changed, the looks themselves."""
    good = [s for s in steps if s.result in ("ok", "empty") and s.action.tool not in CONTROL_TOOLS]
    acts = [s for s in good if s.changed]
    kept = [s for i, s in enumerate(acts) if not any(set(s.changed) <= set(later.changed) for later in acts[i + 1 :])]
    if not kept:
        looks = {s.action.key: s for s in good}
        return [(s, lifter.lift(s.action, texts.get(s.action.tool, {}))) for s in looks.values()]
    out: list[tuple[Step, Template]] = []
    for step in kept:
        look = _look_before(step, good)
        template = lifter.lift(step.action, texts.get(step.action.tool, {}), seen_values(look))
        needs = any(h.roles and all(r.startswith("seen") for r, _ in h.roles) for h in template.holes())
        if look is not None and needs and all(look is not s for s, _ in out):
            out.append((look, lifter.lift(look.action, texts.get(look.action.tool, {}))))
        out.append((step, template))
    return out


def _look_before(step: Step, steps: Sequence[Step]) -> Step | None:
    """The last look before STEP that brought one file to light."""
    before = steps[: next(i for i, s in enumerate(steps) if s is step)]
    return next((s for s in reversed(before) if not s.changed and len(s.entities) == 1), None)


def seen_values(look: Step | None) -> dict[str, str]:
    """What was seen on the way, by its role."""
    return {"seen alone": look.entities[0]} if look is not None else {}


def _by_subtask(steps: Sequence[Step]) -> list[list[Step]]:
    out: list[list[Step]] = []
    for step in steps:
        if out and out[-1][0].subtask == step.subtask:
            out[-1].append(step)
        else:
            out.append([step])
    return out


def _unique(found: Iterable[Lesson]) -> list[Lesson]:
    """The first lesson of each template at a position: a loop over many files is one use."""
    out: dict[tuple[str, str], Lesson] = {}
    for lesson in found:
        out.setdefault((lesson.position, lesson.template), lesson)
    return list(out.values())


def outcome(trace: Trace) -> Outcome:
    return Outcome(trace.met, trace.arm, trace.skipped, trace.tokens)
