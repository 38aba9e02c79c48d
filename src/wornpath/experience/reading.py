"""What one run did, read from its events alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wornpath.core import Action, Event, Goal, Observation, Plan, from_json
from wornpath.experience.situation import Situation


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
    reader = _Reader()
    for event in events:
        reader.take(event)
    if reader.steps:
        reader.trace.passes.append((reader.steps, ""))
    reader.end()
    return reader.trace


class _Reader:
    """A fold over a run's events."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.steps: list[Step] = []
        """Those since the last verdict."""
        self._kinds: dict[int, str] = {}
        self._active, self._pending = 0, _undecided("other", 0)
        self._failed = self._revised = False
        self._errors = 0
        """The subtask whose last step failed."""
        self._ended = ""

    def take(self, event: Event) -> None:
        trace, data = self.trace, event.data
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
                self._planned(data)
            case "subtask.started":
                self._active = int(data["subtask"])
            case "model.called":
                usage = data.get("usage") or {}
                trace.tokens += usage.get("prompt", 0) + usage.get("completion", 0)
            case "action.decided":
                self._decided(data)
            case "action.started":
                self._pending.action = from_json(Action, data["action"])
            case "action.finished":
                self._finished(from_json(Observation, data["observation"]))
            case "artifact.written":
                trace.tainted = trace.tainted or bool(data.get("untrusted"))
            case "evaluation.made":
                self._evaluated(data)
            case "run.finished":
                self._ended = str(data["result"].get("status") or "")
            case "run.resumed":
                self._ended = ""
            case "person.said":
                if data.get("kind") == "rating":
                    trace.rating = str(data.get("rating") or "").replace("none", "")
                trace.learn = trace.learn and data.get("kind") != "forget"
            case _:
                pass

    def end(self) -> None:
        """Out of steps before the checks were met is as good as a verdict of theirs, whatever a person said and took back since."""
        goal = self.trace.goal
        if self._ended == "budget" and goal is not None and goal.checks:
            self.trace.verdict, self.trace.source = "unmet", "check"

    def _planned(self, data: Mapping[str, Any]) -> None:
        plan, trace = from_json(Plan, data["plan"]), self.trace
        self._kinds = {s.id: s.kind for s in plan.subtasks}
        trace.plans.append((plan, str(data.get("recalled") or "")))
        self._revised = plan.revision > 0
        if data.get("skipped"):
            trace.skipped, trace.arm = trace.skipped + 1, trace.arm or "written"

    def _decided(self, data: Mapping[str, Any]) -> None:
        trace, gate = self.trace, data.get("gate") or {}
        trace.skipped += bool(data.get("skipped"))
        arm = str(gate.get("arm") or "")
        if arm in ("skipped", "written") and trace.arm in ("shadow", "rescued"):
            trace.arm = "rescued"
        else:
            trace.arm = arm if arm == "skipped" else trace.arm or arm
        chosen = data["decision"]["candidates"][data["decision"]["chosen"]]
        self._pending = _undecided(self._kinds.get(self._active, "other"), self._active)
        self._pending.recalled = str(chosen.get("note", "")) if chosen.get("source") == "recalled" else ""
        self._pending.at = str(gate.get("position") or "")

    def _finished(self, seen: Observation) -> None:
        step = self._pending
        step.result, step.changed, step.untrusted = seen.result, seen.changed, seen.untrusted
        self.trace.tainted = self.trace.tainted or seen.untrusted or seen.origin == "outside"
        step.entities = tuple(e.value for e in seen.entities if e.kind == "file")
        step.wrong = bool(self._failed or self._revised or (self._errors and self._errors == self._active))
        self._errors = self._active if seen.result not in ("ok", "empty") else 0
        self.steps.append(step)
        self._pending = _undecided(step.kind, self._active)

    def _evaluated(self, data: Mapping[str, Any]) -> None:
        trace, evaluation = self.trace, data["evaluation"]
        if self.steps:
            self.steps[-1].reward += evaluation.get("reward", 0.0)
        if data.get("scope") != "run":
            return
        trace.verdict, trace.source = evaluation.get("verdict", ""), evaluation.get("source", "")
        if self.steps or not trace.passes:
            trace.passes.append((self.steps, trace.verdict))
        else:  # a person judged again what had been judged
            trace.passes[-1] = (trace.passes[-1][0], trace.verdict)
        self._failed |= trace.verdict == "unmet"
        self.steps = []


def _undecided(kind: str, subtask: int) -> Step:
    return Step(kind, subtask, Action("finish"), "", (), ())
