"""Policies without training, and runs as their events tell them, for tests of versions and promotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wornpath.core import Action, Candidate, Decision, Evaluation, Goal, Observation, Result, State, to_json
from wornpath.policy.evidence import Evidence
from wornpath.policy.features import WIDTH
from wornpath.policy.learnt import LearntPolicy
from wornpath.policy.network import Network, Spec
from wornpath.store import SqliteStore

GOOD, BAD = Action.of("read_file", path="orders.csv"), Action.of("list_files", path="old")


def policy(seed: int = 0, *, bias: float = 0.0) -> LearntPolicy:
    """A small network with random weights; BIAS is added to its Q-values."""
    spec = Spec(inputs=WIDTH, hidden=(8,), heads=("q", "success"))
    rng = np.random.default_rng(seed)
    weights = {k: rng.standard_normal(s).astype(np.float32) for k, s in spec.shapes().items()}
    weights["q.1.bias"] += np.float32(bias)
    return LearntPolicy(Network(spec, weights), Evidence(), n0=0)


def record_run(
    store: SqliteStore,
    run_id: str,
    status: str = "met",
    *,
    version: str = "prior",
    family: str = "orders",
    taken: Sequence[int] = (0, 0),
    probability: float = 0.9,
    tokens: int = 1000,
    model: str = "m1",
    learn: bool = True,
    goal: Goal | None = None,
    by_check: bool = True,
    results: Sequence[str] = (),
    workspace: str = "/w",
    recalled: Mapping[str, Any] | None = None,
) -> str:
    """A run of as many steps as TAKEN, each choosing between GOOD (0) and BAD (1), PROBABILITY being that of GOOD."""
    goal = goal or Goal("Total the orders into total.csv", workspace, ("test -s total.csv",))
    options = {"learn": learn}
    start = {
        "version": "0",
        "model": model,
        "policy_version": version,
        "seed": 0,
        "options": options,
        "parent": None,
        "pid": None,
    }
    rows: list[tuple[Any, dict[str, Any], int]] = [("run.started", start, 0), ("goal.set", {"goal": to_json(goal)}, 0)]
    for step, index in enumerate(taken, 1):
        features = {"family": family, "kind": "find", "last_result": "ok" if step > 1 else "", "subtask_steps": step}
        features |= {"recalled": dict(recalled)} if recalled else {}
        state = State(f"Goal: {goal.text}\nNow: (1 of 1, find) Find the orders", features)
        candidates = (Candidate(GOOD, "llm", 0.6), Candidate(BAD, "llm", 0.4))
        probabilities = (probability, 1 - probability)
        made = Decision(state, candidates, index, probabilities, (True, True), by="policy", policy_version=version)
        rows.append(("action.decided", {"decision": to_json(made), "skipped": False}, step))
        action = candidates[index].action
        rows.append(
            ("action.started", {"id": f"a{step}", "action": to_json(action), "risk": "read", "idempotent": True}, step)
        )
        result = results[step - 1] if step <= len(results) else "ok"
        seen = to_json(Observation.of("x", result))  # type: ignore[arg-type]
        rows.append(("action.finished", {"id": f"a{step}", "observation": seen, "seconds": 0.0}, step))
        rows.append(("evaluation.made", {"scope": "step", "evaluation": to_json(Evaluation(-0.01))}, step))
    last = len(taken)
    reward = {"met": 1.0, "unmet": -0.5}.get(status, 0.0)
    source = "check" if by_check else "judge"
    if status in ("met", "unmet", "unverified"):
        verdict = to_json(Evaluation(reward, status, source))  # type: ignore[arg-type]
        rows.append(("evaluation.made", {"scope": "run", "evaluation": verdict}, last))
    result_ = Result(
        run_id,
        status,  # type: ignore[arg-type]
        reward=reward - 0.01 * last,
        verdict_source=source if status in ("met", "unmet") else None,  # type: ignore[arg-type]
        steps=last,
        llm_calls=last,
        tokens={"prompt": tokens, "completion": 0},
        policy_version=version,
        workspace=workspace,
    )
    rows.append(("run.finished", {"result": result_.as_dict()}, last))
    store.append_many(run_id, rows)
    return run_id
