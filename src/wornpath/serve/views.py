"""Runs as the page and programs read them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wornpath.core import Event, Plan, Subtask, from_json, to_json
from wornpath.store import RunInfo
from wornpath.store.protocol import Store

_SHOWN = {"queued": "queued", "running": "running", "waiting": "running", "stopping": "running"}


def run_row(info: RunInfo, live: str | None, waiting: bool) -> dict[str, Any]:
    """One line of the list of runs. LIVE is the state of the server's own work on it."""
    return {
        "run_id": info.run_id,
        "goal": info.goal,
        "status": _SHOWN.get(live or "", info.status),
        "started": info.started,
        "seconds": _seconds(info, live),
        "steps": info.steps,
        "llm_calls": info.llm_calls,
        "skipped_llm_calls": info.skipped_llm_calls,
        "tokens": info.tokens,
        "cost_usd": info.cost_usd,
        "reward": info.reward,
        "verdict_source": info.verdict_source,
        "model": info.model,
        "policy_version": info.policy_version,
        "workspace": info.workspace,
        "parent": info.parent,
        "rating": info.rating,
        "waiting": waiting,
    }


def _seconds(info: RunInfo, live: str | None) -> float:
    """How long it has worked: as recorded at its end, else since it began."""
    recorded = (info.result or {}).get("seconds")
    if live in ("running", "waiting", "stopping") or info.status == "running":
        return round(max(0.0, time.time() - info.started), 3)
    if isinstance(recorded, (int, float)):
        return float(recorded)
    return round(max(0.0, info.finished - info.started), 3) if info.finished else 0.0


def run_detail(store: Store, info: RunInfo) -> dict[str, Any]:
    """What is known of one run besides its row."""
    goal: Mapping[str, Any] = {}
    for event in store.events(info.run_id, types=("goal.set",), limit=1):
        goal = event.data.get("goal", {})
    artifacts = [to_json(one) for one in store.artefacts(info.run_id)]
    return {
        "goal_full": goal,
        "plan": plan_now(store, info.run_id),
        "summary": info.summary,
        "reason": info.reason,
        "artifacts": [{"media_type": "application/octet-stream", **one} for one in artifacts],
        "last_seq": store.last_seq(info.run_id),
    }


_PLANNING = ("plan.made", "plan.changed", "subtask.started", "subtask.finished")


def plan_now(store: Store, run_id: str) -> dict[str, Any] | None:
    """The plan as it stands, with what became of its subtasks."""
    plan: Plan | None = None
    for event in store.events(run_id, types=_PLANNING):
        plan = _planned(plan, event)
    if plan is None:
        return None
    return {
        "revision": plan.revision,
        "reason": plan.reason,
        "subtasks": [
            {"kind": "other", "criterion": "", "predicates": [], "status": "pending", **to_json(one)}
            for one in plan.subtasks
        ],
    }


def _planned(plan: Plan | None, event: Event) -> Plan | None:
    if event.type in ("plan.made", "plan.changed"):
        try:
            return from_json(Plan, event.data["plan"])
        except (TypeError, ValueError, KeyError):
            return plan
    if plan is None:
        return None
    status: Any = "active" if event.type == "subtask.started" else event.data.get("status", "done")

    def now(one: Subtask) -> Subtask:
        return replace(one, status=status) if one.id == event.data.get("subtask") else one

    return replace(plan, subtasks=tuple(map(now, plan.subtasks)))
