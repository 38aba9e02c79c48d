"""Events: immutable, typed, append-only records. Traces, the live view, resume, and training data are all read from them.

One envelope for all: `{"v": 1, "seq", "run_id", "time", "step", "type", "data"}`. `seq` orders all events of a store; `step` is the
number of actions decided so far in the run (0 while planning). What `data` holds, by type (a word in capitals is the JSON form of the
type of that name in `wornpath.core.words`):

| type | data |
|---|---|
| run.started | version, model, policy_version, seed, options (the settings of the run), parent (a run id or null), pid, tainted |
| run.paused | reason |
| run.resumed | pid, options (those changed since the start) |
| run.finished | result (RESULT) |
| goal.set | goal (GOAL: text, workspace, checks, rubric, reward weights: frozen at the start), family, situation (roles, words) |
| plan.made | plan (PLAN), reason, recalled (its template), skipped (no model call), telling (false: the checks hold before the work) |
| plan.changed | plan (PLAN), reason, retracted (files) |
| subtask.started | subtask (id) |
| subtask.finished | subtask (id), status (done or failed), why |
| model.called | purpose (see below), model, usage (USAGE), seconds, n, messages, texts, error, tries (requests sent, failed ones too) |
| action.decided | decision (DECISION: candidates with priors, mask, Q, probabilities, who, V(s)), skipped (no model call), gate |
| approval.requested | id, action (ACTION), risk, reason, kind (approval or question), preview, rule (what a wider answer allows) |
| approval.answered | id, answer (allow, deny or answer), comment, by, arguments (as edited), scope (run, folder, always), rule (RULE) |
| action.started | id, action (ACTION), risk, idempotent |
| action.finished | id, observation (OBSERVATION), seconds |
| evaluation.made | scope (step, subtask or run), evaluation (EVALUATION) |
| note.added | text, scope, where, untrusted (made while content from outside was in play) |
| budget.reached | kind (steps, tokens, cost_usd, seconds), value, limit |
| loop.found | length, action (ACTION) |
| artifact.written | path, bytes, media_type, sha256, untrusted (words from outside may be in it) |
| person.said | kind (rating, comment, label, forget), text, rating (good, bad or none), action (ACTION, of a label) |
| policy.changed | change (see below), version, previous, why, figures |

The purposes of a model call are plan, replan, progress, propose, argument, answer, judge, see and hear.

A `policy.changed` event belongs to no run. Its changes are made, imported, trial (a share of the runs is given to the
version), promoted, refused, retired, rolled back, forgotten and noted (a finding that changes nothing).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

EventType = Literal[
    "run.started",
    "run.paused",
    "run.resumed",
    "run.finished",
    "goal.set",
    "plan.made",
    "plan.changed",
    "subtask.started",
    "subtask.finished",
    "model.called",
    "action.decided",
    "approval.requested",
    "approval.answered",
    "action.started",
    "action.finished",
    "evaluation.made",
    "note.added",
    "budget.reached",
    "loop.found",
    "artifact.written",
    "person.said",
    "policy.changed",
]
EVENT_TYPES: tuple[str, ...] = get_args(EventType)


@dataclass(frozen=True, slots=True)
class Event:
    """One record. `time` is in seconds since the epoch; `data` is plain JSON, see the table above."""

    seq: int
    run_id: str
    time: float
    step: int
    type: EventType
    data: Mapping[str, Any] = field(default_factory=dict)
    v: int = 1

    def as_dict(self) -> dict[str, Any]:
        """The envelope with all its keys, in the documented order."""
        return {
            "v": self.v,
            "seq": self.seq,
            "run_id": self.run_id,
            "time": self.time,
            "step": self.step,
            "type": self.type,
            "data": dict(self.data),
        }
