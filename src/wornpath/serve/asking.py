"""What runs ask people: one list of all open questions, kept up by the feed, whoever runs them and whenever they were asked."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wornpath.core import Action, ToolError, UsageError, from_json
from wornpath.store.protocol import Store
from wornpath.tools.workspace import Workspace

MAX_DIFF_BYTES = 256 << 10
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
                out.append(_shown(one, info.workspace))
        return out


def _shown(one: Mapping[str, Any], workspace: str) -> dict[str, Any]:
    action = one["action"]
    return {
        "id": one["id"],
        "run_id": one["run_id"],
        "kind": one.get("kind", "approval"),
        "action": {"tool": action.get("tool", ""), "arguments": action.get("arguments", {})},
        "risk": one.get("risk", "read"),
        "reason": one.get("reason", ""),
        "preview": one.get("preview", ""),
        "diff": proposed_diff(from_json(Action, action), workspace),
        "time": one["time"],
    }


def proposed_diff(action: Action, workspace: str) -> str:
    """What ACTION would do to the one file it writes, as a unified diff; empty where that cannot be told beforehand."""
    path = action.arguments.get("path")
    if action.tool not in ("write_file", "append_file", "edit_file", "delete_file") or not isinstance(path, str):
        return ""
    folder = Workspace(Path(workspace), writable=False)
    old = _text(folder, path)
    if old is None:
        return ""
    new = _after(action, old)
    if new is None or new == old:
        return ""
    left, right = (f"a/{path}" if old else "/dev/null"), (f"b/{path}" if action.tool != "delete_file" else "/dev/null")
    lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), left, right)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _text(workspace: Workspace, path: str) -> str | None:
    """The file's text, empty where there is none yet; None where it is large, no text, or not to be read."""
    if workspace.stat(path) is None:
        return ""
    try:
        with workspace.open_read(path) as file:
            data = file.read(MAX_DIFF_BYTES + 1)
        return data.decode() if len(data) <= MAX_DIFF_BYTES and b"\0" not in data else None
    except (ToolError, OSError, UnicodeDecodeError):
        return None


def _after(action: Action, old: str) -> str | None:
    given = action.arguments
    match action.tool:
        case "write_file":
            new = given.get("content")
        case "append_file":
            line = "\n" if old and not old.endswith("\n") else ""
            new = f"{old}{line}{given['content']}" if isinstance(given.get("content"), str) else None
        case "edit_file":
            before, after = given.get("old"), given.get("new")
            known = isinstance(before, str) and isinstance(after, str) and before in old
            new = old.replace(str(before), str(after), -1 if given.get("replace_all") else 1) if known else None
        case _:
            new = ""
    return new if isinstance(new, str) and len(new) <= MAX_DIFF_BYTES else None
