"""Answers the system calls that neither Landlock nor a filter can judge, on behalf of the supervisor.

New processes are counted against the limit. Changes of mode and time, which Landlock lets pass on every file of the user, are done here
instead, by a descriptor opened beneath the workspace or the private temporary folder: what the program does to its memory or its links
meanwhile changes nothing. A program that may use the proxy has its sockets connected here, to the proxy and nothing else.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from fcntl import ioctl

from wornpath.sandbox.syscalls import numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_RECEIVE, _SEND, _STILL_VALID = 0xC0502100, 0xC0182101, 0x40082102
_CONTINUE = 1
_OPENAT2, _PIDFD_GETFD = 437, 438
_NO_SYMLINKS, _BENEATH = 0x04, 0x08
_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = 0x100, 0x1000
_SET_ID_BITS = 0o6000


class Broker:
    """Serves one listener. ROOTS are the folders in which modes and times may change; COUNT tells the living processes; PORT is the one
    on this machine that may be connected to, or 0."""

    def __init__(
        self, listener: int, roots: Sequence[str], processes: int, count: Callable[[], int], port: int = 0
    ) -> None:
        self._port = port
        self._listener, self._roots, self._limit, self._count = listener, list(roots), processes, count
        self._alive_at_most = 1
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._names = {number: name for name, number in numbers().items()}

    def serve(self) -> None:
        """Answer one question."""
        question = bytearray(80)
        try:
            ioctl(self._listener, _RECEIVE, question)
        except OSError:  # the asking process is gone
            return
        identity, pid = struct.unpack_from("QI", question)
        number, *arguments = struct.unpack_from("i4x8x6Q", question, 16)
        name = self._names.get(number, "")
        code, flags = 0, 0
        try:
            if name in ("clone", "fork", "vfork"):
                self._admit()
                flags = _CONTINUE
            elif name == "connect":
                self._connect(pid, arguments, identity)
            else:
                self._change(name, pid, arguments, identity)
        except OSError as error:
            code, flags = -(error.errno or errno.EPERM), 0
        try:
            ioctl(self._listener, _SEND, struct.pack("QqiI", identity, 0, code, flags))
        except OSError:
            return

    def _admit(self) -> None:
        """Counting walks all of /proc, so it is done only when the count so far, without any exit, would be too high."""
        if self._alive_at_most >= self._limit:
            self._alive_at_most = self._count()
        if self._alive_at_most >= self._limit:
            raise BlockingIOError(errno.EAGAIN, "too many processes")
        self._alive_at_most += 1

    def _connect(self, pid: int, arguments: list[int], identity: int) -> None:
        """Connect the program's socket to the proxy, from here: the address that it has in its memory may be another by now."""
        import _socket

        address = self._memory(pid, arguments[1], 16) if arguments[2] >= 16 else b""
        family, port, host = struct.unpack("=HH4s", address[:8]) if len(address) == 16 else (0, 0, b"")
        if (family, host) != (2, b"\x7f\0\0\1") or _socket.ntohs(port) != self._port or not self._port:
            raise OSError(errno.ENETUNREACH, "only the proxy")
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123
            leader = int(file.read().partition(b"\nTgid:")[2].split()[0])
        process = os.pidfd_open(leader)
        try:
            fd = self._libc.syscall(_PIDFD_GETFD, process, ctypes.c_int(_signed(arguments[0])), 0)
            if fd < 0:
                raise OSError(ctypes.get_errno(), "pidfd_getfd")
        finally:
            os.close(process)
        ioctl(self._listener, _STILL_VALID, struct.pack("Q", identity))
        theirs = _socket.socket(fileno=int(fd))
        try:
            if theirs.family != _socket.AF_INET:
                raise OSError(errno.EAFNOSUPPORT, "only the proxy")
            plain = struct.pack("=HH4s8x", 2, port, host)
            if self._libc.connect(theirs.fileno(), plain, len(plain)) != 0:
                raise OSError(ctypes.get_errno(), "connect")
        finally:
            theirs.close()

    def _change(self, name: str, pid: int, arguments: list[int], identity: int) -> None:
        path: int | None
        folder, path, flags, follow = _AT_FDCWD, arguments[0], 0, True
        if name == "fchmod":
            folder, path, mode = _signed(arguments[0]), None, arguments[1]
        elif name == "chmod":
            mode = arguments[1]
        else:
            folder, path, mode = _signed(arguments[0]), arguments[1], arguments[2]
            flags = arguments[3] if name in ("fchmodat2", "utimensat") else 0
            follow = not flags & _AT_SYMLINK_NOFOLLOW
        text = self._string(pid, path) if path else b""
        if path and not text and not flags & _AT_EMPTY_PATH:
            raise FileNotFoundError(errno.ENOENT, "empty path")
        times = self._memory(pid, arguments[2], 32) if name == "utimensat" and arguments[2] else b""
        where = self._where(pid, folder, os.fsdecode(text), follow)
        ioctl(self._listener, _STILL_VALID, struct.pack("Q", identity))  # what was read is the asking process's
        target = self._open(where)
        try:
            self._apply(name, f"/proc/self/fd/{target}", mode, times)
        finally:
            os.close(target)

    def _apply(self, name: str, path: str, mode: int, times: bytes) -> None:
        if name != "utimensat":
            if mode & _SET_ID_BITS:
                raise PermissionError(errno.EPERM, "set-id bits")
            os.chmod(path, mode & 0o1777)  # noqa: PTH101
            return
        if times and not any(_valid(t) for t in struct.unpack("4q", times)[1::2]):
            raise OSError(errno.EINVAL, "times")
        if self._libc.utimensat(_AT_FDCWD, os.fsencode(path), times or None, 0) != 0:
            raise OSError(ctypes.get_errno(), "utimensat")

    def _where(self, pid: int, folder: int, text: str, follow: bool) -> str:
        """The place that the asking process means, without links."""
        if text.startswith("/"):
            full = text
        else:
            link = f"/proc/{pid}/cwd" if folder == _AT_FDCWD else f"/proc/{pid}/fd/{folder}"
            base = os.readlink(link)  # noqa: PTH115
            if not base.startswith("/"):
                raise PermissionError(errno.EPERM, "no file")
            if not text:
                return base
            full = f"{base}/{text}"
        if follow:
            return os.path.realpath(full)
        head, tail = os.path.split(full.rstrip("/"))
        return f"{os.path.realpath(head)}/{tail}"

    def _open(self, where: str) -> int:
        for root in self._roots:
            if where == root or where.startswith(root + "/"):
                beneath = where[len(root) + 1 :] or "."
                folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    return self._openat2(folder, beneath)
                finally:
                    os.close(folder)
        raise PermissionError(errno.EPERM, "outside")

    def _openat2(self, folder: int, beneath: str) -> int:
        how = struct.pack("QQQ", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, 0, _NO_SYMLINKS | _BENEATH)
        result = self._libc.syscall(_OPENAT2, folder, os.fsencode(beneath), how, ctypes.c_size_t(len(how)))
        if result < 0:
            raise OSError(ctypes.get_errno(), "openat2")
        return int(result)

    def _string(self, pid: int, address: int) -> bytes:
        data = b""
        while len(data) < 4096:
            piece = self._memory(pid, address + len(data), 4096 - (address + len(data)) % 4096)
            end = piece.find(b"\0")
            if end >= 0:
                return data + piece[:end]
            data += piece
        raise OSError(errno.ENAMETOOLONG, "path")

    def _memory(self, pid: int, address: int, size: int) -> bytes:
        fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(fd, size, address)
        except (OSError, OverflowError):
            raise OSError(errno.EFAULT, "address") from None
        finally:
            os.close(fd)
        if not data:
            raise OSError(errno.EFAULT, "address")
        return data


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _valid(nanoseconds: int) -> bool:
    return 0 <= nanoseconds < 1_000_000_000 or nanoseconds in (0x3FFFFFFF, 0x3FFFFFFE)  # UTIME_NOW, UTIME_OMIT
