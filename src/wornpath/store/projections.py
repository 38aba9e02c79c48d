"""Transitions and episodes, read out of one run's events.

Reward of a step: the sum of its `evaluation.made` events. Evaluations of a subtask and of the run count for the step
they follow. A person's evaluation takes the place of the run's last one, and gives way to one after it; a person's
rating takes the place of the verdict (see `RewardWeights`), also where a limit ended the run before there was one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

from wornpath.core import (
    Decision,
    Episode,
    Evaluation,
    Event,
    Goal,
    Observation,
    Result,
    ResultClass,
    RewardWeights,
    RunStatus,
    Transition,
    Verdict,
    VerdictSource,
    from_json,
)
from wornpath.store.runs import verdict_reward

T = TypeVar("T")

TYPES = (
    *("run.started", "goal.set", "action.decided", "action.finished", "evaluation.made", "person.said", "run.resumed"),
    *("run.paused", "run.finished"),
)
"""The types of event that `project` needs."""

TERMINAL: frozenset[str] = frozenset({"met", "unmet", "unverified"})
"""The statuses after which there is no future to value. Every other way to stop cuts an episode short, unless a person rated a run
that a limit ended."""


@dataclass(slots=True)
class _Step:
    number: int
    decision: Decision
    reward: float = 0.0
    result: ResultClass = "ok"
    executed: bool = False


@dataclass(slots=True)
class Projection:
    """One run's experience. `transitions` and `episode` may be asked for at any time."""

    run_id: str = ""
    model: str = ""
    goal: Goal | None = None
    status: RunStatus | None = None
    result: Result | None = None
    steps: list[_Step] = field(default_factory=list)
    verdict: Evaluation = field(default_factory=Evaluation)
    verdict_at: _Step | None = None
    rating: Literal["good", "bad"] | None = None
    learns: bool = True
    """False for a run that nothing is to be learnt from."""
    forgotten: bool = False
    """A person had it forgotten: its history stays, but it is experience no more."""
    holds_attempts: bool = False

    @property
    def counts(self) -> bool:
        """Whether the run is experience to learn from."""
        return self.learns and not self.forgotten

    @property
    def transitions(self) -> list[Transition]:
        """The executed steps in order. A step whose outcome was never recorded (a crash) is left out; the last step is
        terminated by a verdict and truncated by anything else, also when the run is not over."""
        steps = [s for s in self.steps if s.executed]
        out = []
        for step, following in zip(steps, (*steps, None)[1:], strict=True):
            decision = step.decision
            ended = following is None and self._judged(self.status)
            correction = self._correction if step is self._verdict_step else 0.0
            out.append(
                Transition(
                    run_id=self.run_id,
                    step=step.number,
                    state=decision.state,
                    candidates=decision.candidates,
                    chosen=decision.chosen,
                    probabilities=decision.probabilities,
                    mask=decision.mask,
                    reward=step.reward + correction,
                    next_state=following.decision.state if following else None,
                    terminated=ended,
                    truncated=following is None and not ended,
                    result=step.result,
                    policy_version=decision.policy_version,
                    model=self.model,
                    verdict_source=self._source,
                )
            )
        return out

    @property
    def episode(self) -> Episode | None:
        """The attempt as a whole, once the run has finished. A run that only holds others together attempted nothing itself."""
        if self.goal is None or self.result is None or (self.holds_attempts and not self.steps):
            return None
        result = self.result
        if self.rating:
            verdict: RunStatus = "met" if self.rating == "good" else "unmet"
            result = dataclasses.replace(
                result,
                status=verdict if self._judged(result.status) else result.status,
                reward=result.reward + self._correction,
                verdict_source="person",
            )
        return Episode(self.goal, result, tuple(self.transitions))

    def _judged(self, status: RunStatus | None) -> bool:
        """Whether a verdict, or the word of a person on a run that a limit ended, stands behind STATUS."""
        return status in TERMINAL or (status == "budget" and self.rating is not None)

    @property
    def _source(self) -> VerdictSource:
        return "person" if self.rating else self.verdict.source

    @property
    def _verdict_step(self) -> _Step | None:
        executed = [s for s in self.steps if s.executed]
        if self.verdict_at is not None and self.verdict_at.executed:
            return self.verdict_at
        return executed[-1] if executed else None

    @property
    def _correction(self) -> float:
        if not self.rating:
            return 0.0
        weights = self.goal.weights if self.goal else RewardWeights()
        verdict: Verdict = "met" if self.rating == "good" else "unmet"
        old = verdict_reward(weights, self.verdict.verdict, self.verdict.source)
        return verdict_reward(weights, verdict, "person") - old


def project(events: Iterable[Event]) -> Projection:
    """The experience in EVENTS of one run, in order. Holds the run's decisions in memory, nothing of other runs."""
    projection = Projection()
    for event in events:
        projection.run_id = event.run_id
        fold = _FOLDS.get(event.type)
        if fold is not None:
            fold(projection, event)
    return projection


def read(cls: type[T], data: Any) -> T | None:
    """DATA as CLS, or None when it does not fit: one odd record must not take the others with it."""
    try:
        return from_json(cls, data)
    except (TypeError, ValueError, AttributeError):
        return None


def _started(p: Projection, event: Event) -> None:
    p.model = str(event.data.get("model") or "")
    options = event.data.get("options")
    p.learns = not (isinstance(options, Mapping) and options.get("learn") is False)
    p.holds_attempts = isinstance(options, Mapping) and options.get("attempts", 1) != 1


def _goal(p: Projection, event: Event) -> None:
    p.goal = read(Goal, event.data.get("goal")) or p.goal


def _resumed(p: Projection, event: Event) -> None:
    p.status, p.result = None, None


def _paused(p: Projection, event: Event) -> None:
    p.status = "paused"


def _finished(p: Projection, event: Event) -> None:
    result = read(Result, event.data.get("result"))
    if result is not None:
        p.result, p.status = result, result.status


def _decided(p: Projection, event: Event) -> None:
    decision = read(Decision, event.data.get("decision"))
    if decision is not None and 0 <= decision.chosen < len(decision.candidates):
        control = decision.candidates[decision.chosen].source == "control"
        p.steps.append(_Step(event.step, decision, executed=control))


def _acted(p: Projection, event: Event) -> None:
    if p.steps:
        observation = read(Observation, event.data.get("observation"))
        p.steps[-1].executed = True
        p.steps[-1].result = observation.result if observation else "error"


def _evaluated(p: Projection, event: Event) -> None:
    evaluation = read(Evaluation, event.data.get("evaluation"))
    if evaluation is None or not p.steps:
        return
    step, scope = p.steps[-1], event.data.get("scope")
    if scope == "step":
        step = next((s for s in reversed(p.steps) if s.number == event.step), step)
    elif scope == "run":
        if p.verdict_at is not None and "person" in (evaluation.source, p.verdict.source):
            p.verdict_at.reward -= p.verdict.reward
        p.verdict, p.verdict_at = evaluation, step
    step.reward += evaluation.reward


def _said(p: Projection, event: Event) -> None:
    rating = event.data.get("rating")
    if rating in ("good", "bad"):
        p.rating = cast(Literal["good", "bad"], rating)
    elif rating == "none":
        p.rating = None
    elif event.data.get("kind") == "forget":
        p.forgotten = True


_FOLDS: dict[str, Callable[[Projection, Event], None]] = {
    "run.started": _started,
    "goal.set": _goal,
    "run.resumed": _resumed,
    "run.paused": _paused,
    "run.finished": _finished,
    "action.decided": _decided,
    "action.finished": _acted,
    "evaluation.made": _evaluated,
    "person.said": _said,
}
