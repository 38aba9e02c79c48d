"""Agent Protocol tasks: a run each, with what the protocol knows and the events do not, kept in a small file of the run's folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wornpath.core import UsageError
from wornpath.serve.jobs import ENDED
from wornpath.serve.problems import Problem
from wornpath.store import RunInfo
from wornpath.store.protocol import Store
from wornpath.tools.workspace import Workspace

FILE = "task.json"


@dataclass(slots=True)
class Task:
    """What was handed in, what was uploaded, and how many steps were given out."""

    task_id: str
    input: str
    additional_input: dict[str, Any] = field(default_factory=dict)
    uploaded: list[str] = field(default_factory=list)
    given: int = 0
    begun: bool = False


class Tasks:
    """The tasks of STORE."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def save(self, task: Task) -> None:
        file = self._store.run_folder(task.task_id) / FILE
        part = file.with_suffix(".part")
        data = {name: getattr(task, name) for name in task.__slots__}
        part.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8", errors="backslashreplace")
        part.replace(file)

    def get(self, task_id: str) -> Task:
        """Raises Problem 404 where there is none."""
        try:
            info = self._store.run(task_id)
            if info.run_id != task_id:
                raise UsageError("another run")
            return self._read(self._store.run_folder(task_id) / FILE)
        except (UsageError, OSError, ValueError, TypeError):
            raise Problem(404, f"There is no task {task_id[:60]!r}; POST tasks makes one.") from None

    def all(self) -> Iterator[Task]:
        """Oldest first."""
        for file in sorted((self._store.root / "runs").glob(f"*/{FILE}")):
            try:
                yield self._read(file)
            except (OSError, ValueError, TypeError):
                continue

    def _read(self, file: Path) -> Task:
        return Task(**json.loads(file.read_text(encoding="utf-8")))


def shown(task: Task, artifacts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "input": task.input,
        "additional_input": task.additional_input,
        "artifacts": artifacts,
    }


def artifacts_of(task: Task, run: RunInfo, written: set[str]) -> list[dict[str, Any]]:
    """All files of the workspace. WRITTEN are those that the agent made or changed."""
    if not run.workspace or not Path(run.workspace).is_dir():
        return []
    listed = Workspace(Path(run.workspace), writable=False).files()
    return [
        {
            "artifact_id": artifact_id(entry.path),
            "agent_created": entry.path in written or entry.path not in task.uploaded,
            "file_name": entry.name,
            "relative_path": entry.path,
        }
        for entry in listed.entries
    ]


def artifact_id(path: str) -> str:
    """The same for the same path, so that it stays true when the server starts anew."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def steps_of(store: Store, task: Task, run: RunInfo) -> list[dict[str, Any]]:
    """The task's steps so far: one for each action of the run, and when it is over one with the outcome, the last."""
    steps: list[dict[str, Any]] = []
    types = ("action.decided", "action.started", "action.finished", "artifact.written")
    for event in store.events(run.run_id, types=types):
        if event.type == "action.decided":
            steps.append(_step(task, len(steps) + 1, "running"))
        elif steps and event.type == "action.started":
            action = event.data.get("action", {})
            steps[-1] |= {"name": action.get("tool", ""), "input": _spoken(action)}
        elif steps and event.type == "action.finished":
            steps[-1] |= {"status": "completed", "output": _said(event.data.get("observation", {}))}
        elif steps:
            steps[-1]["artifacts"].append(artifact(str(event.data.get("path", ""))))
    if run.status in ENDED:
        for step in steps:
            step["status"] = "completed"
        outcome = _step(task, len(steps) + 1, "completed")
        cost = {"task_total_cost": round(run.cost_usd, 6), "status": run.status}
        said = {"name": "finish", "input": task.input, "output": run.summary or run.status}
        steps.append({**outcome, **said, "additional_output": cost, "is_last": True})
    return steps


def _step(task: Task, number: int, status: str) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "step_id": str(number),
        "name": "",
        "status": status,
        "input": "",
        "additional_input": {},
        "output": "",
        "additional_output": {"task_total_cost": 0.0},
        "artifacts": [],
        "is_last": False,
    }


def artifact(path: str) -> dict[str, Any]:
    """A file that the agent made."""
    name = path.rpartition("/")[2]
    return {"artifact_id": artifact_id(path), "agent_created": True, "file_name": name, "relative_path": path}


def _spoken(action: Mapping[str, Any]) -> str:
    return json.dumps(action.get("arguments", {}), ensure_ascii=False)[:2000]


def _said(seen: Mapping[str, Any]) -> str:
    text = "\n".join(part.get("text", "") for part in seen.get("parts", []) if part.get("kind", "text") == "text")
    return text[:20_000] or str(seen.get("result", "ok"))
