"""/api/v1: what was learnt: policy versions, learning curves, and two policies side by side on one run."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wornpath.serve.operations import Operation, path_text, service
from wornpath.serve.problems import Json, Problem
from wornpath.store import RunInfo
from wornpath.store.protocol import Store

JUDGED = {"met": 1, "unmet": 0}


async def policies(request: Request) -> Response:
    return Json({"current": "prior", "policies": []})


async def promote(request: Request) -> Response:
    raise _unknown(path_text(request, "version"))


async def compare(request: Request) -> Response:
    raise _unknown(request.query_params.get("a") or request.query_params.get("b") or "")


def _unknown(version: str) -> Problem:
    return Problem(404, f"There is no policy version {version[:50]!r}; runs act by the model's prior.")


async def curves(request: Request) -> Response:
    here = service(request)
    return Json(await asyncio.to_thread(curve, here.reader))


def curve(store: Store) -> dict[str, Any]:
    """Every run that ended, oldest first, with its outcome and tokens; and the share met with Wilson's 95 % interval."""
    over = [run for run in reversed(store.runs()) if run.status in ("met", "unmet", "unverified", "budget", "error")]
    points = [_point(n, run) for n, run in enumerate(over, start=1)]
    judged = [point["success"] for point in points if point["success"] is not None]
    met, tokens = sum(judged), sum(point["tokens"] for point in points if point["success"] is not None)
    low, high = wilson(met, len(judged))
    summary = {
        "runs": len(points),
        "success": met / len(judged) if judged else None,
        "success_low": low,
        "success_high": high,
        "tokens_per_met_goal": round(tokens / met) if met else None,
    }
    return {"points": points, "versions": [], "summary": summary}


def _point(n: int, run: RunInfo) -> dict[str, Any]:
    return {
        "n": n,
        "run_id": run.run_id,
        "time": run.started,
        "success": JUDGED.get(run.status),
        "tokens": run.prompt_tokens + run.completion_tokens,
        "skipped": run.skipped_llm_calls,
        "family": "",
    }


def wilson(met: int, n: int, z: float = 1.96) -> tuple[float | None, float | None]:
    """Wilson's interval for a proportion; None without any trial."""
    if n == 0:
        return None, None
    p, zz = met / n, z * z / n
    middle, half = (p + zz / 2) / (1 + zz), z * math.sqrt((p * (1 - p) + zz / 4) / n) / (1 + zz)
    return max(0.0, middle - half), min(1.0, middle + half)


OPERATIONS = (
    Operation("GET", "/policies", policies, "The policy versions, and the one in use"),
    Operation("GET", "/policies/compare", compare, "Two versions on the steps of one run", query=("run", "a", "b")),
    Operation("POST", "/policies/{version}/promote", promote, "Put a version in use"),
    Operation("POST", "/policies/{version}/rollback", promote, "Take a version out of use"),
    Operation("GET", "/curves", curves, "Success and tokens, run by run", query=("family",)),
)
