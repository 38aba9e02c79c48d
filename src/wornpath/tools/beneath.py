"""Opening files strictly beneath a folder, so that a symbolic link swapped in between check and use leads nowhere.

On Linux one `openat2` call does it (RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS); elsewhere the path is walked by O_NOFOLLOW.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import io
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_OPENAT2 = 437  # the same number on every Linux architecture
_NO_MAGIC_LINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@functools.cache
def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def open_beneath(folder: int, parts: tuple[str, ...], flags: int, mode: int = 0o666) -> int:
    """A descriptor of the entry PARTS lead to from the folder descriptor FOLDER, with no link and no `..` on the way.

    Raises OSError: ELOOP where a component is a symbolic link.
    """
    if not parts:
        return os.open(".", _DIRECTORY, dir_fd=folder)
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    libc = _libc()
    if libc is not None:
        how = _How(flags, mode if flags & os.O_CREAT else 0, _BENEATH | _NO_SYMLINKS | _NO_MAGIC_LINKS)
        for _ in range(16):  # EAGAIN: something was renamed meanwhile and the kernel could not be sure
            fd = libc.syscall(_OPENAT2, folder, os.fsencode("/".join(parts)), ctypes.byref(how), ctypes.sizeof(how))
            if fd >= 0:
                return int(fd)
            code = ctypes.get_errno()
            if code != errno.EAGAIN:
                break
        if code not in (errno.ENOSYS, errno.EPERM):  # EPERM: a seccomp filter that does not know the call
            raise OSError(code, os.strerror(code), "/".join(parts))
    return walk_beneath(folder, parts, flags, mode)


def walk_beneath(folder: int, parts: tuple[str, ...], flags: int, mode: int = 0o666) -> int:
    """`open_beneath` component by component, for systems without openat2."""
    at = os.open(".", _DIRECTORY, dir_fd=folder)
    try:
        for part in parts[:-1]:
            below = _step(part, at)
            os.close(at)
            at = below
        return os.open(_single(parts[-1]), flags | os.O_CLOEXEC | os.O_NOFOLLOW, mode, dir_fd=at)
    finally:
        os.close(at)


def _step(part: str, folder: int) -> int:
    try:
        return os.open(_single(part), _DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    except NotADirectoryError:  # what O_DIRECTORY says of a link, too
        if stat.S_ISLNK(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), part) from None
        raise


def _single(part: str) -> str:
    if part in ("", ".", "..") or "/" in part:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), part)
    return part


@contextlib.contextmanager
def folder_beneath(root: str, parts: tuple[str, ...], *, create: bool = False) -> Iterator[int]:
    """The descriptor of the folder PARTS lead to from ROOT, closed at the end; with CREATE missing folders are made."""
    at = os.open(root, _DIRECTORY)
    try:
        if not create:
            below = open_beneath(at, parts, _DIRECTORY)
            os.close(at)
            at = below
        else:
            for part in parts:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(_single(part), dir_fd=at)
                below = _step(part, at)
                os.close(at)
                at = below
        yield at
    finally:
        os.close(at)


def open_regular(folder: int, parts: tuple[str, ...], flags: int, mode: int = 0o666) -> int:
    """A descriptor of a regular file; pipes and devices are refused without waiting for them.

    Raises OSError: EISDIR for a folder, ENXIO for what is neither file nor folder.
    """
    fd = open_beneath(folder, parts, flags | os.O_NONBLOCK | os.O_NOCTTY, mode)
    kind = os.fstat(fd).st_mode
    if stat.S_ISREG(kind):
        return fd
    os.close(fd)
    code = errno.EISDIR if stat.S_ISDIR(kind) else errno.ENXIO
    raise OSError(code, os.strerror(code), "/".join(parts))


def replace_file(folder: int, name: str, pieces: Iterable[bytes], mode: int | None) -> None:
    """Make PIECES the content of the regular file NAME in the folder descriptor FOLDER, all or nothing; a new one gets MODE.

    Raises OSError where NAME is something else, and whatever writing raises; nothing is left behind then.
    """
    try:
        old = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        old = None
    if old is not None and not stat.S_ISREG(old.st_mode):
        code = {stat.S_IFDIR: errno.EISDIR, stat.S_IFLNK: errno.ELOOP}.get(stat.S_IFMT(old.st_mode), errno.ENXIO)
        raise OSError(code, os.strerror(code), name)
    if old is not None and not os.access(name, os.W_OK, dir_fd=folder):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
    temporary = f".wornpath-{os.getpid()}-{secrets.token_hex(6)}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        with io.FileIO(fd, "wb") as file:
            for data in pieces:
                write_all(file, data)
            if old is None and mode is not None:
                os.fchmod(fd, stat.S_IMODE(mode) & 0o777)
            if old is not None:
                if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                    with contextlib.suppress(OSError):
                        os.fchown(fd, old.st_uid, old.st_gid)
                os.fchmod(fd, stat.S_IMODE(old.st_mode))
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def clear_leftovers(folder: Path) -> None:
    """Remove what processes that ended in the middle of `replace_file` left in FOLDER."""
    for path in folder.glob(".wornpath-*-*.tmp"):
        pid = path.name.split("-")[1]
        with contextlib.suppress(OSError, ValueError, OverflowError):
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                path.unlink()


def write_all(file: io.FileIO, data: bytes) -> None:
    """Write all of DATA; an unbuffered file may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) or 0 :]
