"""How often the simulated model does what: fitted to recorded runs of the real one by `benchmarks/fit_simulated.py`."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("rates.json")


@functools.cache
def load() -> dict[str, Any]:
    rates: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return rates
