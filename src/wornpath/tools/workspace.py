"""The folder a run works in, and the only door to it.

No path leaves it by `..`, by being absolute, or through a symbolic link.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import posixpath
import re
import shutil
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wornpath.core import ToolError, UsageError
from wornpath.sandbox.text import visible
from wornpath.tools.beneath import folder_beneath, open_beneath, open_regular, replace_file, write_all

SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", ".wornpath"})
MAX_ENTRIES = 20_000
MAX_DEPTH = 100
"""Folders deeper than this are not looked into: only a program that means harm, or has gone wild, makes them."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file: its canonical path, size in bytes, time of change, and whether it or a folder above it is hidden."""

    path: str
    size: int
    mtime: float
    hidden: bool = False

    @property
    def name(self) -> str:
        return posixpath.basename(self.path)

    def __fspath__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class FileList:
    """Files in natural order. `complete` is False when there were more than the limit, and the rest was left out."""

    entries: tuple[FileEntry, ...]
    complete: bool = True


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sorting key that puts `page2` before `page10` and does not care about case."""
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p.casefold()) for p in re.split(r"(\d+)", text) if p)


_HALF = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Halves of characters that stand for no byte: a model's JSON can hold them."""


def spelling(name: str) -> str:
    """A file name as it is shown and compared: Unicode NFC, with U+FFFD for bytes that are no UTF-8 and for characters that move a cursor
    or hide text, which a program can put into a name."""
    if name.isascii():
        return name if name.isprintable() else visible(name)
    if name:
        name = _HALF.sub("\ufffd", name).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        name = visible(unicodedata.normalize("NFC", name))
    return name


def canonical_path(path: str) -> str:
    """PATH in its one spelling, without a look at the disk: POSIX, no `.`, `..` or `//`; the workspace itself is `.`.

    Absolute paths stay absolute. Raises ToolError with a sentence for an empty path, a NUL, and a path that leaves.
    """
    if not isinstance(path, str) or not path.strip():
        raise ToolError("The path is empty; give one relative to the workspace, such as notes/today.md.")
    if "\0" in path:
        raise ToolError("The path holds a NUL character, which no file name can have.")
    path = posixpath.normpath(spelling(path))
    if path == "~" or path.startswith("~/"):
        raise ToolError(f"The path {_show(path)} is outside the workspace; give one relative to the workspace.")
    if not path.strip():
        raise ToolError("The path is nothing but spaces; give one relative to the workspace, such as notes/today.md.")
    if path == ".." or path.startswith("../"):
        raise ToolError(f"The path {_show(path)} leaves the workspace; only files inside it can be used.")
    return "/" + path.lstrip("/") if path.startswith("/") else path


def check_workspace(path: str | os.PathLike[str], *, create: bool = True) -> Path:
    """PATH as an absolute folder to work in; with CREATE it is made where it is missing.

    Raises UsageError for `/`, the home folder or a folder above it, for what is no folder, and for what cannot be made.
    """
    folder = Path(os.path.realpath(Path(path).expanduser()))
    home = Path(os.path.realpath(Path.home()))
    advice = "name a folder that holds only the files of this work, with --workspace."
    if folder == Path(folder.anchor):
        raise UsageError(f"The workspace may not be {folder}, the whole disk; {advice}")
    if folder == home or folder in home.parents:
        raise UsageError(f"The workspace may not be {folder}, which holds everything of yours; {advice}")
    try:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"The workspace {folder} is a file; {advice}")
        if create:
            folder.mkdir(parents=True, exist_ok=True)
    except UsageError:
        raise
    except (FileExistsError, NotADirectoryError):
        raise UsageError(
            f"The workspace {folder} cannot be made, since something on the way is a file; {advice}"
        ) from None
    except OSError as error:
        raise UsageError(f"The workspace {folder} cannot be used: {error.strerror}; {advice}") from None
    if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        raise UsageError(f"The workspace {folder} cannot be read; change its permissions or name another folder.")
    return folder


class Workspace:
    """A folder and everything beneath it.

    Reading follows links that stay inside; writing follows none. Only regular files are opened.
    """

    def __init__(self, root: Path, writable: bool = True) -> None:
        self._given = os.path.normpath(Path(root).absolute())
        self.root = Path(os.path.realpath(root))
        self.writable = writable

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r}, writable={self.writable})"

    def resolve(self, path: str) -> Path:
        """Where PATH lies on this machine. It need not exist. Links in it are checked, not replaced.

        Raises ToolError with a sentence for a path that leaves the workspace.
        """
        parts = self._parts(path)
        full = self.root.joinpath(*parts)
        try:
            real = os.path.realpath(full)
        except OSError as error:
            raise self.error(error, path) from None
        if not self._inside(real):
            raise ToolError(
                f"{_show('/'.join(parts))} is a link that leaves the workspace; only files inside it can be used."
            )
        return full

    def relative(self, path: str | os.PathLike[str]) -> str:
        """The canonical spelling of PATH: relative to the workspace, POSIX, Unicode NFC; `.` for the workspace itself.

        Raises ToolError where PATH is outside.
        """
        text = canonical_path(os.fspath(path))
        if not text.startswith("/"):
            return text
        for root in (str(self.root), self._given):
            root = spelling(root)
            if text == root:
                return "."
            if text.startswith(root.rstrip("/") + "/"):
                return text[len(root.rstrip("/")) + 1 :]
        raise ToolError(f"The path {_show(text)} is outside the workspace; give one relative to the workspace.")

    def open_read(self, path: str) -> BinaryIO:
        """PATH opened for reading bytes. Raises ToolError where it is missing, no regular file, or not allowed."""
        try:
            parts = self._real_parts(path)
            with folder_beneath(str(self.root), ()) as folder:
                return os.fdopen(open_regular(folder, parts, os.O_RDONLY), "rb")
        except OSError as error:
            raise self.error(error, path) from None

    def stat(self, path: str) -> os.stat_result | None:
        """What is at PATH, links that stay inside followed; None where nothing is."""
        try:
            return self.root.joinpath(*self._real_parts(path)).lstat()
        except OSError:
            return None

    def is_folder(self, path: str) -> bool:
        """Whether a folder is at PATH, links that stay inside followed."""
        info = self.stat(path)
        return info is not None and stat.S_ISDIR(info.st_mode)

    def write_bytes(self, path: str, data: bytes | Iterable[bytes], mode: int | None = None) -> None:
        """Make DATA the content of PATH, all or nothing: readers see the old content or the new.

        Missing folders are made; a file that is there keeps its permissions, a new one gets MODE. DATA may come in pieces.
        Raises ToolError where that cannot be; the old content is intact then.
        """
        parts = self.writable_parts(path)
        if not parts:
            raise ToolError("The path is the workspace itself, a folder; name a file in it.")
        try:
            with folder_beneath(str(self.root), parts[:-1], create=True) as folder:
                replace_file(folder, parts[-1], (data,) if isinstance(data, bytes) else data, mode)
        except OSError as error:
            raise self.error(error, path) from None

    def append_bytes(self, path: str, data: bytes) -> None:
        """Add DATA at the end of PATH, which is made where it is missing. Raises ToolError as `write_bytes` does."""
        parts = self.writable_parts(path)
        if not parts:
            raise ToolError("The path is the workspace itself, a folder; name a file in it.")
        try:
            with folder_beneath(str(self.root), parts[:-1], create=True) as folder:
                fd = open_regular(folder, parts[-1:], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                with io.FileIO(fd, "wb") as file:
                    before = os.fstat(fd).st_size
                    try:
                        write_all(file, data)
                    except OSError:
                        os.ftruncate(fd, before)
                        raise
        except OSError as error:
            raise self.error(error, path) from None

    def make_folder(self, path: str) -> None:
        """Make the folder PATH and those above it, where they are missing. Raises ToolError where that cannot be."""
        try:
            with folder_beneath(str(self.root), self.writable_parts(path), create=True):
                return
        except OSError as error:
            raise self.error(error, path) from None

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove the file, link or folder PATH; with RECURSIVE all that is in the folder, too. Raises ToolError where that cannot be."""
        parts = self.writable_parts(path)
        if not parts:
            raise ToolError("The workspace itself cannot be removed; name a file or folder in it.")
        try:
            with folder_beneath(str(self.root), parts[:-1]) as folder:
                if not stat.S_ISDIR(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode):
                    os.unlink(parts[-1], dir_fd=folder)
                elif recursive:
                    try:
                        shutil.rmtree(parts[-1], dir_fd=folder)
                    except RecursionError:
                        raise OSError(errno.ENAMETOOLONG, "folders too deep") from None
                else:
                    os.rmdir(parts[-1], dir_fd=folder)
        except OSError as error:
            raise self.error(error, path) from None

    def move(self, source: str, destination: str) -> None:
        """Give SOURCE the path DESTINATION, replacing a file there; missing folders are made. Raises ToolError where that cannot be."""
        old, new = self.writable_parts(source), self.writable_parts(destination)
        if not old or not new:
            raise ToolError("The workspace itself cannot be moved or replaced; name a file or folder in it.")
        try:
            root = str(self.root)
            with folder_beneath(root, old[:-1]) as left, folder_beneath(root, new[:-1], create=True) as right:
                os.rename(old[-1], new[-1], src_dir_fd=left, dst_dir_fd=right)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise ToolError("They are on different disks; copy the file, then delete the old one.") from None
            raise self.error(error, destination if error.errno != errno.ENOENT else source) from None

    def writable_parts(self, path: str) -> tuple[str, ...]:
        """PATH as names from the workspace down, for a change there.

        Raises ToolError where the workspace is read-only or PATH leaves it.
        """
        if not self.writable:
            raise ToolError("The workspace is read-only in this run, so nothing in it can be changed.")
        self.resolve(path)
        return self._parts(path)

    def files(self, path: str = ".", limit: int = MAX_ENTRIES) -> FileList:
        """The regular files below PATH in natural order, without version control, caches and virtual environments."""
        start = self.resolve(path)
        found: list[FileEntry] = []
        try:
            with folder_beneath(str(self.root), self._real_parts(path)) as folder:
                for entry in self._walk(start, folder, "" if start == self.root else self.relative(path), False):
                    if len(found) >= limit:
                        return FileList(tuple(found), False)
                    found.append(entry)
        except OSError:
            return FileList(tuple(found))
        return FileList(tuple(found))

    def iter_files(self, path: str = ".") -> Iterator[FileEntry]:
        """The entries of `files`, one by one."""
        yield from self.files(path).entries

    def error(self, error: OSError, path: str) -> ToolError:
        """The sentence for ERROR on PATH."""
        try:
            name = self.relative(path)
        except ToolError as outside:
            return outside
        return ToolError(_sentence(error.errno or 0, _show(name)))

    def _walk(self, place: Path, folder: int, prefix: str, hidden: bool) -> Iterator[FileEntry]:
        """The files below the folder at PLACE, open as FOLDER: what code puts in place of a folder meanwhile is not followed."""
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda e: (natural(spelling(e.name)), e.name))
        except OSError:
            return
        if prefix.count("/") >= MAX_DEPTH:
            return
        for entry in listed:
            path = f"{prefix}/{spelling(entry.name)}" if prefix else spelling(entry.name)
            secret = hidden or entry.name.startswith(".")
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in SKIPPED_FOLDERS:
                        yield from self._below(place / entry.name, folder, path, secret)
                elif entry.is_file() and (not entry.is_symlink() or self._inside(os.path.realpath(place / entry.name))):
                    info = entry.stat()
                    yield FileEntry(path, info.st_size, info.st_mtime, secret)

    def _below(self, place: Path, folder: int, path: str, hidden: bool) -> Iterator[FileEntry]:
        below = open_beneath(folder, (place.name,), os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield from self._walk(place, below, path, hidden)
        finally:
            os.close(below)

    def _parts(self, path: str) -> tuple[str, ...]:
        text = self.relative(path)
        if text == ".":
            return ()
        parts = tuple(text.split("/"))
        if text.isascii():
            return parts
        return _on_disk(str(self.root), parts)

    def _real_parts(self, path: str) -> tuple[str, ...]:
        """As `_parts`, links followed; they are opened later with no link allowed, so a swapped one leads nowhere."""
        real = os.path.realpath(self.resolve(path))
        if not self._inside(real):
            raise _leaves(path)
        return tuple(p for p in os.path.relpath(real, self.root).split("/") if p != ".")

    def _inside(self, real: str) -> bool:
        root = str(self.root)
        return real == root or real.startswith(root.rstrip("/") + "/")


def _on_disk(root: str, parts: tuple[str, ...]) -> tuple[str, ...]:
    """PARTS as named on disk, where a name may be NFD or no UTF-8 at all; from the first missing one on, as given."""
    folder = Path(root)
    for at, part in enumerate(parts):
        here = folder / part
        if not part.isascii() and not os.path.lexists(here):
            try:
                here = next((n for n in sorted(folder.iterdir()) if spelling(n.name) == part), here)
            except OSError:
                return (*folder.relative_to(root).parts, *parts[at:])
        folder = here
    return folder.relative_to(root).parts


def _show(path: str) -> str:
    """PATH for a sentence: short, with nothing that moves a cursor."""
    text = "".join(c if c.isprintable() else "\ufffd" for c in spelling(path))
    return text if len(text) <= 160 else text[:120] + "…" + text[-30:]


def _leaves(path: str) -> ToolError:
    return ToolError(f"{_show(path)} is a link that leaves the workspace; only files inside it can be used.")


def _sentence(code: int, name: str) -> str:
    sentences = {
        errno.ENOENT: f"There is no file {name}; list or find files to see the names there are.",
        errno.EISDIR: f"{name} is a folder, not a file.",
        errno.ENOTDIR: f"{name} cannot be reached, since something on the way is a file, not a folder.",
        errno.ELOOP: f"{name} is a symbolic link or lies behind one; use the path that it points to.",
        errno.EXDEV: f"{name} leaves the workspace; only files inside it can be used.",
        errno.ENXIO: f"{name} is a pipe or a device, not a regular file.",
        errno.EACCES: f"{name} may not be opened: its permissions do not allow it.",
        errno.EPERM: f"{name} may not be changed: its permissions do not allow it.",
        errno.ENAMETOOLONG: f"The name {name} is too long for this disk; choose a shorter one.",
        errno.ENOSPC: f"The disk is full, so {name} could not be written; free some space.",
        errno.EDQUOT: f"The disk quota is used up, so {name} could not be written; free some space.",
        errno.EROFS: f"{name} is on a read-only disk and cannot be changed.",
        errno.EFBIG: f"{name} would become larger than files may be here.",
        errno.EEXIST: f"There is already something at {name}.",
        errno.ENOTEMPTY: f"The folder {name} is not empty.",
    }
    return sentences.get(code) or f"{name} could not be used: {os.strerror(code) if code else 'unknown reason'}."
