"""The system-call filter: what Landlock does not cover is refused here, or put to the supervisor (see `broker`).

The default is to allow: programs must run. Refused are sockets of every family (a connected pair within the process tree may stay),
looking into and steering other processes, new namespaces and mounts, keys, kernel modules, io_uring and what else reaches past files, and
files that would run as their owner (set-uid). `chmod` and `utime` are the supervisor's to judge where there is Landlock alone; new
processes only where nothing else can count them, since a shell whose fork waits for an answer may be disturbed by a signal.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from wornpath.sandbox.syscalls import ARCHITECTURES, LAST_KNOWN, numbers

_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_SET, _AND, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x54, 0x06
_ALLOW, _NOTIFY, _ERRNO, _KILL = 0x7FFF0000, 0x7FC00000, 0x00050000, 0x80000000
_EPERM, _ENOSYS, _ENOTSUP = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS, _ERRNO | errno.EOPNOTSUPP

_NAMESPACES = 0x7E020000  # CLONE_NEW*, but the time namespace, which clone cannot ask for
_THREAD = 0x00010000
_SET_ID_BITS = 0o6000
_CREATES = os.O_CREAT | (getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY)
_PUSH_INPUT, _CONSOLE, _SET_FLAGS, _SET_XFLAGS = 0x5412, 0x541C, 0x40086602, 0x401C5820
_F_SETOWN, _F_SETOWN_EX = 8, 15
_PR_SET_SECCOMP = 22
_FAST_OPEN = 0x20000000

_REFUSED = """
accept accept4 acct add_key adjtimex bind bpf chroot clock_adjtime clock_settime delete_module fanotify_init
finit_module fsconfig fsmount fsopen fspick futimesat init_module inotify_add_watch ioperm iopl ioprio_set kcmp
kexec_file_load kexec_load keyctl listen lookup_dcookie migrate_pages mount mount_setattr move_mount move_pages mq_open
mq_unlink msgctl msgget msgrcv msgsnd name_to_handle_at nfsservctl open_by_handle_at open_tree perf_event_open
pidfd_getfd pivot_root process_madvise process_vm_readv process_vm_writev ptrace quotactl quotactl_fd reboot request_key
sched_setattr sched_setparam sched_setscheduler seccomp semctl semget semop semtimedop setdomainname sethostname setns
settimeofday shmat shmctl shmget swapoff swapon syslog umount2 unshare ustat utime utimes vhangup
"""
# As if the kernel were older: programs have another way ready.
_ABSENT = "clone3 io_uring_enter io_uring_register io_uring_setup listmount openat2 statmount userfaultfd"
_NO_ATTRIBUTES = """
fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr lremovexattr lsetxattr removexattr
setxattr
"""
# Landlock lets changes of mode and times pass on every file, so the supervisor makes them, in the workspace only. In a namespace of
# mounts there are no other files, and only set-id bits are refused.
_CHANGES = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2, "utimensat": None}


class Program:
    """A filter in the making: instructions of the classic packet filter over `struct seccomp_data`."""

    def __init__(self) -> None:
        self.code: list[tuple[int, int, int, int]] = []

    def add(self, op: int, value: int, true: int = 0, false: int = 0) -> None:
        self.code.append((op, true, false, value & 0xFFFFFFFF))

    def argument(self, index: int) -> None:
        """Load the low half of an argument; all that are looked at are 32 bits wide to the kernel, or flags in the low half."""
        self.add(_LOAD, 16 + 8 * index)

    def block(self, number: int, body: Program) -> None:
        """When the call is NUMBER, run BODY, which returns on every way."""
        assert len(body.code) < 256
        self.add(_JUMP_EQUAL, number, 0, len(body.code))
        self.code += body.code

    def packed(self) -> bytes:
        return b"".join(struct.pack("HBBI", op, true, false, value) for op, true, false, value in self.code)


def build(
    *,
    landlock_abi: int,
    pid: int,
    owner: tuple[int, int],
    changes: str = "asked",
    forks: bool = False,
    connects: str = "refused",
) -> Program:
    """The filter for process PID, which runs as OWNER (uid, gid).

    CHANGES of mode and time are `asked` of the supervisor, `free` or `refused`, and so are CONNECTS of TCP sockets, the only ones that
    can be made then; new processes are asked with FORKS. Older Landlock versions leave more for the filter to refuse.
    """
    calls = numbers()
    program = Program()
    program.add(_LOAD, 4)
    program.add(_JUMP_EQUAL, ARCHITECTURES[os.uname().machine], 1, 0)
    program.add(_RETURN, _KILL)
    program.add(_LOAD, 0)
    program.add(_JUMP_GREATER, LAST_KNOWN, 0, 1)
    program.add(_RETURN, _ENOSYS)
    for names, answer in (
        (_REFUSED, _EPERM),
        (_ABSENT, _ENOSYS),
        (_NO_ATTRIBUTES, _ENOTSUP),
        ("fork vfork", _NOTIFY if forks else _ALLOW),
    ):
        for name in names.split():
            if name in calls:
                program.block(calls[name], _returns(answer))
    bodies = (
        _conditional(forks, owner) | _tcp(connects) | _changes(changes) | (_signals(pid) if landlock_abi < 6 else {})
    )
    if landlock_abi < 3:
        bodies["truncate"] = _returns(_EPERM)
    for name, body in bodies.items():
        if name in calls:
            program.block(calls[name], body)
    program.add(_RETURN, _ALLOW)
    return program


def _tcp(connects: str) -> dict[str, Program]:
    """Sockets: none, or TCP over IPv4 that is connected as CONNECTS says, and in no other way: a first packet can carry data, too."""
    if connects == "refused":
        return {"socket": _returns(_EPERM), "connect": _returns(_EPERM)}
    make = Program()
    for index, mask, values in ((0, 0xFFFFFFFF, (2,)), (1, 0xF, (1,)), (2, 0xFFFFFFFF, (0, 6))):
        make.argument(index)
        make.add(_AND, mask)
        for at, value in enumerate(values):
            make.add(_JUMP_EQUAL, value, len(values) - at, 0)
        make.add(_RETURN, _ERRNO | errno.EAFNOSUPPORT)
    make.add(_RETURN, _ALLOW)
    bodies = {"socket": make, "connect": _returns(_NOTIFY if connects == "asked" else _ALLOW)}
    for name, at in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
        bodies[name] = Program()
        bodies[name].argument(at)
        bodies[name].add(_JUMP_SET, _FAST_OPEN, 0, 1)
        bodies[name].add(_RETURN, _EPERM)
        bodies[name].add(_RETURN, _ALLOW)
    return bodies


def _changes(answer: str) -> dict[str, Program]:
    if answer != "free":
        return {name: _returns(_NOTIFY if answer == "asked" else _EPERM) for name in _CHANGES}
    return {name: _no_set_id(at) for name, at in _CHANGES.items() if at is not None}


def _returns(answer: int) -> Program:
    body = Program()
    body.add(_RETURN, answer)
    return body


def _conditional(forks: bool, owner: tuple[int, int]) -> dict[str, Program]:
    """The calls whose arguments decide."""
    clone = Program()
    clone.argument(0)
    clone.add(_JUMP_SET, _NAMESPACES, 0, 1)
    clone.add(_RETURN, _EPERM)
    clone.add(_JUMP_SET, _THREAD, 0, 1)
    clone.add(_RETURN, _ALLOW)
    clone.add(_RETURN, _NOTIFY if forks else _ALLOW)

    pair = Program()  # a datagram pair could be pointed at a socket outside, a stream is connected for good
    pair.argument(0)
    pair.add(_JUMP_EQUAL, 1, 1, 0)
    pair.add(_RETURN, _EPERM)
    pair.argument(1)
    pair.add(_AND, 0xF)
    pair.add(_JUMP_EQUAL, 1, 0, 1)
    pair.add(_RETURN, _ALLOW)
    pair.add(_RETURN, _EPERM)

    bodies = {"clone": clone, "socketpair": pair}
    bodies["personality"] = _only(0, (0xFFFFFFFF,))
    bodies["prlimit64"] = _only(0, (0,))
    bodies["sched_setaffinity"] = _only(0, (0,))
    bodies["setpriority"] = _only(1, (0,))
    bodies["prctl"] = _never(0, (_PR_SET_SECCOMP,))
    bodies["ioctl"] = _never(1, (_PUSH_INPUT, _CONSOLE, _SET_FLAGS, _SET_XFLAGS))
    for name, at in (("chown", 1), ("lchown", 1), ("fchown", 1), ("fchownat", 2)):
        bodies[name] = _keeps_owner(at, owner)
    bodies["open"], bodies["openat"] = _opens(1), _opens(2)
    bodies["creat"], bodies["mknod"], bodies["mknodat"] = _no_set_id(1), _no_set_id(1), _no_set_id(2)
    return bodies


def _signals(pid: int) -> dict[str, Program]:
    """Before version 6 Landlock does not keep signals in: then only the first process may signal, and only itself."""
    bodies = {name: _returns(_EPERM) for name in ("tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal")}
    bodies["kill"] = _only(0, (0, pid))
    bodies["tgkill"] = _only(0, (pid,))
    bodies["fcntl"] = _never(1, (_F_SETOWN, _F_SETOWN_EX))
    return bodies


def _only(index: int, values: tuple[int, ...]) -> Program:
    """Allowed when the argument is one of VALUES."""
    body = Program()
    body.argument(index)
    for value in values:
        body.add(_JUMP_EQUAL, value, 0, 1)
        body.add(_RETURN, _ALLOW)
    body.add(_RETURN, _EPERM)
    return body


def _never(index: int, values: tuple[int, ...]) -> Program:
    """Refused when the argument is one of VALUES."""
    body = Program()
    body.argument(index)
    for value in values:
        body.add(_JUMP_EQUAL, value, 0, 1)
        body.add(_RETURN, _EPERM)
    body.add(_RETURN, _ALLOW)
    return body


def _keeps_owner(index: int, owner: tuple[int, int]) -> Program:
    """A change of owner to oneself is done by doing nothing, as `cp -p` and `tar` want; any other is refused."""
    body = Program()
    for at, own in zip((index, index + 1), owner, strict=True):
        body.argument(at)
        body.add(_JUMP_EQUAL, own, 2, 0)
        body.add(_JUMP_EQUAL, 0xFFFFFFFF, 1, 0)
        body.add(_RETURN, _EPERM)
    body.add(_RETURN, _ERRNO)
    return body


def _opens(index: int) -> Program:
    """No file may be made that runs as its owner, and none cut off that is opened for reading only (Landlock before version 3 lets it)."""
    body = Program()
    body.argument(index)
    body.add(_JUMP_SET, os.O_TRUNC, 0, 3)
    body.add(_AND, os.O_ACCMODE)
    body.add(_JUMP_EQUAL, os.O_RDONLY, 0, 1)
    body.add(_RETURN, _EPERM)
    body.argument(index)
    body.add(_JUMP_SET, _CREATES, 1, 0)
    body.add(_RETURN, _ALLOW)
    body.code += _no_set_id(index + 1).code
    return body


def _no_set_id(index: int) -> Program:
    body = Program()
    body.argument(index)
    body.add(_JUMP_SET, _SET_ID_BITS, 0, 1)
    body.add(_RETURN, _EPERM)
    body.add(_RETURN, _ALLOW)
    return body


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def available() -> bool:
    """Whether the kernel has filters, and filters that ask a supervisor."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = numbers().get("seccomp")
    if number is None:
        return False
    action = ctypes.c_uint32(_NOTIFY)
    return bool(libc.syscall(number, ctypes.c_uint(2), ctypes.c_uint(0), ctypes.byref(action)) == 0)


def install(program: Program, *, listener: bool) -> int:
    """Put PROGRAM on the calling process for good. With LISTENER, return the descriptor on which the supervisor is asked, else 0.

    Raises OSError when the kernel refuses; EBUSY means that an outer filter has such a listener already.
    """
    packed = program.packed()
    buffer = ctypes.create_string_buffer(packed, len(packed))
    argument = _FilterProgram(len(packed) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    # Flag 8 asks for the listener; 32 (Linux 5.19) keeps a call that is being judged from being started again by every signal.
    for flags in (8 | 32, 8) if listener else (0,):
        result = libc.syscall(numbers()["seccomp"], ctypes.c_uint(1), ctypes.c_uint(flags), ctypes.byref(argument))
        if result >= 0:
            return int(result)
        if ctypes.get_errno() != errno.EINVAL:
            break
    code = ctypes.get_errno()
    raise OSError(code, f"seccomp: {os.strerror(code)}")
