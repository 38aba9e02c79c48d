"""A small selection of `benchmarks/crash.py`: killed anywhere, nothing is lost, nothing is done twice, no store is damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CRASH = Path(__file__).parents[2] / "benchmarks" / "crash.py"


def test_twelve_kills(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(CRASH), "--kills", "12", "--seed", "5", "--keep", str(tmp_path / "runs")],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    *wrong, last = done.stdout.splitlines()
    found = json.loads(last)
    assert not wrong, wrong
    assert (found["lost"], found["repeated"], found["corrupt"], found["not_ended"]) == (0, 0, 0, 0)
    assert found["killed"] >= 12
    assert found["kills"]["effect"] >= 1
