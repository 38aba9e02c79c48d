"""Why a step was taken: the candidates with the model's and the policy's probability, Q and V(s), how often something like
each was done before and how it went, and the past steps that this draws on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wornpath.core import Decision, Event, UsageError, to_json
from wornpath.policy.compare import probabilities, read_decision
from wornpath.policy.features import evidence_keys
from wornpath.policy.past import Lived, counted, lived
from wornpath.policy.registry import Registry

if TYPE_CHECKING:
    from wornpath.store.protocol import Store

LOOKED_BACK = 100
"""Earlier runs that are searched for evidence."""
SHOWN = 10


def explain(store: Store, run_id: str, step: int) -> dict[str, Any]:
    """Why STEP of the run whose id starts with RUN_ID was taken, as plain JSON: `decision` (the recorded DECISION),
    `candidates` (tool, arguments, source, prior, probability, allowed, q, note, evidence: runs, mean_return, success), `by`,
    `policy_version`, `value`, `skipped`, `outcome` (result, reward), `evidence` (past steps, newest first: run_id, step,
    action, candidate, reward, return, met) and `now` (what the version in use would choose today).

    Raises UsageError when there is no such run or step."""
    info = store.run(run_id)
    event, decision = recorded(store, info.run_id, step)
    past = list(lived(store, newest=LOOKED_BACK, before=info.run_id))
    counts = counted(past)
    keys = evidence_keys(decision.state, decision.candidates)
    candidates = []
    for i, c in enumerate(decision.candidates):
        n, mean, rate = counts.count(keys[i]), counts.mean_return(keys[i]), counts.success_rate(keys[i])
        candidates.append(
            {
                "tool": c.action.tool,
                "arguments": dict(c.action.arguments),
                "source": c.source,
                "prior": c.prior,
                "logprob": c.logprob,
                "probability": decision.probabilities[i],
                "allowed": decision.mask[i],
                "q": decision.q[i] if decision.q else None,
                "note": c.note,
                "evidence": {"runs": n, "mean_return": _rounded(mean), "success": _rounded(rate)},
            }
        )
    return {
        "run_id": info.run_id,
        "step": step,
        "by": decision.by,
        "policy_version": decision.policy_version,
        "value": decision.value,
        "chosen": decision.chosen,
        "skipped": event.data.get("skipped") is True,
        "candidates": candidates,
        "state": decision.state.text,
        "outcome": outcome(store, info.run_id, event),
        "evidence": _past_steps(past, keys, decision.chosen),
        "now": _now(store, decision),
        "decision": to_json(decision),
    }


def recorded(store: Store, run_id: str, step: int) -> tuple[Event, Decision]:
    """The decision of STEP as it was recorded. Raises UsageError, naming the steps there are, for one that is not there."""
    last = 0
    for event in store.events(run_id, types=("action.decided",)):
        last = max(last, event.step)
        if event.step == step and (decision := read_decision(event.data.get("decision"))) is not None:
            return event, decision
    known = f"its steps are 1 to {last}" if last else "no step was decided in it"
    raise UsageError(f"Run {run_id} has no step {step}; {known}.")


def outcome(store: Store, run_id: str, decided: Event) -> dict[str, Any]:
    """What came of the step: the result class of its action and the reward; None for what is not known yet."""
    out: dict[str, Any] = {"result": None, "reward": None}
    types = ("action.decided", "action.finished", "evaluation.made")
    for event in store.events(run_id, after=decided.seq, types=types):
        if event.type == "action.decided":
            break
        if event.type == "action.finished":
            out["result"] = str(event.data.get("observation", {}).get("result", "ok"))
        elif event.data.get("scope") == "step":
            out["reward"] = float(event.data.get("evaluation", {}).get("reward", 0.0))
    return out


def _past_steps(past: Sequence[Lived], keys: Sequence[str], chosen: int) -> list[dict[str, Any]]:
    """The newest past steps of the same kind as a candidate: those like the one taken first."""
    place = {key: i for i, key in reversed(list(enumerate(keys)))}
    place[keys[chosen]] = chosen
    found, told = [], set()
    for one in reversed(past):
        returns, taken = one.returns, one.keys
        for i, t in enumerate(one.steps):
            at = place.get(taken[i])
            if at is not None and (one.run_id, at) not in told:  # once a run: the same step repeated tells nothing more
                told.add((one.run_id, at))
                found.append(
                    {
                        "run_id": one.run_id,
                        "step": t.step,
                        "action": str(t.candidates[t.chosen].action),
                        "candidate": at,
                        "reward": round(t.reward, 4),
                        "return": round(returns[i], 4),
                        "met": None if math.isnan(one.success) else bool(one.success),
                    }
                )
    return sorted(found, key=lambda step: step["candidate"] != chosen)[:SHOWN]


def _now(store: Store, decision: Decision) -> dict[str, Any] | None:
    """What the learnt version in use would choose; None while there is none, or where it cannot be read."""
    from wornpath.policy.learnt import LearntPolicy

    try:
        policy = Registry.of(store).load()
        if not isinstance(policy, LearntPolicy) or not any(decision.mask):
            return None
        scores, is_q = policy.score(decision.state, decision.candidates)
    except UsageError:
        return None
    p = probabilities(policy, decision)
    q = [round(float(s), 4) for s in scores] if is_q else None
    return {"version": policy.version, "probabilities": p, "chosen": p.index(max(p)), "q": q}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
