"""The verdicts on a run: what the goal's checks say of the work, else the model judge. When they are asked is in `loop.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wornpath.core import Evaluation, Goal, Observation, to_json
from wornpath.experience import final_reward
from wornpath.guard import Session
from wornpath.judge import final
from wornpath.judge import model as model_judge
from wornpath.llm.chat import Completion, Message
from wornpath.model_calls import ModelCalls
from wornpath.sandbox.protocol import SandboxLimits
from wornpath.tools import ToolContext

QUICK_CHECK_SECONDS = 20
MAX_EARLY_CHECKS = 8
"""How often in a run the checks are asked before the work is called finished: they may be slow."""


@dataclass(slots=True)
class Verdicts:
    """Asks the checks and the judge."""

    session: Session
    model: ModelCalls
    context: ToolContext
    originals: dict[str, Any] = field(default_factory=dict)
    """The files that the checks name, as they were at the start."""
    _early: int = 0
    _last: tuple[int, Evaluation] | None = None
    """The version of the workspace at which the checks were last asked, and what they said."""

    async def accepted(self, seen: Observation) -> bool | None:
        """Whether the checks hold already, after a step that changed something in the last subtask: no model need be asked whether the
        work is done. None where they were not asked."""
        tracker, goal = self.session.tracker, self.session.tracker.goal
        last = tracker.plan is not None and tracker.active == tracker.plan.subtasks[-1]
        telling = goal is not None and goal.checks and tracker.telling
        if goal is None or not telling or not last or not seen.changed or self._early >= MAX_EARLY_CHECKS:
            return None
        self._early += 1
        evaluation = await self._by_checks(goal)
        self._last = tracker.world, evaluation
        return evaluation.verdict == "met"

    async def telling(self, goal: Goal) -> dict[str, Any]:
        """What the plan's record says of the checks: nothing where they can tell when the work is done. Those that hold before it, such as
        tests that must go on passing, or that take long, cannot."""
        if not goal.checks:
            return {}
        quick = SandboxLimits(cpu_seconds=QUICK_CHECK_SECONDS, wall_seconds=QUICK_CHECK_SECONDS)
        before = await self._by_checks(goal, quick)
        return {"telling": False} if before.verdict == "met" or before.comment.endswith("timed out") else {}

    async def _by_checks(self, goal: Goal, limits: SandboxLimits = SandboxLimits()) -> Evaluation:  # noqa: B008 - frozen
        assert self.context.sandbox is not None
        log = self.context.run_folder / "checks.log" if self.context.run_folder else None
        return await final.by_checks(goal, self.context.workspace, self.context.sandbox, self.originals, log, limits)

    async def judge(self, goal: Goal, answer: str, *, final_try: bool = True) -> Evaluation:
        """The verdict on the run as it stands, with the ANSWER that the user gets: the checks if there are any, else the model judge.

        Only the end is rewarded: where there is another try, `unmet` costs nothing by itself.
        """
        last, self._last = self._last, None  # good for once: a person may change files, too
        if last and last[0] == self.session.tracker.world:
            evaluation = last[1]
        elif goal.checks:
            evaluation = await self._by_checks(goal)
        elif not self.session.tracker.llm_calls and not model_judge.trusted(self.model.chat):
            said = "done as in earlier runs, without the model"  # whose word would decide nothing
            evaluation = final_reward("unverified", "judge", goal.weights, said)
        else:
            self.session.check()
            made = final.read_artefacts(
                self.context.workspace, list(self.session.tracker.changed), self.model.chat.sizes.argument_context * 3
            )
            evaluation = await final.by_model(goal, made, answer, self.model.chat, self._judge_call)
        if evaluation.verdict == "unmet" and not final_try:
            evaluation = replace(evaluation, reward=0.0)
        self.session.record("evaluation.made", {"scope": "run", "evaluation": to_json(evaluation)})
        return evaluation

    async def _judge_call(self, messages: Sequence[Message]) -> Completion:
        return await self.model.ask("judge", messages, model_judge.ask(self.model.chat, messages))
