"""Runs as people list them: a projection of the events, and the ids that name them."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wornpath.core import RewardWeights, RunStatus, Verdict, VerdictSource

ENDED: frozenset[str] = frozenset({"met", "unmet", "unverified", "needs_person", "budget", "error"})
"""The statuses that end a run by themselves; `cancelled` and `paused` are a person's doing."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run, as far as it has come. Times are seconds since the epoch, `reward` is in return units.

    `status` is `paused` for a run whose process is gone: it can be resumed. A person's rating overrides the verdict.
    """

    run_id: str
    goal: str = ""
    workspace: str = ""
    status: RunStatus = "queued"
    started: float = 0.0
    finished: float | None = None
    steps: int = 0
    llm_calls: int = 0
    skipped_llm_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    reward: float = 0.0
    model: str = ""
    policy_version: str = "prior"
    summary: str = ""
    rating: Literal["good", "bad"] | None = None
    verdict_source: VerdictSource | None = None
    result: Mapping[str, Any] | None = None
    """The RESULT of `run.finished` as it was recorded."""
    pid: int | None = None
    reason: str = ""
    """Why the run is paused."""
    parent: str | None = None
    tainted: bool = False
    """Words from outside (web, mail) came into it and may have steered it."""
    counts: bool = True
    """It is experience: not begun with `--no-learn`, nor forgotten since."""

    @property
    def tokens(self) -> dict[str, int]:
        return {"prompt": self.prompt_tokens, "completion": self.completion_tokens}

    def as_dict(self) -> dict[str, Any]:
        """All fields and `tokens`, for programs."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "tokens": self.tokens}


def verdict_reward(weights: RewardWeights, verdict: Verdict | str, source: VerdictSource | str | None) -> float:
    """What a final verdict is worth: nothing when unverified, and less when only a model judge gave it."""
    worth = {"met": weights.met, "unmet": weights.unmet}.get(verdict, 0.0)
    return worth * (weights.judge if source == "judge" else 1.0)


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # 32 characters in sorting order, without those that look alike
_lock = threading.Lock()
_last = (0, 0)


def new_run_id() -> str:
    """A fresh id such as `20261122-231501-7k3f9q`: UTC to the second, the time within it, three random characters.

    Ids sort by time (to 31 microseconds, strictly within one process).
    """
    global _last
    with _lock:
        second, micros = divmod(time.time_ns() // 1000, 1_000_000)
        now = max((second, micros * 32**3 // 1_000_000), _last)
        if now == _last:
            second, tick = now[0], now[1] + 1
            now = (second + 1, 0) if tick == 32**3 else (second, tick)
        _last = now
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now[0]))
    return f"{stamp}-{_base32(now[1])}{_base32(secrets.randbelow(32**3))}"


def _base32(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in (10, 5, 0))


def process_alive(pid: int | None, since: float, host: str = "") -> bool:
    """Whether process PID, at work since SINCE (seconds since the epoch), still lives. On another HOST it is believed to.

    A process of the same number that started later is another one.
    """
    if not pid or pid == os.getpid() or sys.platform == "win32" or (host and host != socket.gethostname()):
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        booted = next(
            int(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime ")
        )
        began = booted + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return True
    return fields[0] != "Z" and began <= since + 2.0
