"""What a run left in the workspace: which files it changed and how it left them, so that they can be put back without touching what
somebody else changed since."""

from __future__ import annotations

import hashlib
import mimetypes
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from wornpath.core import Action, Observation, Part, ToolError

if TYPE_CHECKING:
    from wornpath.guard import Session
    from wornpath.store.snapshot import Snapshot
    from wornpath.tools import Tool, Workspace

MAX_ARTIFACTS = 100


@dataclass(slots=True)
class Footprint:
    """The files that a run changed. SNAPSHOT has them as they were before."""

    session: Session
    workspace: Workspace
    snapshot: Snapshot
    _left: dict[str, str] = field(default_factory=dict)
    """The hashes of the files that the run changed, as it left them; empty where it left none."""

    def restore(self) -> None:
        """Know again how earlier sittings left the files that they changed."""
        wrote: dict[str, str] = {}
        for event in self.session.store.events(
            self.session.run_id, types=["artifact.written", "action.finished", "plan.changed"]
        ):
            if event.type == "artifact.written":
                wrote[event.data["path"]] = event.data["sha256"]
                continue
            for path in event.data.get("retracted", ()):
                self._left.pop(path, None)
            for at, path in enumerate((event.data.get("observation") or {}).get("changed", ())):
                self._left[path] = wrote.get(path, "") if at < MAX_ARTIFACTS else self.snapshot.left(path)
            wrote = {}

    def put_back(self, paths: Sequence[str]) -> list[str]:
        """Bring PATHS, which this run changed, back to what they were before it, but for what somebody else changed since; gives those."""
        mine = [path for path in paths if self._left.get(path) in (None, self._hash(path))]
        back = sorted(set(mine) - set(self.snapshot.put_back(mine).conflicts))
        for path in back:
            self._left.pop(path, None)
        return back

    def tidied(self) -> dict[str, Any]:
        """Where work that was not accepted changed, moved or removed files that were there before: put back all that the run changed, so
        that the next attempt finds what the goal speaks of; what the change of plan records of it."""
        changed = list(self.session.tracker.changed)
        return {"retracted": self.put_back(changed)} if self.snapshot.there_before(changed) else {}

    def whole(self, tool: Tool, seen: Observation) -> Observation:
        """SEEN, which TOOL just brought, without what a program did before it failed where that displaced files: half a job is in the way
        of the next attempt."""
        self.snapshot.close(seen.changed)
        if tool.risk != "execute" or seen.result not in ("error", "timeout") or not self.snapshot.missing(seen.changed):
            return seen
        back = set(self.put_back(seen.changed))
        entities = tuple(e for e in seen.entities if e.value not in back)
        facts = tuple(f for f in seen.facts if not f.startswith(tuple(back)))
        parts = (*seen.parts, Part(text="The files that it had moved or changed before it failed were put back."))
        left = tuple(path for path in seen.changed if path not in back)
        return replace(seen, parts=parts, changed=left, entities=entities, facts=facts)

    def record(self, seen: Observation, action: Action) -> None:
        """Record the files that ACTION changed, as SEEN tells, as artefacts."""
        for path in seen.changed[MAX_ARTIFACTS:]:
            self._left[path] = self._hash(path)
        for path in seen.changed[:MAX_ARTIFACTS]:
            self._artifact(path, seen, action)

    def _artifact(self, path: str, seen: Observation, action: Action) -> None:
        self._left[path] = ""
        if (self.workspace.root / path).is_symlink():
            return
        try:
            with self.workspace.open_read(path) as stream:  # code may still run that puts a link or a pipe in its place
                size = os.fstat(stream.fileno()).st_size
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
        except ToolError:
            return
        self._left[path] = sha256
        media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
        data = {"path": path, "bytes": size, "media_type": media_type, "sha256": sha256}
        mark = {"untrusted": True} if self.session.provenance.in_written(seen, action, path) == "outside" else {}
        self.session.record("artifact.written", data | mark)

    def _hash(self, path: str) -> str:
        """The hash of the file PATH; empty where there is none, and for a link or a pipe."""
        if (self.workspace.root / path).is_symlink():
            return ""
        try:
            with self.workspace.open_read(path) as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
        except ToolError:
            return ""
