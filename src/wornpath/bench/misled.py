"""Experience that is told wrongly how runs went: what rewards are worth, and what a poisoned one does."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wornpath.core import digest
from wornpath.experience.live import Experience
from wornpath.experience.reading import Trace

FILE = "placebo.jsonl"
POISONED = 20
"""One run in so many is told to have gone the other way."""


class Poisoned(Experience):
    """Hears of one run in twenty that it went the other way."""

    def hear(self, trace: Trace) -> None:
        if trace.met is not None and _drawn(trace) % POISONED == 0:
            trace.rating = "bad" if trace.met else "good"


@dataclass(slots=True)
class Placebo(Experience):
    """Hears not how a run went but how an earlier one did, or of the first run what a coin says, and of any of its attempts that it was
    the accepted one, so that nothing can be gained from rewards."""

    _went: dict[str, bool] | None = None
    """How the runs really went, by their ids; read from the file beside the memory when it is needed."""

    def hear(self, trace: Trace) -> None:
        if trace.met is None:
            return
        went = self._outcomes()
        earlier = [met for run_id, met in sorted(went.items()) if run_id < trace.run_id] or [True, False]
        self._note(trace.run_id, trace.met)
        drawn = _drawn(trace)
        trace.rating = "good" if earlier[drawn % len(earlier)] else "bad"
        attempts = [steps for steps, _ in trace.passes]
        by = drawn // len(earlier) % max(1, len(attempts))
        turned = attempts[by:] + attempts[:by]
        trace.passes = [(steps, verdict) for steps, (_, verdict) in zip(turned, trace.passes, strict=True)]

    def _outcomes(self) -> dict[str, bool]:
        if self._went is None:
            self._went = {}
            file = self._file()
            for line in file.read_text(encoding="utf-8").splitlines() if file is not None and file.exists() else []:
                with suppress(ValueError):  # a line that was cut off
                    run_id, met = json.loads(line)
                    self._went[run_id] = met
        return self._went

    def _note(self, run_id: str, met: bool) -> None:
        """Keep how RUN_ID really went, for later runs and later processes to draw from."""
        self._outcomes()[run_id] = met
        file = self._file()
        if file is not None:
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps([run_id, met]) + "\n")

    def _file(self) -> Path | None:
        return self.memory.path.with_name(FILE) if self.memory.path is not None else None


def _drawn(trace: Trace) -> int:
    """A number that is the run's own."""
    return int(digest(trace.run_id)[:8], 16)
