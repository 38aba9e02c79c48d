"""A person's word on a run that is over: a rating counts before any judge's verdict; a label says what should have been done."""

from __future__ import annotations

from typing import Literal

from wornpath.core import Action, Evaluation, Goal, UsageError, from_json, to_json
from wornpath.core.redact import redact
from wornpath.experience import final_reward
from wornpath.experience.live import Experience
from wornpath.store.protocol import Store
from wornpath.store.runs import RunInfo


def rate(
    store: Store,
    info: RunInfo,
    rating: Literal["good", "bad", "none"],
    comment: str = "",
    *,
    experience: Experience | None = None,
) -> None:
    """Record RATING, and learn from the run as it is seen now; `none` takes back what was said, and the verdict before it holds again.
    EXPERIENCE is what learns, by default that beside STORE.

    Raises UsageError for a run at work."""
    if info.status == "running":
        raise UsageError(f"Run {info.run_id} is still running; rate it when it has ended.")
    if rating == "none":
        said = _verdict(store, info.run_id)
    else:
        set_ = next(iter(store.events(info.run_id, types=("goal.set",), limit=1)), None)
        goal = from_json(Goal, set_.data["goal"]) if set_ else Goal("")
        said = final_reward("met" if rating == "good" else "unmet", "person", goal.weights, comment)
    store.append_many(
        info.run_id,
        [
            ("person.said", {"kind": "rating", "rating": rating, "text": redact(comment)}, info.steps),
            ("evaluation.made", {"scope": "run", "evaluation": to_json(said)}, info.steps),
        ],
    )
    (experience or Experience.of(store)).relearn(store, info.run_id)


def label(store: Store, info: RunInfo, step: int, action: Action, comment: str = "") -> None:
    """Record that ACTION should have been taken at STEP. Raises UsageError where the run has no such step."""
    if not 1 <= step <= info.steps:
        known = f"its steps are 1 to {info.steps}" if info.steps else "no step was decided in it"
        raise UsageError(f"Run {info.run_id} has no step {step}; {known}.")
    data = {"kind": "label", "text": redact(comment), "action": to_json(action)}
    store.append(info.run_id, "person.said", data, step=step)


def _verdict(store: Store, run_id: str) -> Evaluation:
    """The last verdict on the run that no person gave."""
    verdict = Evaluation()
    for event in store.events(run_id, types=("evaluation.made",)):
        said = event.data.get("evaluation", {})
        if event.data.get("scope") == "run" and said.get("source") != "person":
            verdict = from_json(Evaluation, said)
    return verdict
