"""Plans in roles: what each subtask says and expects, told apart by its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wornpath.core import Action, Plan, Predicate, canonical, digest
from wornpath.experience.filling import SURE, fill
from wornpath.experience.lifting import Lifter
from wornpath.experience.situation import Situation
from wornpath.experience.template import Template, agree

COLUMNS = "goal.columns"


def lift_plan(plan: Plan, lifter: Lifter) -> dict[str, Any]:
    """PLAN in roles: what each subtask says and expects, as templates."""
    subtasks = []
    for subtask in plan.subtasks:
        says = lifter.lift(Action.of("subtask", says=subtask.description, criterion=subtask.criterion), {})
        expects = [_lift_predicate(p, lifter) for p in subtask.predicates]
        subtasks.append(
            {
                "kind": subtask.kind,
                "says": says.as_dict(),
                "expects": expects,
                "whole": _is_goal(plan),
            }
        )
    return {"subtasks": subtasks}


def _lift_predicate(predicate: Predicate, lifter: Lifter) -> dict[str, Any]:
    """PREDICATE in roles. Values that are the goal's columns are `listed` as such, however many there are."""
    listed = len(predicate.values) > 1 and predicate.values == lifter.situation.roles.get(COLUMNS)
    values = {} if listed else {f"value{i}": v for i, v in enumerate(predicate.values)}
    lifted = lifter.lift(Action.of("expect", path=predicate.path, **values), {}).as_dict()
    return lifted | {"kind": predicate.kind} | ({"listed": COLUMNS} if listed else {})


def fill_predicate(body: Mapping[str, Any], situation: Situation) -> Predicate | None:
    """The predicate in BODY with today's things; None where it is not clear what they are."""
    found = fill(Template.from_dict(body), situation)
    if not found or found[0][1] <= SURE:
        return None
    arguments = found[0][0].arguments
    names = sorted((n for n in arguments if n.startswith("value")), key=lambda n: int(n.removeprefix("value")))
    values = tuple(str(arguments[name]) for name in names)
    if body.get("listed"):
        values = situation.roles.get(body["listed"], ())
    if len(set(values)) < len(values) or (body.get("listed") and not values):
        return None
    return Predicate(body["kind"], str(arguments["path"]), values)


def _is_goal(plan: Plan) -> bool:
    return len(plan.subtasks) == 1


def plan_id(body: Mapping[str, Any]) -> str:
    """Equal for plans of the same form: the types of subtasks and what each has to bring about. Their wording is the goal's own affair."""
    form = [
        [s["kind"], [[e["kind"], e.get("listed") or len(e["arguments"])] for e in s["expects"]]]
        for s in body["subtasks"]
    ]
    return "plan-" + digest(canonical(form))[:10]


def agree_plans(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
    """The plan of which ONE and OTHER, of the same form, are uses; None where what they expect has nothing in common. How a subtask is
    worded is no matter."""
    subtasks = []
    for mine, yours in zip(one["subtasks"], other["subtasks"], strict=True):
        expects = []
        for a, b in zip(mine["expects"], yours["expects"], strict=True):
            both = _agree_alike(Template.from_dict(a), Template.from_dict(b))
            if both is None:
                return None
            expects.append({**a, **both.as_dict()})
        says = _agree_alike(Template.from_dict(mine["says"]), Template.from_dict(yours["says"]))
        subtasks.append({**mine, "expects": expects, "says": says.as_dict() if says else mine["says"]})
    return {"subtasks": subtasks}


def _agree_alike(one: Template, other: Template) -> Template | None:
    return agree(one, other) if one.id == other.id else None
