"""Bubblewrap: the sandbox's supervisor is started in namespaces of its own, with nothing of the file system but what is named.

Never as root: with user 0 outside, even a bubblewrap without capabilities could write `/proc/sys/kernel/core_pattern`. Root gives up
its uid first, for a fresh one that owns nothing. That one could read neither root's Python nor write root's workspace, so root mounts both
for it before, with the owner's id mapped to the fresh one (Linux 5.12, mount_setattr(2)): what the sandbox makes belongs to the
workspace's owner at once, and nothing has to be copied there and back. Where the file system cannot do that, this layer is left out.

Runs in the outer launcher only, between fork and exec.
"""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Mount = tuple[str, str, bool]  # source, target, writable

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_PRIVATE_ALL = 0x4000 | 0x40000
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same on every machine
_CLONE, _RECURSIVE, _CLOEXEC, _EMPTY_PATH = 1, 0x8000, 0x80000, 0x1000
_FROM_DESCRIPTOR = 4
_AT_FDCWD = -100
_IDMAP = 0x00100000
_FIRST_UID = 0x70000000
_SHARED_MEMORY = 256 << 20
_MADE = ("/proc/", "/dev/")
# Open to everybody, so mounted as they are.
_OF_THE_SYSTEM = (
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/bin",
    "/sbin",
    "/etc",
    "/nix/store",
    "/gnu/store",
    "/sys",
)


def fresh_uid() -> int:
    """A uid and gid that nobody has: far above those of people, services and containers."""
    return _FIRST_UID + int.from_bytes(os.urandom(3), "little")


def enter(config: Mapping[str, Any], command: Sequence[str], uid: int) -> None:
    """Become bubblewrap, which becomes COMMAND. UID is what root gives its own up for. Raises OSError; returns never."""
    mounts = _mounts(config)
    if os.geteuid() == 0:
        mounts = _mapped(mounts, uid)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    arguments = [config["bubblewrap"], *_FIXED]
    for source, target, writable in mounts:
        arguments += ["--bind" if writable else "--ro-bind", source, target]
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--", *command]
    os.execve(arguments[0], arguments, {"LANG": "C.UTF-8"})


_FIXED = (
    *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
    *("--hostname", "sandbox", "--as-pid-1", "--cap-drop", "ALL", "--dir", "/tmp"),
    *("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"),
    *("--size", str(_SHARED_MEMORY), "--tmpfs", "/dev/shm"),
)


def _mounts(config: Mapping[str, Any]) -> list[Mount]:
    """What is mounted, parents first: every folder at its true path, and by the name it goes by where that is another."""
    wanted: dict[str, tuple[str, bool]] = {}
    private = str(config["private"])
    for path in (*config["readable"], str(config["package"]), private):
        wanted[path] = (path, False)
    for path in config["writable"]:
        wanted[path] = (path, True)
    for path, (_, writable) in list(wanted.items()):
        real = os.path.realpath(path)
        if real != path and wanted.get(real, ("", False))[1] <= writable:
            wanted[real] = (real, writable)
    kept: dict[str, bool] = {}
    for path in sorted(wanted, key=lambda path: path.count("/")):
        writable = wanted[path][1]
        above = next((kept[parent] for parent in _parents(path) if parent in kept), None)
        covered = above == writable or (above is not None and os.path.realpath(path) != path)
        if os.path.exists(path) and not covered and not path.startswith(_MADE):  # noqa: PTH110
            kept[path] = writable
    return [(path, path, writable) for path, writable in kept.items()]


def _parents(path: str) -> list[str]:
    """The folders above PATH, the nearest first."""
    out = []
    while (path := os.path.dirname(path)) not in ("/", ""):  # noqa: PTH120
        out.append(path)
    return out


def _mapped(mounts: Sequence[Mount], uid: int) -> list[Mount]:
    """The same mounts from places that UID can reach, where files of the folder's owner are UID's."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    _check(libc.unshare(_NEWNS), "unshare")
    _check(libc.mount(b"none", b"/", None, _PRIVATE_ALL, None), "mount")
    trees = []
    spaces: dict[tuple[int, int], int] = {}
    for source, target, writable in mounts:
        tree = 0
        if not source.startswith(_OF_THE_SYSTEM):
            flags = _CLONE | _RECURSIVE | _CLOEXEC
            tree = _check(libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(source), flags), source)
            _map_owner(libc, tree, source, uid, spaces, required=writable)
        trees.append((tree, os.path.isdir(source), source, target, writable))  # noqa: PTH112
    _check(libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, b"mode=755,size=1m"), "mount")
    out = []
    for number, (tree, folder, source, target, writable) in enumerate(trees):
        if tree:
            place = f"/tmp/{number}"
            if folder:
                os.mkdir(place)  # noqa: PTH102
            else:
                os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
            moved = libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, place.encode(), _FROM_DESCRIPTOR)
            _check(moved, source)
            source = place
        out.append((source, target, writable))
    return out


def _map_owner(
    libc: ctypes.CDLL, tree: int, source: str, uid: int, spaces: dict[tuple[int, int], int], *, required: bool
) -> None:
    info = os.stat(source)  # noqa: PTH116
    if info.st_uid == uid:  # the private folder is its own already
        return
    owner = info.st_uid, info.st_gid
    if owner not in spaces:
        spaces[owner] = _user_namespace(libc, owner, uid)
    attributes = struct.pack("QQQQ", _IDMAP, 0, 0, spaces[owner])
    flags = _EMPTY_PATH | _RECURSIVE
    result = libc.syscall(_MOUNT_SETATTR, tree, b"", flags, attributes, ctypes.c_size_t(len(attributes)))
    if required:  # what is only read may be open to everybody anyway
        _check(result, f"{source}: mapping its owner")


def _user_namespace(libc: ctypes.CDLL, owner: tuple[int, int], uid: int) -> int:
    """A user namespace whose only content is the map OWNER → UID; a child that is gone at once makes it."""
    ready, done = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(ready[1], b"." if libc.unshare(_NEWUSER) == 0 else b"!")
        os.read(done[0], 1)
        os._exit(0)
    try:
        if os.read(ready[0], 1) != b".":
            raise OSError(1, "no user namespace can be made")
        for name, old in zip(("uid_map", "gid_map"), owner, strict=True):
            with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
                file.write(f"{old} {uid} 1")
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.write(done[1], b".")
        os.waitpid(pid, 0)
        for fd in (*ready, *done):
            os.close(fd)


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return int(result)
