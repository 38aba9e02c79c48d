"""Session: the one place that holds a run's limits, approvals, resume point, and its record.

Everything that happens in a run passes `record`: it is committed to the store, folded into the tracker, and shown to whoever listens.
What a resumed run needs is read back by the same fold, so that there is no second copy of the truth.
"""

from __future__ import annotations

import contextlib
import inspect
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
    Rule,
    ToolError,
    Usage,
    UsageError,
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
    Ruling,
    SandboxMode,
    permission,
    usual_reason,
)
from wornpath.guard.provenance import Provenance
from wornpath.guard.rules import ANSWER, always_denied, deciding, described, like, named_by, sometimes_allowed
from wornpath.guard.secrets import Secrets
from wornpath.store.protocol import Store
from wornpath.tools import Tool

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
    rules: list[Rule] = field(default_factory=list)
    """Those of the policy file, and those that answers made for this run. What holds in the folder or always is in the store."""
    kept: list[Rule] = field(default_factory=list)
    folder: str = ""
    """The workspace, where rules of scope folder hold."""
    secrets: Secrets = field(default_factory=Secrets)
    provenance: Provenance = field(default_factory=Provenance)
    budget: Budget = field(init=False)
    loops: LoopDetector = field(default_factory=LoopDetector)
    started: bool = False
    unfinished: Unfinished | None = None
    verdict: Evaluation | None = None
    """The verdict on the work as it stands; None when something was done since."""
    cycle: int = 0
    """The length of the loop that the last action closed, 0 for none."""
    tokens_judged: int = 0
    """The tokens that the evaluations so far have charged."""

    def __post_init__(self) -> None:
        self.budget = Budget(self.limits)

    # -- the record --------------------------------------------------------------------------------

    def record(self, type: EventType, data: Mapping[str, Any]) -> Event:
        """Commit an event, then fold it and show it."""
        return self.record_all([(type, data)])[0]

    def record_all(self, records: Sequence[tuple[EventType, Mapping[str, Any]]]) -> list[Event]:
        """Several events in one commit: all of them are there after a crash, or none."""
        step = self.tracker.step
        clean = [(t, self.secrets.data(data), step + (t == "action.decided")) for t, data in records]
        events = self.store.append_many(self.run_id, clean)
        for event in events:
            self._fold(event)
            for listener in self.listeners:
                listener(event)
        return events

    def replay(self) -> None:
        """Read the run back from the store: the tracker, the budget and the resume point are as they were."""
        last_time = started = 0.0
        for event in self.store.events(self.run_id):
            said = event.type == "person.said"  # a rating is given when the run has ended, maybe the next day
            rated = said and event.data.get("kind") == "rating"
            if started and (rated or event.type in ("run.resumed", "run.paused", "run.finished")):
                cut_off = rated or event.type == "run.resumed"  # nothing was recorded at the end of that sitting
                self.budget.spent_seconds += (last_time if cut_off else event.time) - started
                started = 0.0
            if event.type in ("run.started", "run.resumed"):
                started = event.time
            if not said:
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
                if data.get("scope") == "run" and data.get("rule"):
                    self.rules.append(from_json(Rule, data["rule"]))
            case "action.started":
                self.budget.add(steps=1)
                action, asked = from_json(Action, data["action"]), self.unfinished
                self.unfinished = Unfinished("started", data["id"], action, data["risk"], data.get("idempotent", False))
                if asked is not None and asked.id == data["id"]:
                    self.unfinished.answer = asked.answer
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
        self.provenance.apply(event)

    def _finished(self, seen: Observation) -> None:
        left = self.unfinished
        if left is not None:
            left.kind, left.seen = "finished", seen
            good = seen.result in ("ok", "empty")  # what a failure says may hold a count or a time
            self.cycle = self.loops.add(f"{left.action.key}:{seen.result}:{digest(seen.text) if good else ''}")

    def _evaluated(self, scope: str, evaluation: Evaluation) -> None:
        if scope == "run":
            self.verdict = evaluation
            return
        self.tokens_judged = self.tracker.tokens_used
        if scope == "step" and self.unfinished is not None:
            self.unfinished.kind = "evaluated"

    # -- before a call -----------------------------------------------------------------------------

    def check(self, *, step: bool = False) -> None:
        """Raise BudgetReached, recorded, when there is no room for another call."""
        try:
            self.budget.check(step=step)
        except BudgetReached as reached:
            self.record("budget.reached", {"kind": reached.kind, "value": reached.value, "limit": reached.limit})
            raise

    def offers(self, tool: Tool) -> bool:
        """Whether any action of TOOL may be done, so that it is worth offering."""
        rules = self.all_rules()
        if always_denied(rules, tool):
            return False
        allowed = permission(tool.risk, self.approve, self.sandbox)
        return allowed != "deny" or (not self._locked(tool) and sometimes_allowed(rules, tool))

    def ruling(self, tool: Tool, action: Action) -> Ruling:
        """Whether ACTION of TOOL may be done: what the modes say, what the rules say, and where its arguments come from. The one place
        that decides, for what a model proposed, what was recalled or learnt, and what is called by hand."""
        rule = deciding(self.all_rules(), tool, action, self.folder)
        if forbidden := self._forbidden(tool, rule):
            return Ruling("deny", forbidden)
        allowed = permission(tool.risk, self.approve, self.sandbox) if rule is None else rule.effect
        reason = usual_reason(action.tool, tool.risk)
        if rule is None or not rule.untrusted:
            found = self.provenance.check(tool, action, unconfined=self.sandbox == "full")
            found = [f for f in found if not named_by(rule, tool, f.argument)]
            if found:
                allowed = "ask" if allowed == "allow" else allowed
                reason = f"{reason} {'; '.join(map(str, found[:4]))}."
        if allowed == "ask" and self.approve == "never":
            return Ruling("deny", f"It would need a person, and this run asks nobody. {reason}")
        if allowed == "deny":
            reason = f"{tool.risk} actions are not allowed in this run."
        return Ruling(allowed, "" if allowed == "allow" else reason)

    def forbidden(self, tool: Tool, action: Action) -> str:
        """Why ACTION may not be done whatever a person says to it now, by the rules as they are; empty where it may."""
        self.refresh()
        return self._forbidden(tool, deciding(self.all_rules(), tool, action, self.folder))

    def _forbidden(self, tool: Tool, rule: Rule | None) -> str:
        if self._locked(tool):
            return f"{tool.risk} actions are not allowed in a read-only sandbox."
        if rule is not None and rule.effect == "deny":
            return f"A rule denies it: {described(rule)}{f' ({rule.note})' if rule.note else ''}."
        return ""

    def _locked(self, tool: Tool) -> bool:
        return self.sandbox == "read-only" and tool.risk in ("write", "delete")

    def all_rules(self) -> list[Rule]:
        """The rules of this run, and those that hold in its folder or always, as they are now."""
        return [*self.rules, *self.kept]

    def refresh(self) -> None:
        """Read the rules of the folder and of the user again: they may have been added or revoked meanwhile."""
        self.kept = self.store.rules(self.folder) if self.folder else []

    async def approved(
        self,
        request: ApprovalRequest,
        tool: Tool | None = None,
        fit: Callable[[Mapping[str, Any]], Action] | None = None,
    ) -> ApprovalAnswer:
        """The answer to REQUEST: given beforehand, or by the approver. Raises NeedsPerson when nobody can answer.

        Edited arguments that FIT raises ToolError for are not taken, nor is a scope that no rule can have: the question is put again,
        with what is wrong. An answer for longer than once becomes a rule about actions of TOOL.
        """
        if tool is not None:
            with contextlib.suppress(ToolError):
                request = replace(request, rule=described(like("allow", tool, request.action, "run", "")))
        self._requested(request)
        while True:
            answer = self.answers.pop(request.id, None)
            if answer is None and self.approver is not None:
                answer = await _asked(self.approver, request)
            if answer is None:
                how = "--answer TEXT" if request.kind == "question" else f"--allow {request.id} or --deny {request.id}"
                raise NeedsPerson(f"{request.reason} Answer with: wornpath resume {self.run_id} {how}")
            try:
                self._accept(request, answer, tool, fit)
                return answer
            except ToolError as error:
                request = replace(request, reason=f"That answer does not fit: {error}")
                self._requested(request)

    def _accept(
        self,
        request: ApprovalRequest,
        answer: ApprovalAnswer,
        tool: Tool | None,
        fit: Callable[[Mapping[str, Any]], Action] | None,
    ) -> None:
        """Record ANSWER, and the rule that it makes."""
        action = request.action
        if answer.arguments is not None and fit is not None:
            action = fit(answer.arguments)
        data = {"id": request.id, "comment": "", "by": "person", **to_json(answer)}
        if tool is not None and answer.scope != "once" and answer.answer in ("allow", "deny"):
            where = {"run": self.run_id, "folder": self.folder}.get(answer.scope, "")
            rule = like(answer.answer, tool, action, answer.scope, where)
            if answer.scope != "run":
                rule = self.store.add_rule(rule)
                self.refresh()
            data["rule"] = to_json(rule)
        self.record("approval.answered", data)

    def _requested(self, request: ApprovalRequest) -> None:
        data = {name: getattr(request, name) for name in ("id", "kind", "risk", "reason", "preview", "rule")}
        self.record("approval.requested", {**data, "action": to_json(request.action)})

    def answer(self, text: str) -> str:
        """TEXT as the user may be told it. A line with a name that only words from outside know says so; with a rule that denies `answer`
        it is left out."""
        doubtful = set(self.provenance.unvouched(text))
        if not doubtful:
            return text
        withheld = any(rule.effect == "deny" and rule.tool == ANSWER for rule in self.all_rules())
        said = "[left out: only words from outside say this]"
        lines = text.splitlines()
        if withheld:
            return "\n".join(said if line in doubtful else line for line in lines)
        return "\n".join(f"{line} [from outside only]" if line in doubtful else line for line in lines)

    # -- after a call ------------------------------------------------------------------------------

    def watch(self) -> int:
        """The length of the loop that the last action closed, recorded; 0 for none."""
        if self.cycle and self.unfinished is not None:
            self.record("loop.found", {"length": self.cycle, "action": to_json(self.unfinished.action)})
        return self.cycle


async def _asked(approver: Approver, request: ApprovalRequest) -> ApprovalAnswer | None:
    """What APPROVER says, which may be a plain function. Raises UsageError where it is no answer."""
    said = approver(request)
    answer = await said if inspect.isawaitable(said) else said
    if answer is not None and not isinstance(answer, ApprovalAnswer):
        raise UsageError(
            f"The approver answered {answer!r}; it must return an ApprovalAnswer, or None where nobody can answer."
        )
    return answer
