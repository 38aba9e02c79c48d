"""Session: the one place that holds a run's limits, approvals, resume point, and its record.

Everything that happens in a run passes `record`: it is committed to the store, folded into the tracker, and shown to whoever listens.
What a resumed run needs is read back by the same fold, so that there is no second copy of the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from wornpath.core import (
    Action,
    BudgetReached,
    Evaluation,
    Event,
    EventType,
    NeedsPerson,
    Observation,
    Risk,
    ToolError,
    Usage,
    digest,
    from_json,
    to_json,
)
from wornpath.experience import Tracker
from wornpath.guard.limits import Budget, Limits
from wornpath.guard.loops import LoopDetector
from wornpath.guard.permissions import (
    ApprovalAnswer,
    ApprovalRequest,
    ApproveMode,
    Approver,
    Permission,
    SandboxMode,
    permission,
)
from wornpath.store.protocol import Store

Listener = Callable[[Event], None]


@dataclass(slots=True)
class Unfinished:
    """Where a run that was cut off stood: an action asked about or begun, or one whose consequences were not drawn."""

    kind: Literal["approval", "started", "finished", "evaluated", "failed"]
    """Asked about; begun; done and not evaluated; evaluated, and the plan not yet adjusted; a subtask failed, and no new plan made."""
    id: str
    action: Action
    risk: Risk = "read"
    idempotent: bool = False
    question: bool = False
    reason: str = ""
    preview: str = ""
    answer: ApprovalAnswer | None = None
    """What a person had said before the run was cut off."""
    seen: Observation = Observation()


@dataclass(slots=True)
class Session:
    """The guard of one run."""

    run_id: str
    store: Store
    tracker: Tracker
    limits: Limits = field(default_factory=Limits)
    approve: ApproveMode = "on-risk"
    sandbox: SandboxMode = "workspace"
    approver: Approver | None = None
    answers: dict[str, ApprovalAnswer] = field(default_factory=dict)
    """Answers given beforehand, by request id, as `resume --allow ID` does."""
    listeners: list[Listener] = field(default_factory=list)
    budget: Budget = field(init=False)
    loops: LoopDetector = field(default_factory=LoopDetector)
    started: bool = False
    unfinished: Unfinished | None = None
    verdict: Evaluation | None = None
    """The verdict on the work as it stands; None when something was done since."""
    cycle: int = 0
    """The length of the loop that the last action closed, 0 for none."""
    tokens_judged: int = 0
    """The tokens that the evaluations of steps so far have charged."""

    def __post_init__(self) -> None:
        self.budget = Budget(self.limits)

    # -- the record --------------------------------------------------------------------------------

    def record(self, type: EventType, data: Mapping[str, Any]) -> Event:
        """Commit an event, then fold it and show it."""
        return self.record_all([(type, data)])[0]

    def record_all(self, records: Sequence[tuple[EventType, Mapping[str, Any]]]) -> list[Event]:
        """Several events in one commit: all of them are there after a crash, or none."""
        step = self.tracker.step
        events = self.store.append_many(self.run_id, [(t, data, step + (t == "action.decided")) for t, data in records])
        for event in events:
            self._fold(event)
            for listener in self.listeners:
                listener(event)
        return events

    def replay(self) -> None:
        """Read the run back from the store: the tracker, the budget and the resume point are as they were."""
        last_time = started = 0.0
        for event in self.store.events(self.run_id):
            if started and event.type in ("run.resumed", "run.paused", "run.finished"):
                cut_off = event.type == "run.resumed"  # nothing was recorded at the end of that sitting
                self.budget.spent_seconds += (last_time if cut_off else event.time) - started
                started = 0.0
            if event.type in ("run.started", "run.resumed"):
                started = event.time
            last_time = event.time
            self._fold(event)
        if started:
            self.budget.spent_seconds += last_time - started

    def _fold(self, event: Event) -> None:
        data = event.data
        match event.type:
            case "run.started":
                self.started = True
            case "model.called":
                self.budget.add(usage=from_json(Usage, data["usage"]))
            case "approval.requested":
                question = data.get("kind") == "question"
                action = from_json(Action, data["action"])
                self.unfinished = Unfinished(
                    "approval",
                    data["id"],
                    action,
                    data["risk"],
                    False,
                    question,
                    data["reason"],
                    data.get("preview", ""),
                )
            case "approval.answered":
                if self.unfinished is not None:
                    self.unfinished.answer = from_json(ApprovalAnswer, data)
            case "action.started":
                self.budget.add(steps=1)
                action = from_json(Action, data["action"])
                self.unfinished = Unfinished("started", data["id"], action, data["risk"], data.get("idempotent", False))
                self.cycle, self.verdict = 0, None
            case "action.finished":
                self._finished(from_json(Observation, data["observation"]))
            case "evaluation.made":
                self._evaluated(data["scope"], from_json(Evaluation, data["evaluation"]))
            case "subtask.finished":
                failed, left = data["status"] == "failed", self.unfinished
                self.unfinished = Unfinished("failed", "", left.action, reason=data["why"]) if failed and left else None
            case "subtask.started" | "action.decided":
                self.unfinished = None
            case "plan.made" | "plan.changed":
                self.unfinished = self.verdict = None
                self.loops.clear()
            case "loop.found":
                self.loops.clear()
            case _:
                pass
        self.tracker.apply(event)

    def _finished(self, seen: Observation) -> None:
        left = self.unfinished
        if left is not None:
            left.kind, left.seen = "finished", seen
            good = seen.result in ("ok", "empty")  # what a failure says may hold a count or a time
            self.cycle = self.loops.add(f"{left.action.key}:{seen.result}:{digest(seen.text) if good else ''}")

    def _evaluated(self, scope: str, evaluation: Evaluation) -> None:
        if scope == "run":
            self.verdict = evaluation
        elif scope == "step":
            self.tokens_judged = self.tracker.tokens_used
            if self.unfinished is not None:
                self.unfinished.kind = "evaluated"

    # -- before a call -----------------------------------------------------------------------------

    def check(self, *, step: bool = False) -> None:
        """Raise BudgetReached, recorded, when there is no room for another call."""
        try:
            self.budget.check(step=step)
        except BudgetReached as reached:
            self.record("budget.reached", {"kind": reached.kind, "value": reached.value, "limit": reached.limit})
            raise

    def permission(self, risk: Risk) -> Permission:
        return permission(risk, self.approve, self.sandbox)

    async def approved(
        self, request: ApprovalRequest, fit: Callable[[Mapping[str, Any]], object] | None = None
    ) -> ApprovalAnswer:
        """The answer to REQUEST: given beforehand, or by the approver. Raises NeedsPerson when nobody can answer.

        Edited arguments that FIT raises ToolError for are not taken: the question is put again, with what is wrong.
        """
        self._requested(request)
        while True:
            answer = self.answers.pop(request.id, None)
            if answer is None and self.approver is not None:
                answer = await self.approver(request)
            if answer is None:
                how = "--answer TEXT" if request.kind == "question" else f"--allow {request.id} or --deny {request.id}"
                raise NeedsPerson(f"{request.reason} Answer with: wornpath resume {self.run_id} {how}")
            if answer.arguments is not None and fit is not None:
                try:
                    fit(answer.arguments)
                except ToolError as error:
                    request = replace(request, reason=f"The changed arguments do not fit: {error}")
                    self._requested(request)
                    continue
            self.record("approval.answered", {"id": request.id, "comment": "", "by": "person", **to_json(answer)})
            return answer

    def _requested(self, request: ApprovalRequest) -> None:
        data = {name: getattr(request, name) for name in ("id", "kind", "risk", "reason", "preview")}
        self.record("approval.requested", {**data, "action": to_json(request.action)})

    # -- after a call ------------------------------------------------------------------------------

    def watch(self) -> int:
        """The length of the loop that the last action closed, recorded; 0 for none."""
        if self.cycle and self.unfinished is not None:
            self.record("loop.found", {"length": self.cycle, "action": to_json(self.unfinished.action)})
        return self.cycle
