"""Lessons: what one run teaches, read from its events alone.

The work that led to a goal's being met is cut down to the steps that it needed, each lifted into roles; a step is told apart by its
position: the type of subtask and what was done before in it. What was recalled is counted as it went, well or badly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wornpath.core import Action, Event, Goal, Observation, Plan, canonical, digest, from_json
from wornpath.experience.lifting import Lifter
from wornpath.experience.records import Lesson, Outcome
from wornpath.experience.situation import Situation
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


@dataclass(slots=True)
class Step:
    """One executed action of a run."""

    kind: str
    subtask: int
    action: Action
    result: str
    changed: tuple[str, ...]
    entities: tuple[str, ...]
    """The files that it brought to light."""
    reward: float = 0.0
    recalled: str = ""
    at: str = ""
    """For what was recalled: the template, and the position it was recalled at."""
    untrusted: bool = False
    wrong: bool = False
    """Whether something had gone wrong before, so that it stood at no position of its own."""


@dataclass(slots=True)
class Trace:
    """What `read_run` finds in a run's events."""

    run_id: str = ""
    goal: Goal | None = None
    situation: Situation | None = None
    family: str = ""
    plans: list[tuple[Plan, str]] = field(default_factory=list)
    """The plans, each with the template it was recalled from, if it was."""
    passes: list[tuple[list[Step], str]] = field(default_factory=list)
    """The steps between two verdicts, and the verdict on them."""
    arm: str = ""
    skipped: int = 0
    tokens: int = 0
    verdict: str = ""
    source: str = ""
    rating: str = ""
    learn: bool = True
    tainted: bool = False
    """Whether words from outside came into it."""

    @property
    def met(self) -> bool | None:
        """Whether the goal was met, as far as anyone but a model says so; None where nobody does."""
        if self.rating:
            return self.rating == "good"
        if self.source == "judge" or self.verdict not in ("met", "unmet"):
            return None
        return self.verdict == "met"


def read_run(events: Iterable[Event]) -> Trace:
    """The trace in EVENTS of one run."""
    trace = Trace()
    steps: list[Step] = []
    kinds: dict[int, str] = {}
    active, pending = 0, Step("other", 0, Action("finish"), "", (), ())
    failed = revised = False
    errors = 0
    for event in events:
        data = event.data
        match event.type:
            case "run.started":
                trace.run_id = event.run_id
                trace.learn = bool((data.get("options") or {}).get("learn", True))
                trace.tainted = trace.tainted or bool(data.get("tainted"))
            case "goal.set":
                trace.goal = from_json(Goal, data["goal"])
                trace.family = str(data.get("family") or "")
                if data.get("situation"):
                    trace.situation = Situation.from_dict(data["situation"])
            case "plan.made" | "plan.changed":
                plan = from_json(Plan, data["plan"])
                kinds = {s.id: s.kind for s in plan.subtasks}
                trace.plans.append((plan, str(data.get("recalled") or "")))
                revised = plan.revision > 0
                if data.get("skipped"):
                    trace.skipped, trace.arm = trace.skipped + 1, trace.arm or "written"
            case "subtask.started":
                active = int(data["subtask"])
            case "model.called":
                usage = data.get("usage") or {}
                trace.tokens += usage.get("prompt", 0) + usage.get("completion", 0)
            case "action.decided":
                trace.skipped += bool(data.get("skipped"))
                gate = data.get("gate") or {}
                arm = str(gate.get("arm") or "")
                trace.arm = arm if arm == "skipped" else trace.arm or arm
                chosen = data["decision"]["candidates"][data["decision"]["chosen"]]
                note = str(chosen.get("note", "")) if chosen.get("source") == "recalled" else ""
                pending = Step(
                    kinds.get(active, "other"),
                    active,
                    Action("finish"),
                    "",
                    (),
                    (),
                    recalled=note,
                    at=str(gate.get("position") or ""),
                )
            case "action.started":
                pending.action = from_json(Action, data["action"])
            case "action.finished":
                seen = from_json(Observation, data["observation"])
                pending.result, pending.changed, pending.untrusted = seen.result, seen.changed, seen.untrusted
                trace.tainted = trace.tainted or seen.untrusted or seen.origin == "outside"
                pending.entities = tuple(e.value for e in seen.entities if e.kind == "file")
                pending.wrong = bool(failed or revised or (errors and errors == active))
                errors = active if seen.result not in ("ok", "empty") else 0
                steps.append(pending)
                pending = Step(pending.kind, active, Action("finish"), "", (), ())
            case "artifact.written":
                trace.tainted = trace.tainted or bool(data.get("untrusted"))
            case "evaluation.made":
                evaluation = data["evaluation"]
                if steps:
                    steps[-1].reward += evaluation.get("reward", 0.0)
                if data.get("scope") == "run":
                    trace.verdict, trace.source = evaluation.get("verdict", ""), evaluation.get("source", "")
                    if steps or not trace.passes:
                        trace.passes.append((steps, trace.verdict))
                    else:  # a person judged again what had been judged
                        trace.passes[-1] = (trace.passes[-1][0], trace.verdict)
                    failed |= trace.verdict == "unmet"
                    steps = []
            case "run.finished":
                if data["result"].get("status") == "budget" and trace.goal is not None and trace.goal.checks:
                    trace.verdict, trace.source = "unmet", "check"  # out of steps before the checks were met
            case "person.said":
                if data.get("kind") == "rating":
                    trace.rating = str(data.get("rating") or "").replace("none", "")
                trace.learn = trace.learn and data.get("kind") != "forget"
            case _:
                pass
    if steps:
        trace.passes.append((steps, ""))
    return trace


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
        for _, template in needed:
            out.append(Lesson(position(kind, chain), template.id, True, left, "action", template))
            chain.append(template.id)
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


# -- plans -----------------------------------------------------------------------------------------


def lift_plan(plan: Plan, lifter: Lifter) -> dict[str, Any]:
    """PLAN in roles: what each subtask says and expects, as templates."""
    subtasks = []
    for subtask in plan.subtasks:
        says = lifter.lift(Action.of("subtask", says=subtask.description, criterion=subtask.criterion), {})
        expects = [
            lifter.lift(
                Action.of("expect", path=p.path, **{f"value{i}": v for i, v in enumerate(p.values)}), {}
            ).as_dict()
            | {"kind": p.kind}
            for p in subtask.predicates
        ]
        subtasks.append(
            {
                "kind": subtask.kind,
                "says": says.as_dict(),
                "expects": expects,
                "whole": _is_goal(plan),
            }
        )
    return {"subtasks": subtasks}


def _is_goal(plan: Plan) -> bool:
    return len(plan.subtasks) == 1


def plan_id(body: Mapping[str, Any]) -> str:
    """Equal for plans of the same form: the types of subtasks and what each has to bring about. Their wording is the goal's own affair."""
    form = [[s["kind"], [[e["kind"], len(e["arguments"])] for e in s["expects"]]] for s in body["subtasks"]]
    return "plan-" + digest(canonical(form))[:10]


def outcome(trace: Trace) -> Outcome:
    return Outcome(trace.met, trace.arm, trace.skipped, trace.tokens)
