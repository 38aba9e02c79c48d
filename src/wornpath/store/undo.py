"""Bringing a workspace back to its before-images. Links are never followed, and nothing is written through them."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wornpath.store.images import Image, look
from wornpath.store.trees import clone_file, hash_file, opened_folder

if TYPE_CHECKING:
    from wornpath.store.snapshot import UndoReport

_PATH_ONLY = getattr(os, "O_PATH", os.O_RDONLY)
Blob = Callable[[Image], Path | None]
CHANGED_SINCE = "it was changed since, not by the run"


def restore(
    root: Path, before: Mapping[str, Image], after: Mapping[str, Image], blob: Blob, *, force: bool
) -> UndoReport:
    """Undo the differences AFTER. A path that is neither as the run left it nor as it was before is a conflict, unless FORCE."""
    from wornpath.store.snapshot import UndoReport

    todo, now, why = sort_out(root, before, after, force=force)
    _unlock(root, [now[old.path] for old in todo if now[old.path].kind == "dir"])
    removed = _remove(root, [(old, now[old.path]) for old in todo], why)
    restored = _bring_back(root, [old for old in todo if old.kind != "absent" and old.path not in why], blob, why)
    gone = [path for path in removed if path not in restored and path not in why]
    return UndoReport(tuple(sorted(restored)), tuple(sorted(gone)), tuple(sorted(why)), why)


def sort_out(
    root: Path, before: Mapping[str, Image], after: Mapping[str, Image], *, force: bool
) -> tuple[list[Image], dict[str, Image], dict[str, str]]:
    """Of the differences AFTER: what was there and can be brought back, what is there now, and why the rest stays."""
    why: dict[str, str] = {}
    now: dict[str, Image] = {}
    todo: list[Image] = []
    for path, left in after.items():
        old = before.get(path, Image(path))
        now[path] = look(root, path, left)
        if now[path].same(old):
            continue
        if old.why:
            why[path] = f"its old content was not kept ({old.why})"
        elif not force and not _untouched(now[path], left):
            why[path] = CHANGED_SINCE
        else:
            todo.append(old)
    return todo, now, why


def _untouched(now: Image, left: Image) -> bool:
    return now.same(left) or (now.kind == left.kind == "dir")


def _unlock(root: Path, folders: list[Image]) -> None:
    """A run may have made folders read-only, and what lies in them has to go or to come back."""
    for image in sorted(folders, key=lambda image: image.path.count("/")):
        folder, _, name = image.path.rpartition("/")
        with contextlib.suppress(OSError), opened_folder(root, folder) as at:
            _set_mode(at, name, image.mode | 0o700)


def _set_mode(at: int, name: str, mode: int) -> None:
    """Of the folder NAME in AT; a link that was put in its place meanwhile is not followed. Raises OSError."""
    fd = os.open(name, _PATH_ONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    try:
        Path(f"/proc/self/fd/{fd}").chmod(mode)  # closed to its owner, it cannot be opened in another way
    finally:
        os.close(fd)


def _remove(root: Path, pairs: list[tuple[Image, Image]], why: dict[str, str]) -> list[str]:
    """Take away what must not be there, contents before their folders. A folder with something of the user's in it stays."""
    removed = []
    for old, now in sorted(pairs, key=lambda pair: pair[0].path.count("/"), reverse=True):
        if now.kind == "absent" or now.kind == old.kind:
            continue
        folder, _, name = now.path.rpartition("/")
        try:
            with opened_folder(root, folder) as at:
                if now.kind == "dir":
                    os.rmdir(name, dir_fd=at)
                else:
                    os.unlink(name, dir_fd=at)
                    removed.append(now.path)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                if old.kind != "absent":
                    why[now.path] = "there is a folder with other files in its place"
            elif error.errno != errno.ENOENT:
                why[now.path] = error.strerror or str(error)
    return removed


def _bring_back(root: Path, images: list[Image], blob: Blob, why: dict[str, str]) -> set[str]:
    """Put back what was there, folders before their contents; the folders' modes last, for one may forbid writing."""
    restored = set()
    images = sorted(images, key=lambda image: image.path.count("/"))
    for image in images:
        folder, _, name = image.path.rpartition("/")
        try:
            with opened_folder(root, folder) as at:
                if image.kind == "dir":
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, 0o700, dir_fd=at)
                    _set_mode(at, name, image.mode | 0o700)
                else:
                    _put(image, at, name, blob(image))
                    restored.add(image.path)
        except OSError as error:
            why[image.path] = error.strerror or str(error)
    for image in reversed(images):
        if image.kind == "dir" and image.path not in why:
            folder, _, name = image.path.rpartition("/")
            with contextlib.suppress(OSError), opened_folder(root, folder) as at:
                _set_mode(at, name, image.mode)
    return restored


def _put(image: Image, at: int, name: str, content: Path | None) -> None:
    """The file or link appears whole or not at all."""
    temporary = f".wornpath-undo-{secrets.token_hex(6)}"
    try:
        if image.kind == "link":
            os.symlink(image.target, temporary, dir_fd=at)
        else:
            _write(image, at, temporary, content)
        os.rename(temporary, name, src_dir_fd=at, dst_dir_fd=at)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=at)
        raise


def _write(image: Image, at: int, name: str, content: Path | None) -> None:
    if content is None:
        raise OSError("its old content is missing from the run's folder")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, 0o600, dir_fd=at)
    try:
        with content.open("rb") as source:
            clone_file(source.fileno(), fd)
        if hash_file(fd) != image.sha:
            raise OSError("its old content is damaged in the run's folder")
        os.fchmod(fd, image.mode)
        os.utime(fd, ns=(image.mtime_ns, image.mtime_ns))
    finally:
        os.close(fd)
