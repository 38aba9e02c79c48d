"""What a process does to itself between fork and exec, so that the program it becomes is confined. Runs in the launcher only."""

from __future__ import annotations

import ctypes
import errno
import os
import resource

from wornpath.sandbox import landlock, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PDEATHSIG, _CAPBSET_DROP, _NO_NEW_PRIVS, _CAP_AMBIENT, _CLEAR_ALL = 1, 24, 38, 47, 4
_CAPABILITY_VERSION = 0x20080522
_DAC_OVERRIDE = 1
_NAMESPACES_DO_THE_SAME = 99
_SIGKILL, _SIGPIPE, _SIGXFSZ = 9, 13, 25


def enter(config: Mapping[str, Any], supervisor: int) -> int:
    """Confine the calling process as CONFIG says. Returns the descriptor on which the filter asks the supervisor, or 0.

    Raises OSError with what the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    os.setsid()
    _prctl(libc, _PDEATHSIG, _SIGKILL)
    if os.getppid() != supervisor:  # it died before the line above
        os._exit(1)
    for number in (_SIGPIPE, _SIGXFSZ):  # Python ignores them, programs expect them
        libc.signal(number, None)
    os.chdir(config["workspace"])
    _limit(config)
    if not config["confined"]:
        return 0
    if config["counting"] == "limit":
        ours = config["tasks"] + (0 if config["bubblewrap"] else _tasks_of_user("/proc"))
        resource.setrlimit(resource.RLIMIT_NPROC, (ours, ours))
    _prctl(libc, _NO_NEW_PRIVS, 1)
    rules = [(path, landlock.READ) for path in config["readable"]]
    rules += [(path, landlock.DEVICE) for path in config["devices"]]
    rules += [(f"/proc/{os.getpid()}", landlock.READ)]
    rules += [(path, landlock.WRITE) for path in config["writable"]]
    processes = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # closed to us from the next line on
    if config["landlock"]:
        landlock.restrict(rules, (config["workspace"], *config["writable"]))
    _drop_capabilities(libc, config["workspace"])
    return _filter(config, processes)


def _limit(config: Mapping[str, Any]) -> None:
    """Limits of each process. How the number of processes is bounded, the supervisor decides (see `launch.counting`)."""
    wanted = {
        resource.RLIMIT_CPU: config["cpu_seconds"],
        resource.RLIMIT_AS: config["memory_bytes"],
        resource.RLIMIT_FSIZE: config["file_bytes"],
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in wanted.items():
        spare = (
            2 if kind == resource.RLIMIT_CPU else 0
        )  # the signal for the soft limit says why, the hard one only kills
        ceiling = resource.getrlimit(kind)[1]
        hard = value + spare if ceiling == resource.RLIM_INFINITY else min(value + spare, ceiling)
        resource.setrlimit(kind, (max(hard - spare, 0), hard))


def _filter(config: Mapping[str, Any], processes: int) -> int:
    me, owner = os.getpid(), (os.geteuid(), os.getegid())
    version = landlock.abi() if config["landlock"] else _NAMESPACES_DO_THE_SAME
    changes, forks = "free" if config["bubblewrap"] else "asked", config["counting"] == "filter"
    # Landlock cannot let one address pass; in bubblewrap without it there is nothing to connect to but the proxy.
    connects = ("asked" if config["landlock"] else "free") if config["port"] else "refused"
    asks = "asked" in (changes, connects) or forks
    program = seccomp.build(landlock_abi=version, pid=me, owner=owner, changes=changes, forks=forks, connects=connects)
    try:
        return seccomp.install(program, listener=asks)
    except OSError as error:
        if not asks or error.errno not in (errno.EBUSY, errno.EINVAL):
            raise
    # Inside another sandbox with a supervisor of its own (some containers): the kernel's own limit must do.
    if forks:
        ours = _tasks_of_user(processes) + config["tasks"]
        resource.setrlimit(resource.RLIMIT_NPROC, (ours, ours))
    changes = "free" if changes == "free" else "refused"
    seccomp.install(seccomp.build(landlock_abi=version, pid=me, owner=owner, changes=changes), listener=False)
    return 0


def _tasks_of_user(processes: int | str) -> int:
    """How many threads the user has, of all programs, as far as /proc (its path, or the descriptor PROCESSES) shows them."""
    user, count = os.geteuid(), 0
    prefix, folder = ("", processes) if isinstance(processes, int) else (f"{processes}/", None)
    for name in os.listdir(processes):  # noqa: PTH208
        if name.isdigit():
            try:
                info = os.stat(f"{prefix}{name}/task", dir_fd=folder)
            except OSError:
                continue
            count += (
                info.st_nlink - 2 if info.st_uid == user else 0
            )  # a folder for each thread, and the two that all have
    return count


def _drop_capabilities(libc: ctypes.CDLL, workspace: str) -> None:
    """Root without capabilities is an ordinary user who owns root's files. When the workspace is another user's (a folder mounted into
    a container), root keeps the one that lets it write there; Landlock holds it to the workspace."""
    kept = 0
    if os.geteuid() == 0 and os.stat(workspace).st_uid != 0:  # noqa: PTH116
        kept = 1 << _DAC_OVERRIDE
    if os.geteuid() == 0:
        for number in range(64):
            if not kept >> number & 1 and libc.prctl(_CAPBSET_DROP, number, 0, 0, 0) != 0:
                break
    libc.prctl(_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)  # effective, permitted, inheritable; low half, then high
    if libc.capset(header, sets) != 0 and os.geteuid() == 0:
        code = ctypes.get_errno()
        raise OSError(code, f"dropping capabilities: {os.strerror(code)}")


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    if libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")
