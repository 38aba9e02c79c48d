"""The actor: what one step of a run is made of. Plan, observe, choose, call and evaluate; the loop over them is in `loop.py`."""

from __future__ import annotations

import contextlib
import posixpath
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from wornpath import material
from wornpath.core import (
    LOOKING,
    Action,
    Candidate,
    Decision,
    Evaluation,
    EventType,
    ModelAnswerError,
    Observation,
    Plan,
    RewardWeights,
    Scope,
    State,
    ToolError,
    WornpathError,
    digest,
    to_json,
)
from wornpath.experience import step_reward
from wornpath.footprint import Footprint
from wornpath.guard import ApprovalAnswer, ApprovalRequest, Session
from wornpath.guard.preview import preview
from wornpath.judge import predicates
from wornpath.llm.chat import Chat, Completion, Message
from wornpath.llm.parse import parse_json
from wornpath.planner import Planner, carried
from wornpath.policy import Policy
from wornpath.programs import is_program, self_contained, unfenced
from wornpath.proposer import CONTROLS, Offer, Proposer
from wornpath.recaller import Recalled, Recaller, merged
from wornpath.tools import Tool, ToolContext
from wornpath.tools.calling import call
from wornpath.tools.documents import overview
from wornpath.verdicts import Verdicts
from wornpath.writer import Writer

TOOL_SECONDS = 180.0
MAX_REPLANS = 3
MAX_BAD_ANSWERS = 3
FREE_FINISH_STEPS = 6
"""After so many steps a subtask may be called done although its predicates do not hold: the planner may have asked for the wrong thing."""


@dataclass(slots=True)
class Actor:
    """The parts of one run, and the steps made of them. Every method records what it does as events."""

    session: Session
    chat: Chat
    proposer: Proposer
    writer: Writer
    policy: Policy
    context: ToolContext
    rng: random.Random
    recaller: Recaller
    footprint: Footprint
    explore: bool = False
    on_text: Callable[[str, str], None] | None = None
    answer: str = ""
    verdicts: Verdicts = field(init=False)
    _bad_answers: int = 0
    _looked_at: int = -1
    _clings: bool = False
    """The model wrote a program again as it had been shown: it is not shown another."""
    _recalled: str = ""
    """The template of the action in hand, where it was recalled."""

    def __post_init__(self) -> None:
        self.verdicts = Verdicts(self.session, self.chat, self.context, self.ask)

    # -- the model ---------------------------------------------------------------------------------

    async def ask(
        self, purpose: str, messages: Sequence[Message], request: Awaitable[Completion], n: int = 1
    ) -> Completion:
        """Await REQUEST within the budget, and record the call."""
        data: dict[str, Any] = {"purpose": purpose, "model": self.chat.model, "n": n, "messages": list(messages)}
        started = time.monotonic()
        try:
            completion = await request
        except WornpathError as error:
            wasted = to_json(getattr(error, "usage", {}))  # answers that are of no use are paid, too
            self.session.record(
                "model.called",
                {
                    **data,
                    "usage": {"calls": 1, **wasted},
                    "seconds": time.monotonic() - started,
                    "texts": [],
                    "error": str(error),
                    "tries": getattr(error, "tries", 1),
                },
            )
            raise
        usage = completion.usage if completion.usage.calls else replace(completion.usage, calls=1)
        data |= {
            "usage": to_json(usage),
            "seconds": round(time.monotonic() - started, 3),
            "texts": list(completion.texts),
            "tries": completion.tries or usage.calls,
        }
        self.session.record("model.called", data)
        return completion

    # -- plan --------------------------------------------------------------------------------------

    async def plan(self) -> Plan:
        """Decompose the goal."""
        tracker, planner = self.session.tracker, Planner(self.chat, self._exists)
        assert tracker.goal is not None
        self.look()
        self.session.check()
        telling = await self.verdicts.telling(tracker.goal)
        known = self.recaller.plan(tracker.goal)
        if known is not None:
            plan, record = known
            why = f"it did for goals like this one: {record.ok} of {record.uses} times"
            recalled = {"recalled": record.template, "skipped": True}
            self.session.record("plan.made", {"plan": to_json(plan), "reason": why, **recalled, **telling})
            return plan
        messages = planner.messages(tracker.goal, tracker.overview, self.notes())
        completion = await self.ask("plan", messages, planner.ask(messages))
        plan = planner.read(completion.text, tracker.goal)
        self.session.record("plan.made", {"plan": to_json(plan), "reason": "the goal was set", **telling})
        return plan

    async def replan(self, reason: str, **more: Any) -> Plan:
        """A new plan for what is still to do, because of REASON. MORE is recorded with it."""
        tracker, planner = self.session.tracker, Planner(self.chat, self._exists)
        assert tracker.goal is not None
        self.session.check()
        self.look()
        messages = planner.replan_messages(tracker, reason)
        completion = await self.ask("replan", messages, planner.ask(messages, retry=True))
        revision = (tracker.plan.revision if tracker.plan else 0) + 1
        plan = planner.read(completion.text, tracker.goal, revision=revision, reason=reason)
        plan = carried(plan, tracker.plan, tracker.goal) if tracker.plan else plan
        self.session.record("plan.changed", {"plan": to_json(plan), "reason": reason, **more})
        return plan

    def _exists(self, path: str) -> bool:
        return (self.context.workspace.root / path).exists()

    def retract(self, reason: str) -> None:
        """Go through the plan again, because of REASON, without what recalled work did since the last verdict."""
        tracker = self.session.tracker
        since = [path for path, step in tracker.changed.items() if step > tracker.judged_before]
        self.reopen(reason, retracted=self.footprint.put_back(since))

    def reopen(self, reason: str, **more: Any) -> None:
        """Go through the plan again where something is made, because of REASON; what was found stays found."""
        tracker = self.session.tracker
        assert tracker.plan is not None
        subtasks = tracker.plan.subtasks
        making = [s for s in subtasks if s.kind not in LOOKING] or [subtasks[-1]]
        again = tuple(replace(s, status="pending") if s in making else s for s in subtasks)
        changed = {"plan": to_json(replace(tracker.plan, subtasks=again)), "reason": reason}
        self.session.record("plan.changed", changed | more)

    # -- observe -----------------------------------------------------------------------------------

    def look(self) -> None:
        """Refresh the map of the workspace if it changed."""
        tracker = self.session.tracker
        if self._looked_at != tracker.world:
            tracker.overview = overview(self.context.workspace, budget_chars=self.chat.sizes.state * 2)
            self._looked_at = tracker.world
            self.session.provenance.glimpse(tracker.overview)

    def notes(self) -> list[str]:
        folder = str(self.context.workspace.root)
        return [
            note.text
            for note in self.session.store.notes(run_id=self.session.run_id, folder=folder)
            if note.scope != "run"
        ]

    def observe(self) -> State:
        """The state now."""
        self.look()
        return self.recaller.placed(self.session.tracker.state(self.notes()))

    # -- choose ------------------------------------------------------------------------------------

    def offer(self) -> Offer:
        self.session.refresh()
        return self.proposer.offer(self.session.tracker, self.session.offers, can_ask=self.session.approver is not None)

    async def choose(self, state: State) -> Decision:
        """Propose candidates for STATE and let the policy choose; everything it saw is recorded. Where experience will do, the model is
        not asked."""
        tracker, offer = self.session.tracker, self.offer()
        self.session.check()
        recalled = [r for r in self.recaller.candidates(tracker, self.session.offers) if self._permits(r.action)]
        recalled = [r for r in recalled if self._free(r.action)]
        gate = self.recaller.gate(recalled, tracker, lambda a: self._permits(a) and self._free(a) and self._offered(a))
        if gate.open:
            candidates = [Candidate(r.action, "recalled", note=r.record.template) for r in gate.open]
            mask = [True] * len(candidates)
        else:
            made = await self._finish_if_done(state) or await self._propose(state, offer, recalled)
            candidates = self.proposer.complete(merged(made, recalled, self.proposer.registry), tracker, offer)
            mask = self._mask(candidates, offer)
        weights = tracker.goal.weights if tracker.goal else RewardWeights()
        known = self.recaller.enriched(state, recalled, weights)
        decision = self.policy.decide(known, candidates, mask, explore=self.explore, rng=self.rng)
        chosen = candidates[decision.chosen]
        self._recalled = chosen.note if chosen.source == "recalled" else ""
        data: dict[str, Any] = {"decision": to_json(decision), "skipped": bool(gate.open)}
        self.session.record("action.decided", data | ({"gate": gate.as_dict()} if recalled or gate.arm else {}))
        return decision

    def _offered(self, action: Action) -> bool:
        tool = self.proposer.registry.get(action.tool)
        return action.tool in CONTROLS or (tool is not None and self.session.offers(tool))

    def _permits(self, action: Action) -> bool:
        """Whether ACTION may be done without asking a person, which experience never does in the model's place."""
        tool = self.proposer.registry.get(action.tool)
        return tool is None or self.session.ruling(tool, action).permission == "allow"

    async def _propose(self, state: State, offer: Offer, recalled: Sequence[Recalled]) -> list[Candidate]:
        """The model's candidates: one where experience has a strong one of its own. Raises ModelAnswerError when it gave nothing usable
        several times in a row."""
        self.session.check()
        k = 1 if any(r.strong for r in recalled) else self.proposer.k
        messages = self.proposer.messages(offer, state.text)
        completion = await self.ask("propose", messages, self.proposer.ask(offer, messages, k=k), k)
        made, problem = self.proposer.read(completion, offer)
        self._bad_answers = 0 if made else self._bad_answers + 1
        if self._bad_answers >= MAX_BAD_ANSWERS:
            raise ModelAnswerError(
                f"{self.chat.model} gave no usable tool call {MAX_BAD_ANSWERS} times in a row ({problem}); try another model."
            )
        return made

    async def _finish_if_done(self, state: State) -> list[Candidate]:
        """`finish` as the one candidate, if the model says that the last step did what was left of the subtask: a short question, which
        a small model answers better than it thinks of finishing."""
        tracker = self.session.tracker
        active = tracker.active
        made = any(step > tracker.subtask_since for step in tracker.changed.values())
        looks = active is None or active.kind in (*LOOKING, "other")
        if (
            tracker.subtask_ok == 0
            or tracker.last_result not in ("ok", "empty")
            or not (made or looks)
            or self._open_predicates()
        ):
            return []
        messages = self.proposer.done_messages(state.text)
        completion = await self.ask("progress", messages, self.proposer.ask_done(messages))
        answer = parse_json(completion.text)
        if not isinstance(answer, dict) or answer.get("state") != "done":
            return []
        return [Candidate(Action.of("finish"), "llm", 1.0)]

    def _mask(self, candidates: Sequence[Candidate], offer: Offer) -> list[bool]:
        """Which candidates may be taken: nothing denied, no repeats, no finish before the work, no control that leads nowhere."""
        mask = [self._free(c.action) for c in candidates]
        return mask if any(mask) else [c.action.tool == "finish" for c in candidates]

    def _free(self, action: Action) -> bool:
        tracker = self.session.tracker
        active = tracker.active
        match action.tool:
            case "finish":
                return (
                    tracker.subtask_steps >= FREE_FINISH_STEPS
                    or (active is not None and active.kind == "other" and not active.predicates)
                    or (tracker.subtask_ok > 0 and not self._open_predicates())
                )
            case "replan":
                return tracker.subtask_steps >= 2 and tracker.plan is not None and tracker.plan.revision < MAX_REPLANS
            case "ask_person":
                return not tracker.is_repeat(action, False)
            case _:
                tool = self.proposer.registry.get(action.tool)
                if tool is None or self.session.ruling(tool, action).permission == "deny":
                    return False
                again = tool.risk == "write" and self._alone() and tracker.was_refused(action)
                # a program that left something undone may be mended at once
                mends = "code" in tool.text.values() and bool(self._open_predicates())
                return not again and (mends or not tracker.is_repeat(action, bool(tool.text)))

    def _alone(self) -> bool:
        """Whether the active subtask is the only one of the plan that makes something: what the checks refused is then its work."""
        plan = self.session.tracker.plan
        return plan is not None and sum(s.kind not in LOOKING or bool(s.predicates) for s in plan.subtasks) <= 1

    def _open_predicates(self) -> list[Any]:
        active = self.session.tracker.active
        held = predicates.evaluate(active.predicates, self.context.workspace) if active else {}
        return self.session.tracker.open_predicates(held)

    # -- call --------------------------------------------------------------------------------------

    async def call(self, action: Action) -> Observation:
        """Carry ACTION out: write the text it still lacks, ask for permission where needed, call the tool, record the result."""
        session = self.session
        if action.tool in CONTROLS:
            return await self._control(action)
        tool = self.proposer.registry.get(action.tool)
        if tool is None:
            return self.finish(action, "read", Observation.of(f"There is no tool named {action.tool!r}.", "error"))
        session.refresh()
        ruling = session.ruling(tool, action)
        if ruling.permission != "deny":  # else no text need be written
            action = await self._fill(tool, action)
            ruling = session.ruling(tool, action)
        if ruling.permission == "ask":
            shown = preview(tool, action, self.context.workspace)
            request = ApprovalRequest(self._id(action), action, tool.risk, ruling.reason, preview=shown)
            answer = await session.approved(request, tool, lambda given: self.edited(action, given))
            if answer.answer != "allow":
                return self.answered(action, tool.risk, answer)
            action = self.edited(action, answer.arguments)
            if forbidden := session.forbidden(tool, action):  # by a rule that is younger than the question
                return self.finish(action, tool.risk, Observation.of(forbidden, "denied"))
        elif ruling.permission == "deny":
            return self.finish(action, tool.risk, Observation.of(ruling.reason, "denied"))
        return await self.execute(tool, action)

    def edited(self, action: Action, arguments: Mapping[str, Any] | None) -> Action:
        """ACTION with the ARGUMENTS that a person put in place of its own. Raises ToolError where they do not fit the tool, or a rule
        denies them: a person at the keyboard is not above the policy."""
        if arguments is None:
            return action
        registry = self.proposer.registry
        action = registry.action(action.tool, arguments, self.context.workspace)
        ruling = self.session.ruling(registry[action.tool], action)
        if ruling.permission == "deny":
            raise ToolError(ruling.reason)
        return action

    async def execute(self, tool: Tool, action: Action) -> Observation:
        """Call TOOL: its intent is committed before, its result after."""
        session = self.session
        key = self.identify(action)
        session.record(
            "action.started",
            {"id": key, "action": to_json(action), "risk": tool.risk, "idempotent": tool.idempotent},
        )
        left = session.budget.seconds_left()
        started = time.monotonic()
        try:
            if "code" in tool.text.values() and not re.search(r"mkdir|makedirs", str(action.arguments)):
                self._make_folders()
            real = session.secrets.restored(tool, action, confined=session.sandbox != "full")
            seen = await call(tool, self.context, real, TOOL_SECONDS if left is None else min(TOOL_SECONDS, left + 1))
        except ToolError as error:
            seen = Observation.of(str(error), "error")
        seen = session.provenance.label(tool, action, self.footprint.whole(tool, seen))
        self.footprint.record(seen, action)
        seconds = round(time.monotonic() - started, 3)
        session.record("action.finished", {"id": key, "observation": to_json(seen), "seconds": seconds})
        return seen

    def finish(self, action: Action, risk: str, seen: Observation, *, started: bool = True) -> Observation:
        """Record an action that needed no tool call: its start (unless it was recorded before) and what came of it, in one commit, so that
        a refused action never looks like one that was cut off."""
        key = self._id(action)
        self.footprint.record(seen, action)
        records: list[tuple[EventType, Mapping[str, Any]]] = []
        if started:
            start = {"id": key, "action": to_json(action), "risk": risk, "idempotent": True}
            records.append(("action.started", start))
        records.append(("action.finished", {"id": key, "observation": to_json(seen), "seconds": 0.0}))
        self.session.record_all(records)
        return seen

    def answered(
        self, action: Action, risk: str, answer: ApprovalAnswer, *, question: bool = False, started: bool = True
    ) -> Observation:
        """Record what a person said, to a question or against ACTION, as what came of it."""
        if question:
            seen = Observation.of(f"The person answered: {answer.comment}" if answer.comment else "No answer.")
        else:
            seen = Observation.of(f"A person refused this{': ' if answer.comment else ''}{answer.comment}.", "denied")
        return self.finish(action, risk, seen, started=started)

    def identify(self, action: Action) -> str:
        """Tell the tools which action is in hand; returns its id in the record. The key is the id with the run's in front."""
        key = self._id(action)
        self.context.step, self.context.key = self.session.tracker.step, f"{self.session.run_id}-{key}"
        return key

    def _id(self, action: Action) -> str:
        """The id of ACTION: the one that it was asked about or begun with, else a new one."""
        left = self.session.unfinished
        if left is not None and left.kind in ("approval", "started") and left.action == action:
            return left.id
        return digest(f"{self.session.run_id}:{self.session.budget.steps}:{action.key}")[:8]

    async def _control(self, action: Action) -> Observation:
        match action.tool:
            case "finish":
                return self.finish(action, "read", Observation("ok"))
            case "replan":
                return self.finish(action, "read", Observation("ok"))
            case _:
                question = str(action.arguments.get("question", "How should I go on?"))
                request = ApprovalRequest(self._id(action), action, "read", question, kind="question")
                answer = await self.session.approved(request)
                return self.answered(action, "read", answer, question=True)

    # -- free text ---------------------------------------------------------------------------------

    async def _fill(self, tool: Tool, action: Action) -> Action:
        """ACTION with its arguments of free text written, one call each; a program that comes out as it was run before, or as prose, is
        asked for once more."""
        tracker, workspace = self.session.tracker, self.context.workspace
        for name in (n for n in tool.text if n not in action.arguments):
            kind = tool.text[name]
            wrong = (p for p in self._open_predicates() if not predicates.holds(p, workspace))
            lacking = list(dict.fromkeys(predicates.lacking(p, workspace, tracker.changed) for p in wrong))
            files = material.telling_files(tracker, workspace)
            about = material.about(tracker, workspace, files, self.chat.sizes, self.session.provenance.glimpse)
            stream = partial(self.on_text, "argument") if self.on_text else None
            for shown in (False,) if self._clings else (True, False):
                self.session.check()
                problem = material.problem(tracker, tool, kind, lacking, shown=shown)
                messages = self.writer.messages(tool, name, action, tracker, about, files, problem)
                tries = 0 if not problem else 1 if shown else 2
                completion = await self.ask(
                    "argument", messages, self.writer.write(messages, tries=tries, on_text=stream)
                )
                text = unfenced(completion.text, kind)
                if kind == "code":
                    text = material.spelled(self_contained(text, tracker.programs()), self._outputs(), workspace)
                written = Action.of(action.tool, {**action.arguments, name: text})
                self._clings |= bool(problem) and written.key in tracker.tried
                if not (problem and kind == "code") or (written.key not in tracker.tried and is_program(text)):
                    break
            action = written
        return action

    def _outputs(self) -> list[str]:
        """The files that the active subtask is to make."""
        active = self.session.tracker.active
        return [p.path for p in active.predicates if p.kind == "exists"] if active else []

    def _make_folders(self) -> None:
        """Make the folders of the files that the active subtask is to make: programs forget it."""
        workspace = self.context.workspace
        for folder in {posixpath.dirname(path) for path in self._outputs()} - {""}:
            if workspace.writable and workspace.stat(folder) is None:
                with contextlib.suppress(ToolError):
                    self.context.before_write(folder)
                    workspace.make_folder(folder)

    # -- evaluate ----------------------------------------------------------------------------------

    def evaluate(self, seen: Observation) -> Evaluation:
        """The reward of the step just taken."""
        tracker = self.session.tracker
        assert tracker.goal is not None
        if tracker.last is not None:
            self.recaller.done(tracker, tracker.last, seen, self._recalled)
            self._recalled = ""
        spent = tracker.tokens_used - self.session.tokens_judged
        loop = bool(self.session.watch())
        evaluation = step_reward(seen, tracker.goal.weights, tokens=spent, loop=loop)
        self.session.record("evaluation.made", {"scope": "step", "evaluation": to_json(evaluation)})
        return evaluation

    def charge_rest(self) -> None:
        """Charge the tokens spent since the last step, on the answer and the judge, to that step."""
        tracker = self.session.tracker
        spent = tracker.tokens_used - self.session.tokens_judged
        if spent and tracker.step and tracker.goal is not None:
            evaluation = Evaluation(round(tracker.goal.weights.thousand_tokens * spent / 1000, 6))
            self.session.record("evaluation.made", {"scope": "subtask", "evaluation": to_json(evaluation)})

    def subtask_done(self) -> bool:
        """Whether what the planner expects of the active subtask holds, by this subtask's own work."""
        active = self.session.tracker.active
        return active is not None and bool(active.predicates) and not self._open_predicates()

    def ran_it_all(self, seen: Observation) -> bool:
        """Whether the step ran a program without fault, and nothing is known to be lacking: programs are written to do a subtask's whole
        work."""
        action = self.session.tracker.last
        code = action is not None and "code" in action.arguments
        return code and seen.result == "ok" and not self._open_predicates()

    def settled(self, seen: Observation) -> bool:
        """Whether the step ran a program that had been run before and that changed nothing any more: the model has no other idea."""
        tracker = self.session.tracker
        action = tracker.last
        tried = tracker.tried.get(action.key) if action is not None and "code" in action.arguments else None
        again = tried is not None and tried.count > 1 and seen.result in ("ok", "empty") and not seen.changed
        return again and tracker.subtask_ok > 0 and not self._open_predicates()

    # -- answer ------------------------------------------------------------------------------------

    async def write_answer(self) -> str:
        """What the run tells the user: written by the model when the answer is all there is, else made of what was done."""
        tracker = self.session.tracker
        written = [p for p in tracker.changed if (self.context.workspace.root / p).is_file()]
        if written:
            shown = ", ".join(written[:5]) + (f" and {len(written) - 5} more" if len(written) > 5 else "")
            said = [
                line for line in tracker.last_text.splitlines() if line.strip() and not line.startswith(("[", "  "))
            ]
            text = "\n".join([shown, *(said[:3] if tracker.last_result == "ok" else [])])
            self.answer = self.session.answer(text)
            return self.answer
        self.session.check()
        messages = self.writer.answer_messages(tracker)
        request = self.chat.complete(messages, max_tokens=self.chat.sizes.text // 3)
        self.answer = self.session.answer((await self.ask("answer", messages, request)).text.strip())
        return self.answer

    # -- notes -------------------------------------------------------------------------------------

    def remember(self, text: str, scope: Scope) -> None:
        """Keep a note; one that holds here already, as after a crash, is not kept twice."""
        folder = str(self.context.workspace.root)
        where = {"run": self.session.run_id, "folder": folder, "user": ""}[scope]
        there = self.session.store.notes(run_id=self.session.run_id, folder=folder)
        if any((note.text, note.scope, note.where) == (text, scope, where) for note in there):
            return
        mark = {"untrusted": True} if self.session.provenance.tainted else {}
        self.session.record("note.added", {"text": text, "scope": scope, "where": where, **mark})
