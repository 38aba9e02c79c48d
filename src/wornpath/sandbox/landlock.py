"""Landlock through ctypes: a process gives up all files but those named, TCP, and signals to the outside, for itself and its children."""

from __future__ import annotations

import ctypes
import errno
import os
import sys

TYPE_CHECKING = False  # typing itself is too slow to import here (see `launch`)
if TYPE_CHECKING:
    from collections.abc import Iterable

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same on every machine
_GET_VERSION = 1
_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_SOCK, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 11
_REFER = 1 << 13
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEV

READ = EXECUTE | READ_FILE | READ_DIR
DEVICE = WRITE_FILE | READ_FILE
# Everything in a folder but devices and sockets: the latter would be a way to talk to programs outside.
WRITE = ((1 << 15) - 1) & ~(_MAKE_CHAR | _MAKE_SOCK | _MAKE_BLOCK)

# Version n of the interface knows the first so many file rights.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_BIND_TCP_CONNECT_TCP = 0b11
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
_SCOPE_SIGNALS = 0b10
_NO_NEW_PRIVS = 38


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """The kernel's version of the Landlock interface; 0 without Landlock, -1 when it is built in but not switched on."""
    if sys.platform != "linux":
        return 0
    version = _libc().syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_GET_VERSION))
    if version > 0:
        return int(version)
    return -1 if ctypes.get_errno() == errno.EOPNOTSUPP else 0


def restrict(rules: Iterable[tuple[str, int]], required: Iterable[str] = ()) -> None:
    """Confine the calling process for good: PATH → rights, beneath it; everything else is closed.

    Paths that do not exist are left out, but one of REQUIRED raises OSError, as does a kernel that refuses.
    """
    version = abi()
    handled = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    net = _BIND_TCP_CONNECT_TCP if version >= 4 else 0
    scoped = _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = _Ruleset(handled, net, scoped)
    ruleset = _call(_CREATE, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        needed = set(required)
        for path, rights in rules:
            _add(ruleset, path, rights & handled, path in needed)
        _call(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def scope_signals() -> None:
    """Shut the calling process and its children in, for signals only: then `kill(-1)` ends all its children and nobody else. For a kernel
    whose interface has version 6 at least; raises OSError elsewhere."""
    # Moving files between folders is denied by every ruleset that does not allow it.
    attributes = _Ruleset(_REFER, 0, _SCOPE_SIGNALS)
    ruleset = _call(_CREATE, ctypes.byref(attributes), ctypes.c_size_t(24), ctypes.c_uint32(0))
    try:
        _add(ruleset, "/", _REFER, True)
        _libc().prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        _call(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _add(ruleset: int, path: str, rights: int, required: bool) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        if required:
            raise
        return
    try:
        if not os.path.isdir(f"/proc/self/fd/{fd}"):  # noqa: PTH112 - this runs before pathlib is worth its import
            rights &= _ON_FILES
        rule = _PathBeneath(rights, fd)
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))
    finally:
        os.close(fd)


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def _call(number: int, *arguments: object) -> int:
    result = int(_libc().syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
