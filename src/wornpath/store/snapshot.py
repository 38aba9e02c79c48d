"""What a run changed in its workspace, and the way back.

Before the first change of anything, `keep` puts its old content into the run's folder: the blob first, then a line of the manifest,
then the change may happen. So a run that was killed at any moment can be undone. `seal` notes how the run left things; what
someone changes after that is theirs, and `undo` leaves it alone.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wornpath.core import StoreError, UsageError, from_json, to_json
from wornpath.store.database import private_folder
from wornpath.store.images import Blobs, Image, look, scan, take
from wornpath.store.trees import walk

if TYPE_CHECKING:
    from wornpath.store.protocol import Store
    from wornpath.store.runs import RunInfo

MAX_FILE = 64 << 20
MAX_TOTAL = 1 << 30


@dataclass(frozen=True, slots=True)
class Change:
    """A file, link or folder that the run added, changed or removed. The blobs are None where there was no content or none was kept."""

    path: str
    kind: Literal["added", "changed", "removed"]
    before: Image
    after: Image
    before_blob: Path | None = None
    after_blob: Path | None = None

    @property
    def covered(self) -> bool:
        """Whether `undo` can bring the old state back."""
        return not self.before.why


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What `undo` did: paths of files and links. `why` gives the reason of every conflict: a path that was left as it is."""

    restored: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    why: Mapping[str, str] | None = None


class Snapshot:
    """The before-images of one run, in RUN_FOLDER/snapshot. Threads may share it.

    Files above MAX_FILE bytes, or beyond MAX_TOTAL bytes in all, are noted but not covered. Methods raise StoreError when the
    run's folder cannot be written; then the change must not be made.
    """

    def __init__(
        self, run_folder: Path, workspace: Path, *, max_file: int = MAX_FILE, max_total: int = MAX_TOTAL
    ) -> None:
        self.workspace = workspace
        self._folder = run_folder / "snapshot"
        self._manifest, self._sealed = self._folder / "manifest.jsonl", self._folder / "after.jsonl"
        self._blobs = Blobs(self._folder / "blobs", max_file=max_file, max_total=max_total)
        self._lock = threading.RLock()
        self._before: dict[str, Image] | None = None
        self._scopes: set[str] = set()

    def keep(self, path: str | Path | None = None) -> None:
        """Keep what is at PATH (a folder with all in it) before it is changed; with None, all of the workspace. Only the first call
        for a path does anything. Raises UsageError for a path outside the workspace."""
        with self._lock:
            before = self._load()
            scope = self._scope(path)
            if self._covered(scope):
                return
            try:
                images = self._capture(scope)
                self._append(scope, images)
            except OSError as error:
                raise StoreError(
                    f"The old content of {path or self.workspace} could not be kept in {self._folder}: "
                    f"{error.strerror or error}; nothing was changed."
                ) from error
            before.update((image.path, image) for image in images)
            self._scopes.add(scope)

    def changes(self) -> list[Change]:
        """What differs: at the end of the run when it is sealed, else now. A folder is listed when nothing in it is."""
        with self._lock:
            before, after = self._load(), self._after()
            folders = {folder for path in after for folder in _above(path)}
            out = []
            for path in sorted(after):
                old, new = before.get(path, Image(path)), after[path]
                if path in folders and {old.kind, new.kind} <= {"dir", "absent"}:
                    continue
                kind: Literal["added", "changed", "removed"] = "changed"
                if "absent" in (old.kind, new.kind):
                    kind = "added" if old.kind == "absent" else "removed"
                out.append(Change(path, kind, old, new, self._blob(old), self._blob(new)))
            return out

    def diff(self) -> str:
        """A unified diff of the changes; binary and large files get one line."""
        from wornpath.store.difftext import unified

        return unified(self.changes(), self.workspace)

    def seal(self) -> None:
        """Record how the run leaves what it changed. Call it when the run ends; a later call replaces it."""
        with self._lock:
            self._load()
            if not self._scopes:
                return
            lines = []
            for path, image in self._differences().items():
                if image.kind == "file":
                    image = look(self.workspace, path, None, self._blobs)
                lines.append(json.dumps(to_json(image)))
            try:
                temporary = self._sealed.with_suffix(".new")
                temporary.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
                temporary.replace(self._sealed)
            except OSError as error:
                raise StoreError(
                    f"The end of the run could not be noted in {self._sealed}: {error.strerror}."
                ) from error

    def undo(self, *, force: bool = False) -> UndoReport:
        """Bring back what was there before the run. What changed after the run was sealed is a conflict and stays, unless FORCE.

        An undo that was interrupted can simply be done again.
        """
        from wornpath.store.undo import restore

        with self._lock:
            return restore(self.workspace, self._load(), self._after(), self._blob, force=force)

    def put_back(self, paths: Iterable[str]) -> UndoReport:
        """Bring back what was at PATHS before the run, while it is still going on; everything else stays as it is."""
        from wornpath.store.undo import restore

        wanted = set(paths)
        wanted |= {folder for path in wanted for folder in _above(path) if folder}
        with self._lock:
            after = {path: image for path, image in self._differences().items() if path in wanted}
            return restore(self.workspace, self._load(), after, self._blob, force=True)

    def missing(self, paths: Iterable[str]) -> bool:
        """Whether something that was at one of PATHS before the run is not there now."""
        with self._lock:
            before = self._load()
            return any(
                before.get(path, Image(path)).kind != "absent" and look(self.workspace, path).kind == "absent"
                for path in paths
            )

    def added(self, path: str) -> bool:
        """Whether there was nothing at PATH (relative) before the run, as far as that was kept."""
        with self._lock:
            before = self._load()
            return self._covered(path) and before.get(path, Image(path)).kind == "absent"

    def originals(self, paths: Iterable[str]) -> dict[str, Path]:
        """Of PATHS (relative; a folder stands for all in it) those files that existed at the start and were kept since: path → a file
        with the old content. Meant for `copy_workspace(restore=...)`."""
        with self._lock:
            before = self._load()
            wanted = {os.path.normpath(path) for path in paths}
            found = {}
            for path, image in before.items():
                blob = self._blob(image)
                named = path in wanted or any(path.startswith(f"{folder}/") for folder in wanted)
                if named and image.kind == "file" and blob is not None:
                    found[path] = blob
            return found

    def _after(self) -> dict[str, Image]:
        return _images(self._sealed)[0] if self._sealed.exists() else self._differences()

    def _differences(self) -> dict[str, Image]:
        before = self._load()
        now: dict[str, Image] = {}
        for scope in self._scopes:
            if not any(parent in self._scopes for parent in _above(scope)):
                now |= scan(self.workspace, scope, before)
        paths = sorted(before.keys() | now.keys())
        pairs = ((path, before.get(path, Image(path)), now.get(path, Image(path))) for path in paths)
        return {path: new for path, old, new in pairs if not old.same(new)}

    def _scope(self, path: str | Path | None) -> str:
        """PATH relative to the workspace, cut at the first part that does not exist."""
        if path is None:
            return ""
        root = Path(os.path.realpath(self.workspace))
        full = Path(os.path.normpath(root / path))
        real = Path(os.path.realpath(full.parent), full.name) if full != root else root
        if not real.is_relative_to(root):
            raise UsageError(f"{path} is outside the workspace {self.workspace}; its old content is not kept.")
        parts = real.relative_to(root).parts
        for n in range(1, len(parts)):
            if not root.joinpath(*parts[:n]).is_dir():
                return "/".join(parts[:n])
        return "/".join(parts)

    def _covered(self, path: str) -> bool:
        return path in self._scopes or any(parent in self._scopes for parent in _above(path))

    def _capture(self, scope: str) -> list[Image]:
        images = [look(self.workspace, scope, None, self._blobs)] if scope else []
        if scope and images[0].kind != "dir":
            return images
        unreadable: list[str] = []
        for path, info, at, name in walk(self.workspace, scope, self._scopes.__contains__, unreadable.append):
            images.append(take(path, info, at, name, None, self._blobs))
        for path in unreadable:
            images.append(Image(path, "dir", why="cannot be read"))
        return images

    def _append(self, scope: str, images: list[Image]) -> None:
        """One group: it counts only when its last line is there."""
        private_folder(self._folder)
        lines = [{"begin": scope}, *(to_json(image) for image in images), {"scope": scope}]
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        fd = os.open(self._manifest, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            left = memoryview(b"\n" + text.encode("ascii"))  # a new line first: the last one may be torn
            while left:
                left = left[os.write(fd, left) :]
        finally:
            os.close(fd)

    def _load(self) -> dict[str, Image]:
        if self._before is None:
            self._before, self._scopes = _images(self._manifest)
            kept = {image.sha: image.size for image in self._before.values() if image.sha and not image.why}
            self._blobs.total = sum(kept.values())
        return self._before

    def _blob(self, image: Image) -> Path | None:
        if image.kind != "file" or not image.sha or image.why:
            return None
        path = self._blobs.path(image.sha)
        return path if path.exists() else None


def run_snapshot(store: Store, info: RunInfo) -> Snapshot:
    """What the run of INFO changed in its workspace. Raises UsageError when the workspace is gone."""
    workspace = Path(info.workspace)
    if not info.workspace or not workspace.is_dir():
        raise UsageError(f"The workspace {info.workspace or '(none)'} of run {info.run_id} is gone.")
    return Snapshot(store.run_folder(info.run_id), workspace)


def _above(path: str) -> list[str]:
    """The folders that PATH lies in, the workspace itself ("") among them."""
    if not path:
        return []
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts))]


def _images(file: Path) -> tuple[dict[str, Image], set[str]]:
    """The images of a manifest's complete groups with their scopes, or those of a plain list."""
    images: dict[str, Image] = {}
    scopes: set[str] = set()
    pending: dict[str, Image] = {}
    grouped = False
    try:
        lines = file.read_text(encoding="ascii", errors="replace").split("\n") if file.exists() else []
    except OSError as error:
        raise StoreError(f"{file} could not be read: {error.strerror}.") from error
    for line in lines:
        try:
            record = json.loads(line) if line else None
        except ValueError:
            continue  # torn by a crash; its group never counted
        if not isinstance(record, dict):
            continue
        if "begin" in record:
            pending, grouped = {}, True
        elif "scope" in record:
            images |= pending
            scopes.add(record["scope"])
            pending = {}
        else:
            image = from_json(Image, record)
            pending[image.path] = image
    return (images, scopes) if grouped else (pending, scopes)
