"""What the faces show of learning: the versions, the learning curve, and whether it is getting better."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wornpath.core import to_json
from wornpath.policy.compare import compare_run
from wornpath.policy.explain import explain
from wornpath.policy.past import success_of_run
from wornpath.policy.promotion import run_family
from wornpath.policy.registry import PRIOR, Registry

if TYPE_CHECKING:
    from wornpath.store.protocol import Store
    from wornpath.store.runs import RunInfo

__all__ = ["compare_run", "curves", "explain", "policies", "status", "wilson"]

ENDED = ("met", "unmet", "unverified", "budget")
SHOWN_RUNS = 1000
MIN_RUNS = 8
"""Judged runs of families that came more than once, below which no trend is stated."""


def policies(store: Store) -> dict[str, Any]:
    """`{"current", "trial", "policies": [{"version", "status", "created", "algorithm", "episodes", "metrics", ...}]}`, newest first."""
    registry = Registry.of(store)
    listed = [
        {
            "version": v.version,
            "status": v.status,
            "created": v.created,
            "algorithm": v.algorithm,
            "episodes": v.episodes,
            "metrics": to_json(v.metrics),
            "why": v.why,
            "parent": v.parent,
            "imported": v.imported,
            "removed": v.removed,
        }
        for v in registry.versions()
    ]
    return {"current": registry.current, "trial": registry.trial or None, "policies": listed}


def curves(store: Store, family: str = "") -> dict[str, Any]:
    """The learning curve over the ended runs that are experience (of the newest 1,000), of one FAMILY or all: `{"points": [{"n", "run_id",
    "time", "success": 0|1|None, "tokens", "skipped", "calls", "family", "version"}], "versions": [{"version", "n"}],
    "summary": {"runs", "success", "success_low", "success_high", "tokens_per_met_goal"}, "families": [...]}`."""
    every = _points(store)
    points = [p for p in every if not family or p["family"] == family]
    for n, point in enumerate(points, 1):
        point["n"] = n
    marks = []
    for event in store.events("", types=("policy.changed",)):
        if event.data.get("change") in ("promoted", "rolled back"):
            n = sum(p["time"] <= event.time for p in points)
            marks.append({"version": str(event.data.get("version", PRIOR)), "n": n})
    families = sorted({p["family"] for p in every})
    return {"points": points, "versions": marks, "summary": _summary(points), "families": families}


def status(store: Store) -> dict[str, Any]:
    """Whether it is getting better: `text` (one line for people), `verdict` (better, worse, unclear or too few runs),
    the change of success between the first and the second half of each family's runs with its 95 % interval, and that of
    the tokens per met goal; `families` has the same by family."""
    points = _points(store)
    halves: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {}
    for family in sorted({p["family"] for p in points}):
        judged = [p for p in points if p["family"] == family and p["success"] is not None]
        halves[family] = judged[: len(judged) // 2], judged[len(judged) // 2 :]
    used = {f: h for f, h in halves.items() if len(h[0]) >= 2}
    n = sum(len(a) + len(b) for a, b in used.values())
    registry = Registry.of(store)
    out: dict[str, Any] = {
        "policy": registry.current,
        "trial": registry.trial or None,
        "runs": len(points),
        "judged": n,
        "skipped": sum(p["skipped"] for p in points),
        "calls": sum(p["calls"] for p in points),
        "families": [_family(name, points, *halves[name]) for name in halves],
    }
    if n < MIN_RUNS:
        text = f"Too few runs to tell: {n} judged runs of work that came again, {MIN_RUNS} are needed."
        return {"verdict": "too few runs", "text": text, **out}
    success = _change(used)
    tokens = _token_ratio(used)
    verdict = _verdict(success, tokens)
    out |= {"success_change": success, "token_ratio": tokens}
    return {"verdict": verdict, "text": _sentence(verdict, used, success, tokens, out), **out}


# -- parts -----------------------------------------------------------------------------------------


def _points(store: Store) -> list[dict[str, Any]]:
    runs = [r for r in store.runs(limit=SHOWN_RUNS) if r.status in ENDED and r.steps and r.counts][::-1]
    return [_point(store, n, run) for n, run in enumerate(runs, 1)]


def _point(store: Store, n: int, run: RunInfo) -> dict[str, Any]:
    success = success_of_run(run)
    return {
        "n": n,
        "run_id": run.run_id,
        "time": run.finished or run.started,
        "success": None if math.isnan(success) else int(success),
        "tokens": run.prompt_tokens + run.completion_tokens,
        "skipped": run.skipped_llm_calls,
        "calls": run.llm_calls,
        "family": run_family(store, run.run_id),
        "version": run.policy_version,
    }


def _summary(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    judged = [p["success"] for p in points if p["success"] is not None]
    met = sum(judged)
    low, high = wilson(met, len(judged))
    return {
        "runs": len(points),
        "success": met / len(judged) if judged else None,
        "success_low": round(low, 4) if judged else None,
        "success_high": round(high, 4) if judged else None,
        "tokens_per_met_goal": round(sum(p["tokens"] for p in points) / met, 1) if met else None,
    }


def _family(
    name: str, points: Sequence[dict[str, Any]], early: Sequence[dict[str, Any]], late: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    mine = [p for p in points if p["family"] == name]
    return {"family": name, **_summary(mine), "early": _summary(early), "late": _summary(late)}


Halves = dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]


def _change(used: Halves) -> list[float]:
    """Success of the second halves minus that of the first, families weighted by their runs, with its 95 % interval:
    [change, low, high]. One met and one failed run are added to either half (Agresti & Caffo 2000)."""
    total = sum(len(a) + len(b) for a, b in used.values())
    mean = middle = variance = 0.0
    for early, late in used.values():
        weight = (len(early) + len(late)) / total
        (p, n), (q, m) = _rate(early), _rate(late)
        (p2, q2) = (p * n + 1) / (n + 2), (q * m + 1) / (m + 2)
        mean += weight * (q - p)
        middle += weight * (q2 - p2)
        variance += weight**2 * (p2 * (1 - p2) / (n + 2) + q2 * (1 - q2) / (m + 2))
    half = 1.96 * math.sqrt(variance)
    return [round(x, 4) for x in (mean, max(-1.0, middle - half), min(1.0, middle + half))]


def _rate(points: Sequence[dict[str, Any]]) -> tuple[float, int]:
    return sum(p["success"] for p in points) / len(points), len(points)


def _token_ratio(used: Halves, draws: int = 400) -> list[float] | None:
    """Tokens per met goal of the second halves, as a share of the first halves', with a 95 % bootstrap interval over
    runs within families; None where nothing was met in a half or no tokens were used."""

    def ratio(pairs: Halves) -> float | None:
        costs = []
        for side in (0, 1):
            runs = [p for pair in pairs.values() for p in pair[side]]
            met = sum(p["success"] for p in runs)
            if not met:
                return None
            costs.append(sum(p["tokens"] for p in runs) / met)
        return costs[1] / costs[0] if costs[0] else None

    point = ratio(used)
    if point is None:
        return None
    rng = random.Random(0)
    found = []
    for _ in range(draws):
        drawn = {f: (rng.choices(a, k=len(a)), rng.choices(b, k=len(b))) for f, (a, b) in used.items()}
        value = ratio(drawn)
        if value is not None:
            found.append(value)
    found.sort()
    if len(found) < draws // 2:
        return None
    return [round(x, 4) for x in (point, found[int(0.025 * len(found))], found[int(0.975 * len(found)) - 1])]


def _verdict(success: Sequence[float], tokens: Sequence[float] | None) -> str:
    if success[2] < 0:
        return "worse"
    if success[1] > 0 or (tokens is not None and tokens[2] < 1):
        return "better"
    return "worse" if tokens is not None and tokens[1] > 1 and success[0] <= 0 else "unclear"


def _sentence(
    verdict: str, used: Halves, success: Sequence[float], tokens: Sequence[float] | None, out: dict[str, Any]
) -> str:
    first, last = (_summary([p for pair in used.values() for p in pair[side]]) for side in (0, 1))
    opening = {"better": "Getting better", "worse": "Getting worse", "unclear": "No clear change yet"}[verdict]
    change = f"{100 * success[0]:+.0f} points, {100 * success[1]:+.0f} to {100 * success[2]:+.0f}"
    parts = [f"{opening}: {last['success']:.0%} met lately, {first['success']:.0%} at first ({change})"]
    if tokens is not None:
        saved = f"{100 * (tokens[0] - 1):+.0f} %, {100 * (tokens[1] - 1):+.0f} to {100 * (tokens[2] - 1):+.0f}"
        now, then = last["tokens_per_met_goal"], first["tokens_per_met_goal"]
        parts.append(f"{now:,.0f} tokens a met goal, {then:,.0f} at first ({saved})")
    parts.append(f"policy {out['policy']}, {out['judged']} judged runs")
    return "; ".join(parts) + "."


def wilson(successes: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval for a proportion; (0, 1) when N is 0."""
    if n == 0:
        return (0.0, 1.0)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return (max(0.0, centre - half), min(1.0, centre + half))
