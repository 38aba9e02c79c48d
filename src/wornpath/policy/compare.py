"""How two versions differ: what they are, how they fared, and where they choose differently on logged decisions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from wornpath.core import Candidate, Decision, State, UsageError
from wornpath.policy.advice import advise
from wornpath.policy.calibration import reliability, said_of_runs
from wornpath.policy.counts import CountPolicy
from wornpath.policy.learnt import LearntPolicy
from wornpath.policy.past import Lived, lived
from wornpath.policy.promotion import Outcomes, need, newest_candidate
from wornpath.policy.registry import PRIOR, Registry

if TYPE_CHECKING:
    from wornpath.policy.protocol import Policy
    from wornpath.store.protocol import Store

LOOKED_AT = 200
"""The newest decisions that versions are compared on."""
RUNS = 60


def differences(store: Store, first: str = "", second: str = "") -> dict[str, Any]:
    """How version FIRST (default: the one in use) and SECOND (default: the newest candidate) of STORE differ.

    Raises UsageError when there is nothing to compare, or one of them is not there or cannot be read."""
    registry = Registry.of(store)
    a = need(registry, first, default=registry.current)
    waiting = newest_candidate(registry.versions())
    b = need(registry, second, default=waiting.version if waiting else "")
    if not b:
        raise UsageError("There is no candidate to compare with; wornpath policy ls lists the versions.")
    if a == b:
        raise UsageError(f"{a} is the same version twice; name two.")
    old, new = acting(registry, a), acting(registry, b)
    episodes = list(lived(store, newest=RUNS))
    steps = [t for one in reversed(episodes) for t in reversed(one.steps)][:LOOKED_AT]
    seen, different = 0, 0
    examples: list[dict[str, Any]] = []
    for t in steps:
        before, after = chosen(old, t.state, t.candidates, t.mask), chosen(new, t.state, t.candidates, t.mask)
        if before is None or after is None:
            continue
        seen += 1
        if before != after:
            different += 1
            if len(examples) < 5:
                one, other = str(t.candidates[before].action), str(t.candidates[after].action)
                examples.append({"run_id": t.run_id, "step": t.step, "a": _cut(one), "b": _cut(other)})
    advice = advise(new, episodes)
    outcomes = Outcomes(store)
    return {
        "a": _side(store, registry, outcomes, a) | {"calibration": _fresh(registry, old, episodes)},
        "b": _side(store, registry, outcomes, b) | {"calibration": _fresh(registry, new, episodes)},
        "decisions": seen,
        "different": different,
        "examples": examples,
        "advice": {
            "text": advice.text,
            "estimate": _number(advice.estimate),
            "interval": [_number(x) for x in advice.interval],
            "logged": _number(advice.logged),
            "runs": advice.runs,
            "deviating": advice.deviating,
            "effective": round(advice.effective, 2),
            "enough": advice.enough,
        },
    }


def acting(registry: Registry, version: str) -> Policy:
    """What runs with VERSION act by: the counts for `prior`, as wherever no learnt version is in use."""
    return CountPolicy() if version == PRIOR else registry.learnt(version)


def chosen(policy: Policy, state: State, candidates: Sequence[Candidate], mask: Sequence[bool]) -> int | None:
    """The candidate POLICY takes when it does not explore; None where everything is masked."""
    if not any(mask):
        return None
    return policy.decide(state, candidates, mask, rng=random.Random(0)).chosen


def compare_run(store: Store, run_id: str, a: str, b: str) -> dict[str, Any]:
    """What versions A and B would have chosen at each step of a run: `{"steps": [{"step", "chosen", "a", "b",
    "candidates"}]}`, where `a` and `b` are the probabilities. Raises UsageError for an unknown run or version."""
    registry, info = Registry.of(store), store.run(run_id)
    first, second = (acting(registry, v or registry.current) for v in (a, b))
    steps = []
    for event in store.events(info.run_id, types=("action.decided",)):
        decision = read_decision(event.data.get("decision"))
        if decision is not None and any(decision.mask):
            steps.append(
                {
                    "step": event.step,
                    "chosen": decision.chosen,
                    "a": probabilities(first, decision),
                    "b": probabilities(second, decision),
                    "candidates": [
                        {"tool": c.action.tool, "arguments": dict(c.action.arguments)} for c in decision.candidates
                    ],
                }
            )
    return {"run_id": info.run_id, "steps": steps}


def probabilities(policy: Policy, decision: Decision) -> list[float]:
    """The distribution that POLICY's choice rule has at DECISION, before it is made greedy."""
    state, candidates, mask = decision.state, decision.candidates, decision.mask
    if isinstance(policy, LearntPolicy):
        return [round(float(p), 5) for p in policy.posterior(state, candidates, mask)[0]]
    drawn = policy.decide(state, candidates, mask, explore=True, rng=random.Random(0))
    return [round(p, 5) for p in drawn.probabilities]


def read_decision(data: Any) -> Decision | None:
    from wornpath.store.projections import read

    return read(Decision, data)


def history(store: Store, version: str, most: int = 20) -> list[dict[str, Any]]:
    """The changes that VERSION went through, oldest first."""
    events = store.events("", types=("policy.changed",))
    mine = [e for e in events if version in (e.data.get("version"), e.data.get("previous"))]
    return [
        {
            "time": e.time,
            "change": str(e.data.get("change", "changed")),
            "version": e.data.get("version"),
            "why": str(e.data.get("why", "")),
            "figures": dict(e.data.get("figures") or {}),
        }
        for e in islice(mine, max(0, len(mine) - most), None)
    ]


def _side(store: Store, registry: Registry, outcomes: Outcomes, version: str) -> dict[str, Any]:
    info = registry.info(version) if version != PRIOR else None
    lived_with = outcomes.of(version)
    return {
        "version": version,
        "status": "in use" if version == registry.current else info.status if info else "always there",
        "algorithm": info.algorithm if info else "",
        "episodes": info.episodes if info else 0,
        "parent": info.parent if info else "",
        "metrics": dict(info.metrics) if info else {},
        "runs": {"judged": len(lived_with), "met": sum(met for _, met in lived_with)},
        "history": history(store, version) if version != PRIOR else [],
    }


def _fresh(registry: Registry, policy: Policy, episodes: Sequence[Lived]) -> dict[str, Any] | None:
    """How the success head of POLICY did on runs that it was not trained on: those since it was made."""
    if not isinstance(policy, LearntPolicy):
        return None
    made = registry.info(policy.version).created
    found = reliability(said_of_runs(policy, [e for e in episodes if e.started > made]))
    return found.as_dict() if found else None


def _cut(text: str, most: int = 70) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _number(value: float) -> float | None:
    import math

    return round(value, 4) if math.isfinite(value) else None
