"""Images of files: what lay at a path at one moment, with contents in a content-addressed folder of blobs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wornpath.store.database import private_folder
from wornpath.store.trees import clone_file, hash_file, open_file, opened_folder, walk

_SMALL = 1 << 20
_RACY_NS = 2_000_000_000  # a file changed this recently may change again with the same time stamp


@dataclass(frozen=True, slots=True)
class Image:
    """What lay at `path` (relative to the workspace). `sha` is empty for a file whose content was not read.

    `why` says why the content was not kept, so that it cannot be restored. `changed_ns` is 0 where the time stamps are too
    fresh to tell a later change.
    """

    path: str
    kind: Literal["absent", "file", "dir", "link", "other"] = "absent"
    size: int = 0
    mode: int = 0
    sha: str = ""
    target: str = ""
    why: str = ""
    mtime_ns: int = 0
    changed_ns: int = 0
    inode: int = 0

    def same(self, other: Image) -> bool:
        """Whether both show the same thing. Contents that were not read are told apart by size and time."""
        if self.kind != other.kind:
            return False
        if self.kind == "file":
            known = bool(self.sha and other.sha)
            content = self.sha == other.sha if known else (self.size, self.mtime_ns) == (other.size, other.mtime_ns)
            return content and self.mode == other.mode
        return self.target == other.target and self.mode == other.mode

    def fresh(self, info: os.stat_result) -> bool:
        """Whether INFO proves that the file is as it was."""
        now = (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
        return self.changed_ns > 0 and now == (self.size, self.mtime_ns, self.changed_ns, self.inode)

    def shows(self, info: os.stat_result) -> bool:
        """Whether INFO, of the same mode, proves that the folder or file is as it was."""
        if self.kind == "file":
            return self.fresh(info)
        return self.kind == "dir" and stat.S_ISDIR(info.st_mode)


class Blobs:
    """Contents by their SHA-256, for their owner's eyes only. `total` counts the bytes taken so far."""

    def __init__(self, folder: Path, *, max_file: int, max_total: int) -> None:
        self.folder, self.max_file, self.max_total, self.total = folder, max_file, max_total, 0

    def path(self, sha: str) -> Path:
        return self.folder / sha[:2] / sha

    def refusal(self, size: int) -> str:
        """Why a file of SIZE bytes is not kept; empty when it is."""
        if size > self.max_file:
            return f"larger than {self.max_file >> 20} MiB"
        if self.total + size > self.max_total:
            return f"beyond the {self.max_total >> 20} MiB kept for undo"
        return ""

    def put(self, fd: int, size: int) -> str:
        """Keep the content of an open file; returns its SHA-256. Raises OSError."""
        if size <= _SMALL:
            content = os.pread(fd, _SMALL + 1, 0)
            if len(content) <= _SMALL:
                sha = hashlib.sha256(content).hexdigest()
                if not self.path(sha).exists():
                    self._write(lambda target: target.write_bytes(content), sha)
                return sha
        return self._write(lambda target: _clone(fd, target), "")

    def _write(self, fill: Callable[[Path], object], sha: str) -> str:
        """A blob appears whole or not at all."""
        private_folder(self.folder)
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".new-")
        os.close(handle)
        temporary = Path(name)
        try:
            fill(temporary)
            if not sha:
                with temporary.open("rb") as file:
                    sha = hash_file(file.fileno())
            private_folder(self.path(sha).parent)
            self.total += temporary.stat().st_size
            temporary.replace(self.path(sha))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return sha


def _clone(fd: int, target: Path) -> None:
    with target.open("wb") as file:
        clone_file(fd, file.fileno())


def look(root: Path, path: str, known: Image | None = None, blobs: Blobs | None = None) -> Image:
    """The image of what lies at PATH now; links on the way to it make it absent."""
    folder, _, name = path.rpartition("/")
    try:
        with opened_folder(root, folder) as at:
            return take(path, os.stat(name, dir_fd=at, follow_symlinks=False), at, name, known, blobs)
    except (FileNotFoundError, NotADirectoryError):
        return Image(path)
    except OSError as error:
        if os.path.lexists(root / path) and not (root / folder).is_symlink():
            return Image(path, "other", why=f"cannot be read: {error.strerror or error}")
        return Image(path)


def take(
    path: str, info: os.stat_result, at: int, name: str, known: Image | None = None, blobs: Blobs | None = None
) -> Image:
    """The image of NAME in the folder AT, with INFO its lstat. KNOWN, an earlier image, saves reading what has not changed since;
    with BLOBS the content is kept."""
    mode = stat.S_IMODE(info.st_mode)
    if known is not None and known.mode == mode and known.shows(info):
        return known
    if stat.S_ISDIR(info.st_mode):
        return Image(path, "dir", mode=mode)
    if stat.S_ISLNK(info.st_mode):
        return Image(path, "link", target=os.readlink(name, dir_fd=at))
    if not stat.S_ISREG(info.st_mode):
        return Image(path, "other", why="neither a file nor a folder")
    settled = info.st_ctime_ns < time.time_ns() - _RACY_NS
    stamps = {"mtime_ns": info.st_mtime_ns, "changed_ns": info.st_ctime_ns if settled else 0, "inode": info.st_ino}
    sha, why = "", blobs.refusal(info.st_size) if blobs else ""
    if known is not None and known.kind == "file" and known.fresh(info):
        sha = known.sha
    elif known is not None and known.kind == "file" and not known.sha:
        sha = ""  # its content was never read: too large to be worth it now
    elif not why:
        try:
            fd = open_file(name, at)
            try:
                sha = blobs.put(fd, info.st_size) if blobs else hash_file(fd)
            finally:
                os.close(fd)
        except OSError as error:
            why = f"cannot be read: {error.strerror or error}"
    return Image(path, "file", info.st_size, mode, sha, "", why, **stamps)


def scan(
    root: Path, scope: str, known: Mapping[str, Image], skip: Callable[[str], bool] | None = None
) -> dict[str, Image]:
    """Images of all that lies at and below SCOPE now, but not in folders that could not be read when KNOWN was taken, nor in those that
    SKIP leaves out."""
    found: dict[str, Image] = {}
    top = look(root, scope, known.get(scope)) if scope else Image("", "dir")
    if top.kind == "absent":
        return found
    if scope:
        found[scope] = top
    if top.kind == "dir":
        shut = {path for path, image in known.items() if image.kind == "dir" and image.why}
        with contextlib.suppress(OSError):
            for path, info, at, name in walk(root, scope, _skipping(shut, skip)):
                found[path] = take(path, info, at, name, known.get(path))
    return found


def _skipping(shut: set[str], skip: Callable[[str], bool] | None) -> Callable[[str], bool] | None:
    """Whether a path lies in one of the folders SHUT, or SKIP leaves it out."""
    if not shut:
        return skip
    return lambda path: path.rpartition("/")[0] in shut or (skip is not None and skip(path))
