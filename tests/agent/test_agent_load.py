"""A short `benchmarks/load.py`: ten episodes at once against an endpoint that fails now and then; all is accounted for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOAD = Path(__file__).parents[2] / "benchmarks" / "load.py"


def test_every_run_and_call_is_accounted_for() -> None:
    command = [sys.executable, str(LOAD), "--seconds", "8", "--episodes", "10", "--latency", "0.1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["runs"] >= 1
    for wrong in ("runs_without_a_result", "runs_that_the_store_tells_otherwise", "runs_that_only_the_store_knows"):
        assert found[wrong] == 0
    assert 0 <= found["requests_in_events"] - found["requests_at_server"] <= 2, (
        "a request may break off before it arrives"
    )
    assert 0 <= found["answers_at_server"] - found["answers_in_events"] <= 1, (
        "an answer may come when nobody waits any more"
    )
    assert sum(found["server"].get(kind, 0) for kind in ("hang", "429", "500", "garbage", "cut")) > 0, (
        "there were faults"
    )
    assert set(found["statuses"]) <= {"met", "unverified", "budget", "error"}
    assert found["fds_late"] < 200 and found["threads_most"] < 50
