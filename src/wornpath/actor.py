"""The actor: what one step of a run is made of. Plan, observe, choose, call and evaluate; the loop over them is in `loop.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from wornpath.caller import Caller
from wornpath.chooser import Chooser
from wornpath.core import LOOKING, Evaluation, Observation, Plan, Scope, State, to_json
from wornpath.experience import step_reward
from wornpath.footprint import Footprint
from wornpath.guard import Session
from wornpath.judge import predicates
from wornpath.model_calls import ModelCalls
from wornpath.planner import Planner, carried
from wornpath.recaller import Recaller
from wornpath.tools import ToolContext
from wornpath.tools.documents import overview
from wornpath.verdicts import Verdicts
from wornpath.writer import Writer


@dataclass(slots=True)
class Actor:
    """The parts of one run, and the steps made of them. Every method records what it does as events."""

    session: Session
    model: ModelCalls
    chooser: Chooser
    caller: Caller
    writer: Writer
    context: ToolContext
    recaller: Recaller
    footprint: Footprint
    verdicts: Verdicts
    answer: str = ""
    _looked_at: int = -1

    # -- plan --------------------------------------------------------------------------------------

    async def plan(self) -> Plan:
        """Decompose the goal."""
        tracker, planner = self.session.tracker, Planner(self.model.chat, self._exists)
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
        completion = await self.model.ask("plan", messages, planner.ask(messages))
        plan = planner.read(completion.text, tracker.goal)
        self.session.record("plan.made", {"plan": to_json(plan), "reason": "the goal was set", **telling})
        return plan

    async def replan(self, reason: str, **more: Any) -> Plan:
        """A new plan for what is still to do, because of REASON. MORE is recorded with it."""
        tracker, planner = self.session.tracker, Planner(self.model.chat, self._exists)
        assert tracker.goal is not None
        self.session.check()
        self.look()
        messages = planner.replan_messages(tracker, reason)
        completion = await self.model.ask("replan", messages, planner.ask(messages, retry=True))
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
            tracker.overview = overview(self.context.workspace, budget_chars=self.model.chat.sizes.state * 2)
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

    # -- evaluate ----------------------------------------------------------------------------------

    def evaluate(self, seen: Observation) -> Evaluation:
        """The reward of the step just taken."""
        tracker = self.session.tracker
        assert tracker.goal is not None
        if tracker.last is not None:
            self.recaller.done(tracker, tracker.last, seen, self.chooser.recalled)
            self.chooser.recalled = ""
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
        tracker = self.session.tracker
        active = tracker.active
        return (
            active is not None
            and bool(active.predicates)
            and not predicates.still_open(tracker, self.context.workspace)
        )

    def ran_it_all(self, seen: Observation) -> bool:
        """Whether the step ran a program without fault, and nothing is known to be lacking: programs are written to do a subtask's whole
        work."""
        tracker = self.session.tracker
        action = tracker.last
        code = action is not None and "code" in action.arguments
        return code and seen.result == "ok" and not predicates.still_open(tracker, self.context.workspace)

    def settled(self, seen: Observation) -> bool:
        """Whether the step ran a program that had been run before and that changed nothing any more: the model has no other idea."""
        tracker = self.session.tracker
        action = tracker.last
        tried = tracker.tried.get(action.key) if action is not None and "code" in action.arguments else None
        again = tried is not None and tried.count > 1 and seen.result in ("ok", "empty") and not seen.changed
        return again and tracker.subtask_ok > 0 and not predicates.still_open(tracker, self.context.workspace)

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
        request = self.model.chat.complete(messages, max_tokens=self.model.chat.sizes.text // 3)
        self.answer = self.session.answer((await self.model.ask("answer", messages, request)).text.strip())
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
