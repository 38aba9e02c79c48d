"""What runs ask people: one list of all open questions, kept up by the feed, whoever runs them and whenever they were asked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from wornpath.core import UsageError
from wornpath.serve import kept_answers
from wornpath.store.protocol import Store

_HUNK = re.compile(r"^@@ ", re.M)
OPEN = ("needs_person", "paused", "running")
"""The statuses in which a run's questions can still be answered."""
_TYPES = ("approval.requested", "approval.answered", "run.finished")


class Questions:
    """The open questions by id. `seen` is a watcher of the feed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[str, dict[str, Any]] = {}

    def load(self) -> None:
        """Read the questions of all runs that may have some."""
        for status in OPEN:
            for info in self._store.runs(status=status):
                for event in self._store.events(info.run_id, types=_TYPES):
                    self._fold(event.run_id, event.type, event.time, event.data)
                for id in kept_answers.read(self._store, info.run_id):
                    self.answered(id)

    def seen(self, seq: int, run_id: str, type: str, text: str) -> None:
        if type in _TYPES:
            event = json.loads(text)
            self._fold(run_id, type, event["time"], event["data"])

    def _fold(self, run_id: str, type: str, time: float, data: Mapping[str, Any]) -> None:
        if type == "approval.requested":
            self._open[str(data["id"])] = {**data, "run_id": run_id, "time": time}
        elif type == "approval.answered":
            self._open.pop(str(data["id"]), None)
        elif data.get("result", {}).get("status") != "needs_person":
            self.forget(run_id)

    def answered(self, id: str) -> None:
        """ID has its answer, which its run has still to take; one that does not fit is asked for again."""
        self._open.pop(id, None)

    def forget(self, run_id: str) -> None:
        """RUN_ID is gone, or over."""
        for id in [id for id, one in self._open.items() if one["run_id"] == run_id]:
            del self._open[id]

    def waiting(self, run_id: str) -> bool:
        return any(one["run_id"] == run_id for one in self._open.values())

    def get(self, id: str) -> dict[str, Any] | None:
        return self._open.get(id)

    def listed(self, run_id: str | None = None) -> list[dict[str, Any]]:
        """The open questions as the page shows them, oldest first."""
        found = [one for one in self._open.values() if run_id is None or one["run_id"] == run_id]
        out = []
        for one in sorted(found, key=lambda one: one["time"]):
            try:
                info = self._store.run(one["run_id"])
            except UsageError:
                self.forget(one["run_id"])
                continue
            if info.run_id == one["run_id"] and info.status in OPEN:
                out.append(_shown(one))
        return out


def _shown(one: Mapping[str, Any]) -> dict[str, Any]:
    action, shown = one["action"], str(one.get("preview", ""))
    return {
        "id": one["id"],
        "run_id": one["run_id"],
        "kind": one.get("kind", "approval"),
        "action": {"tool": action.get("tool", ""), "arguments": action.get("arguments", {})},
        "risk": one.get("risk", "read"),
        "reason": one.get("reason", ""),
        "rule": one.get("rule", ""),
        "preview": shown,
        "diff": shown if _HUNK.search(shown) else "",
        "time": one["time"],
    }
