"""The choice of an action: candidates from experience and from the language model, which of them may be taken, and the policy's word."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from wornpath.core import (
    LOOKING,
    Action,
    Candidate,
    Decision,
    ModelAnswerError,
    RewardWeights,
    State,
    ToolError,
    to_json,
)
from wornpath.guard import Session
from wornpath.judge import predicates
from wornpath.llm.parse import parse_json
from wornpath.model_calls import ModelCalls
from wornpath.policy import Policy
from wornpath.proposer import CONTROLS, Offer, Proposer
from wornpath.recaller import Recalled, Recaller, merged
from wornpath.tools import Tool, Workspace

MAX_REPLANS = 3
MAX_BAD_ANSWERS = 3
FREE_FINISH_STEPS = 6
"""After so many steps a subtask may be called done although its predicates do not hold: the planner may have asked for the wrong thing."""


@dataclass(slots=True)
class Chooser:
    """Chooses the run's actions, and records what each choice saw."""

    session: Session
    model: ModelCalls
    proposer: Proposer
    policy: Policy
    recaller: Recaller
    workspace: Workspace
    rng: random.Random
    explore: bool = False
    recalled: str = ""
    """The template of the action in hand, where it was recalled."""
    _bad_answers: int = 0

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
            mask = self._mask(candidates)
        weights = tracker.goal.weights if tracker.goal else RewardWeights()
        known = self.recaller.enriched(state, recalled, weights)
        decision = self.policy.decide(known, candidates, mask, explore=self.explore, rng=self.rng)
        chosen = candidates[decision.chosen]
        self.recalled = chosen.note if chosen.source == "recalled" else ""
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
        completion = await self.model.ask("propose", messages, self.proposer.ask(offer, messages, k=k), k)
        made, problem = self.proposer.read(completion, offer)
        self._bad_answers = 0 if made else self._bad_answers + 1
        if self._bad_answers >= MAX_BAD_ANSWERS:
            raise ModelAnswerError(
                f"{self.model.chat.model} gave no usable tool call {MAX_BAD_ANSWERS} times in a row ({problem}); try another model."
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
            or predicates.still_open(tracker, self.workspace)
        ):
            return []
        messages = self.proposer.done_messages(state.text)
        completion = await self.model.ask("progress", messages, self.proposer.ask_done(messages))
        answer = parse_json(completion.text)
        if not isinstance(answer, dict) or answer.get("state") != "done":
            return []
        return [Candidate(Action.of("finish"), "llm", 1.0)]

    def _mask(self, candidates: Sequence[Candidate]) -> list[bool]:
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
                    or (tracker.subtask_ok > 0 and not predicates.still_open(tracker, self.workspace))
                )
            case "replan":
                return tracker.subtask_steps >= 2 and tracker.plan is not None and tracker.plan.revision < MAX_REPLANS
            case "ask_person":
                return not tracker.is_repeat(action, False)
            case _:
                tool = self.proposer.registry.get(action.tool)
                if tool is None or self.session.ruling(tool, action).permission == "deny":
                    return False
                if self._spoils(tool, action):
                    return False
                again = tool.risk == "write" and self._alone() and tracker.was_refused(action)
                # a program that left something undone may be mended at once
                mends = "code" in tool.text.values() and bool(predicates.still_open(tracker, self.workspace))
                return not again and (mends or not tracker.is_repeat(action, bool(tool.text)))

    def _spoils(self, tool: Tool, action: Action) -> bool:
        """Whether ACTION writes over a file of the user's that neither the goal nor the subtask speaks of, where another is to be made: a
        small model takes the first path that it sees."""
        tracker = self.session.tracker
        active, goal = tracker.active, tracker.goal
        if active is None or goal is None or not tool.text or tool.risk != "write":
            return False
        wanted, said = active.outputs, f"{goal.text} {active.description}".casefold()
        making = any(not self._there(path) for path in wanted)
        return making and any(
            self._there(path)
            and path not in wanted
            and path not in tracker.changed
            and PurePosixPath(path).stem.casefold() not in said
            for path in (str(action.arguments.get(name, "")) for name in tool.paths)
        )

    def _there(self, path: str) -> bool:
        try:
            return bool(path) and self.workspace.stat(path) is not None
        except ToolError:
            return False  # outside; the tool says so

    def _alone(self) -> bool:
        """Whether the active subtask is the only one of the plan that makes something: what the checks refused is then its work."""
        plan = self.session.tracker.plan
        return plan is not None and sum(s.kind not in LOOKING or bool(s.predicates) for s in plan.subtasks) <= 1
