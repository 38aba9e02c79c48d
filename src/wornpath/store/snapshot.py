"""What a run changed in its workspace, and the way back.

Before the first change of anything, `keep` puts its old content into the run's folder: the blob first, then a line of the journal,
then the change may happen. So a run that was killed at any moment can be undone. From `keep` to `close`, what changes where `keep`
was called is the run's; what changes at another time is somebody else's. `undo` leaves that alone, and where the run changes it
afterwards, it goes back to what somebody else left.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wornpath.core import StoreError, UsageError
from wornpath.store.images import Blobs, Image, look, scan, take
from wornpath.store.journal import Journal, above, within
from wornpath.store.trees import walk
from wornpath.store.undo import CHANGED_SINCE, restore, sort_out

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
        self._blobs = Blobs(self._folder / "blobs", max_file=max_file, max_total=max_total)
        self._lock = threading.RLock()
        self._read: Journal | None = None

    def keep(self, path: str | Path | None = None) -> None:
        """Keep what is at PATH (a folder with all in it) before an action changes it; with None, all of the workspace. What somebody
        else changed since the last action counts as old content. Raises UsageError for a path outside the workspace."""
        with self._lock:
            journal = self._journal()
            scope = self._scope(path)
            if within(scope, journal.open):
                return
            try:
                if within(scope, journal.scopes):
                    journal.begin(scope, self._theirs(scope))
                    return
                images = self._capture(scope)
                inner = [s for s in journal.scopes if scope in above(s) and not within(s, journal.open)]
                journal.rebase([image for s in inner for image in self._theirs(s)])
                journal.keep(scope, images)
            except OSError as error:
                raise StoreError(
                    f"The old content of {path or self.workspace} could not be kept in {self._folder}: "
                    f"{error.strerror or error}; nothing was changed."
                ) from error

    def close(self, changed: Iterable[str] = ()) -> None:
        """Record what the action that is over changed: all that is different where `keep` was called for it, and the paths CHANGED that
        it tells of, as far as their old content is kept."""
        with self._lock:
            journal = self._journal()
            told = [] if "" in journal.open else [scope for scope in map(self._kept, changed) if scope is not None]
            if journal.open or told:
                images = [*self._at_work(), *(image for scope in told for image in self._differing(scope))]
                self._book(images, end=True)

    def changes(self) -> list[Change]:
        """What the run changed, as it left it. A folder is listed when nothing in it is."""
        with self._lock:
            return self._changes(self._own())

    def left(self, path: str) -> str:
        """The hash of the file PATH as the run's last action left it; empty where it left none, `unread` where its content is not known."""
        with self._lock:
            image = self._journal().left.get(path)
            return "unread" if image is None else image.sha or ("unread" if image.kind == "file" else "")

    def diff(self) -> str:
        """A unified diff of the changes; binary and large files get one line."""
        from wornpath.store.difftext import unified

        return unified(self.changes(), self.workspace)

    def seal(self) -> None:
        """Close, and keep the content of what the run changed, for `diff`. Call it when the run stops."""
        with self._lock:
            self.close()
            try:
                for path, image in self._journal().left.items():
                    if image.kind == "file":
                        look(self.workspace, path, None, self._blobs)
            except OSError as error:
                raise StoreError(
                    f"The end of the run could not be noted in {self._folder}: {error.strerror}."
                ) from error

    def outlook(self) -> tuple[list[Change], dict[str, str]]:
        """The changes that `undo` would take back now, and why it would leave others alone: path → reason."""
        with self._lock:
            after = self._own()
            todo, _, why = sort_out(self.workspace, self._journal().before, after, force=False)
            changes = self._changes({image.path: after[image.path] for image in todo})
            return [change for change in changes if not self._in_use(change)], why | self._shared(after)

    def undo(self, *, force: bool = False) -> UndoReport:
        """Bring back what was there before the run. What somebody else changed after the run had is a conflict and stays, unless FORCE.

        An undo that was interrupted can simply be done again.
        """
        with self._lock:
            journal, after = self._journal(), self._own()
            if force:
                first = journal.before | journal.shared
                everything = {path: look(self.workspace, path) for path in journal.shared} | after
                return restore(self.workspace, first, everything, self._blob, force=True)
            report = restore(self.workspace, journal.before, after, self._blob, force=False)
            why = dict(report.why or {}) | self._shared(after)
            return UndoReport(report.restored, report.removed, tuple(sorted(why)), why)

    def put_back(self, paths: Iterable[str]) -> UndoReport:
        """Bring back what was at PATHS before the run, while it is still going on; everything else stays as it is."""
        wanted = set(paths)
        wanted |= {folder for path in wanted for folder in above(path) if folder}
        with self._lock:
            journal = self._journal()
            after = {path: image for path, image in self._own().items() if path in wanted}
            report = restore(self.workspace, journal.before, after, self._blob, force=True)
            settled = [path for path in after if not within(path, journal.open)]
            if settled:
                self._book([look(self.workspace, path, journal.last(path)) for path in settled], end=False)
            return report

    def missing(self, paths: Iterable[str]) -> bool:
        """Whether something that was at one of PATHS before the run is not there now."""
        with self._lock:
            was = self._journal().was
            return any(was(path).kind != "absent" and look(self.workspace, path).kind == "absent" for path in paths)

    def there_before(self, paths: Iterable[str]) -> bool:
        """Whether there was something at one of PATHS before the run."""
        with self._lock:
            return any(self._journal().was(path).kind != "absent" for path in paths)

    def added(self, path: str) -> bool:
        """Whether there was nothing at PATH (relative) before the run, as far as that was kept."""
        with self._lock:
            journal = self._journal()
            return within(path, journal.scopes) and journal.was(path).kind == "absent"

    def originals(self, paths: Iterable[str]) -> dict[str, Path]:
        """Of PATHS (relative; a folder stands for all in it) those files that existed at the start and were kept since: path → a file
        with the old content. Meant for `copy_workspace(restore=...)`."""
        with self._lock:
            wanted = {os.path.normpath(path) for path in paths}
            found = {}
            for path, image in self._journal().before.items():
                blob = self._blob(image)
                named = path in wanted or any(path.startswith(f"{folder}/") for folder in wanted)
                if named and image.kind == "file" and blob is not None:
                    found[path] = blob
            return found

    def _changes(self, after: Mapping[str, Image]) -> list[Change]:
        folders = {folder for path in after for folder in above(path)}
        out = []
        for path in sorted(after):
            old, new = self._journal().was(path), after[path]
            if path in folders and {old.kind, new.kind} <= {"dir", "absent"}:
                continue
            kind: Literal["added", "changed", "removed"] = "changed"
            if "absent" in (old.kind, new.kind):
                kind = "added" if old.kind == "absent" else "removed"
            out.append(Change(path, kind, old, new, self._blob(old), self._blob(new)))
        return out

    def _own(self) -> dict[str, Image]:
        """What the run changed, with what an action that was cut off may have."""
        journal = self._journal()
        own = dict(journal.left)
        for image in self._at_work():
            if image.same(journal.was(image.path)):
                own.pop(image.path, None)
            else:
                own[image.path] = image
        return own

    def _shared(self, own: Mapping[str, Image]) -> dict[str, str]:
        """Why what somebody else changed after the run had is left alone."""
        shared = self._journal().shared.items()
        return {p: CHANGED_SINCE for p, old in shared if p not in own and not look(self.workspace, p).same(old)}

    def _in_use(self, change: Change) -> bool:
        """Whether CHANGE is a new folder in which something else lies by now."""
        place = self.workspace / change.path
        try:
            return change.before.kind == "absent" and change.after.kind == "dir" and any(place.iterdir())
        except OSError:
            return False

    def _at_work(self) -> list[Image]:
        """What is different where the action in hand is at work."""
        opened = self._journal().open
        tops = [scope for scope in opened if not any(folder in opened for folder in above(scope))]
        return [image for scope in tops for image in self._differing(scope)]

    def _theirs(self, scope: str) -> list[Image]:
        """What somebody else changed at and below SCOPE since the last action, with its content kept."""
        opened = self._journal().open
        changed = [
            image.path for image in self._differing(scope, (lambda path: within(path, opened)) if opened else None)
        ]
        return [look(self.workspace, path, None, self._blobs) for path in changed]

    def _differing(self, scope: str, skip: Callable[[str], bool] | None = None) -> list[Image]:
        """What is not any more as it was last seen, at and below SCOPE, as it is now."""
        now = self._journal().now
        found = scan(self.workspace, scope, now, skip)
        folder = not scope or "dir" in (found.get(scope, Image(scope)).kind, now.get(scope, Image(scope)).kind)
        below = f"{scope}/" if scope else ""
        known = [path for path in now if path == scope or path.startswith(below)] if folder else [scope]
        gone = [path for path in known if path not in found and not (skip and skip(path))]
        out = [Image(path) for path in gone if not now.get(path, Image(path)).same(Image(path))]
        for path, new in found.items():
            old = now.get(path)
            if new is old:
                continue
            if old is None or not old.same(new):
                out.append(new)
            elif new.sha and not old.why:
                now[path] = new  # its time stamps may be old enough by now to rely on
        return sorted(out, key=lambda image: image.path)

    def _book(self, images: Iterable[Image], *, end: bool) -> None:
        try:
            self._journal().book(list(images), end=end)
        except OSError as error:
            raise StoreError(
                f"What the run changed could not be noted in {self._folder}: {error.strerror or error}."
            ) from error

    def _kept(self, path: str) -> str | None:
        """PATH as a scope; None where it is not kept, or is looked at anyway."""
        journal = self._journal()
        try:
            scope = self._scope(path)
        except UsageError:
            return None
        return scope if within(scope, journal.scopes) and not within(scope, journal.open) else None

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

    def _capture(self, scope: str) -> list[Image]:
        images = [look(self.workspace, scope, None, self._blobs)] if scope else []
        if scope and images[0].kind != "dir":
            return images
        unreadable: list[str] = []
        for path, info, at, name in walk(self.workspace, scope, self._journal().scopes.__contains__, unreadable.append):
            images.append(take(path, info, at, name, None, self._blobs))
        for path in unreadable:
            images.append(Image(path, "dir", why="cannot be read"))
        return images

    def _journal(self) -> Journal:
        if self._read is None:
            self._read = Journal(self._folder)
            kept = {image.sha: image.size for image in self._read.before.values() if image.sha and not image.why}
            self._blobs.total = sum(kept.values())
        return self._read

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
