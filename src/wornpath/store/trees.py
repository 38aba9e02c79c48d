"""Walking and copying folders that a program of unknown intent may have filled: symbolic links are never followed.

Every file is opened relative to its folder, and every folder component by component without following links, so a link put in
place of a folder half-way through leads nowhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from wornpath.core import StoreError, UsageError

_FICLONE = 0x40049409  # ioctl of Linux: share the blocks of another file
_BLOCK = 1 << 20
_OPEN = 64  # folders held open at once by a walk
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def opened_folder(root: Path, rel: str) -> Iterator[int]:
    """A descriptor of folder REL below ROOT ("" is ROOT itself). Raises OSError, also when a part of REL is a link."""
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in rel.split("/") if rel else ():
            inner = os.open(part, _FOLDER, dir_fd=at)
            os.close(at)
            at = inner
        yield at
    finally:
        os.close(at)


def walk(
    root: Path,
    rel: str,
    skip: Callable[[str], bool] | None = None,
    unreadable: Callable[[str], None] = lambda path: None,
) -> Iterator[tuple[str, os.stat_result, int, str]]:
    """What lies below folder REL of ROOT, folders before their contents: (path, lstat, descriptor of its folder, name).

    The descriptor is valid until the next item. Paths for which SKIP is true are left out with all below them, as is what
    vanishes meanwhile. UNREADABLE is told of a folder that cannot be read (to the end). Raises OSError when that is REL itself.
    """
    folders, chain = [rel], _Chain(root)
    try:
        while folders:
            folder = folders.pop()
            try:
                at = chain.open(folder)
                below = []
                for name in sorted(os.listdir(at)):  # noqa: PTH208 - a descriptor, not a path
                    path = f"{folder}/{name}" if folder else name
                    if skip is not None and skip(path):
                        continue
                    try:
                        info = os.stat(name, dir_fd=at, follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    yield path, info, at, name
                    if stat.S_ISDIR(info.st_mode):
                        below.append(path)
                folders += reversed(below)
            except OSError:
                if folder == rel:
                    raise
                unreadable(folder)
    finally:
        chain.close()


class _Chain:
    """The open folders from the root to where a walk is: opening the next one takes a single step, however deep it lies."""

    def __init__(self, root: Path) -> None:
        self.root, self.links = root, [("", os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))]

    def open(self, rel: str) -> int:
        while self.links[-1][0] and not f"{rel}/".startswith(f"{self.links[-1][0]}/"):
            os.close(self.links.pop()[1])
        path, at = self.links[-1]
        for part in rel[len(path) :].split("/"):
            if part:
                path, at = f"{path}/{part}" if path else part, os.open(part, _FOLDER, dir_fd=at)
                self.links.append((path, at))
                if len(self.links) > _OPEN:
                    os.close(self.links.pop(1)[1])
        return at

    def close(self) -> None:
        for _, fd in self.links:
            os.close(fd)
        self.links = []


def open_file(name: str, at: int) -> int:
    """A descriptor of the regular file NAME in the folder AT. Raises OSError, also for links and devices."""
    fd = os.open(name, _FILE, dir_fd=at)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{name} is not a regular file")
    return fd


def hash_file(fd: int) -> str:
    """The SHA-256 of an open file, in hexadecimal."""
    digest = hashlib.sha256()
    offset = 0
    while block := os.pread(fd, _BLOCK, offset):
        digest.update(block)
        offset += len(block)
    return digest.hexdigest()


def clone_file(source: int, target: int) -> None:
    """Give the empty file TARGET the content of SOURCE: shared blocks where the file system can, else a copy."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.ioctl(target, _FICLONE, source)
            return
    offset = 0
    while block := os.pread(source, _BLOCK, offset):
        view = memoryview(block)
        while view:
            view = view[os.write(target, view) :]
        offset += len(block)


def copy_workspace(
    src: Path,
    dst: Path,
    *,
    restore: Mapping[str, Path] | None = None,
    limit_bytes: int = 2 << 30,
) -> int:
    """Copy the folder SRC to DST, which must be new or empty; returns the bytes copied.

    Regular files and folders with their modes and times, and links that stay inside SRC (as links). Sockets, devices, and
    links that lead out are left behind. RESTORE maps paths to files whose content is used instead, also where SRC has nothing.
    A file that may not be read is there as an empty one that may not be read either.

    Raises UsageError when more than LIMIT_BYTES would be copied, StoreError when it cannot be done.
    """
    originals = dict(restore or {})
    for path in originals:
        if Path(path).is_absolute() or os.path.normpath(path) != path or path.split("/")[0] in ("..", "."):
            raise UsageError(f"{path!r} is no plain path inside the workspace.")
    if dst.resolve().is_relative_to(src.resolve()):
        raise UsageError(f"{dst} lies inside {src}; the copy needs a folder elsewhere.")
    try:
        dst.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(dst.iterdir()):
            raise UsageError(f"{dst} is not empty; a copy of the workspace needs a folder of its own.")
        return _copy_all(src, dst, originals, limit_bytes)
    except OSError as error:
        where = f" ({error.filename!r})" if error.filename else ""
        raise StoreError(
            f"The workspace {src} could not be copied to {dst}: {error.strerror or error}{where}."
        ) from error


def _copy_all(src: Path, dst: Path, originals: dict[str, Path], limit: int) -> int:
    copied = 0
    times: list[tuple[Path, os.stat_result]] = []
    must_be_folders = {parent for path in originals for parent in _parents(path)}
    for path, info, at, name in walk(src, "", lambda path: path in originals):
        target = dst / path
        if stat.S_ISDIR(info.st_mode):
            target.mkdir(mode=0o700)
            times.append((target, info))
        elif path in must_be_folders:
            continue
        elif stat.S_ISLNK(info.st_mode):
            if _stays_inside(src, path):
                target.symlink_to(os.readlink(name, dir_fd=at))
        elif stat.S_ISREG(info.st_mode):
            try:
                fd = open_file(name, at)
            except PermissionError:
                target.touch(0)
                continue
            try:
                copied += info.st_size
                _check(copied, limit, src)
                _write(fd, target, info)
            finally:
                os.close(fd)
    for path, original in originals.items():
        copied += original.stat().st_size
        _check(copied, limit, src)
        target = dst / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with original.open("rb") as file:
            _write(file.fileno(), target, None)
    for folder, info in reversed(times):  # innermost first: writing into a folder changes its time
        folder.chmod(stat.S_IMODE(info.st_mode) & 0o777 | 0o700)
        os.utime(folder, ns=(info.st_atime_ns, info.st_mtime_ns))
    return copied


def _write(source: int, target: Path, info: os.stat_result | None) -> None:
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        clone_file(source, fd)
        if info is not None:
            os.fchmod(fd, stat.S_IMODE(info.st_mode) & 0o777)
            os.utime(fd, ns=(info.st_atime_ns, info.st_mtime_ns))
    finally:
        os.close(fd)


def _stays_inside(root: Path, link: str) -> bool:
    """Whether following LINK, and the links it meets, never leaves ROOT on the way."""
    at, todo, hops = link.split("/")[:-1], [link.rpartition("/")[2]], 0
    while todo:
        part = todo.pop()
        if part == "..":
            if not at:
                return False
            at.pop()
        elif part not in ("", "."):
            here = root.joinpath(*at, part)
            if not here.is_symlink():
                at.append(part)
                continue
            to = str(here.readlink())
            hops += 1
            if to.startswith("/") or hops > 40:
                return False
            todo += reversed(to.split("/"))
    return True


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _check(copied: int, limit: int, src: Path) -> None:
    if copied > limit:
        raise UsageError(
            f"The workspace {src} holds more than {limit / (1 << 20):,.0f} MiB, too much to copy; "
            "point --workspace at a smaller folder or move large files out of it."
        )
