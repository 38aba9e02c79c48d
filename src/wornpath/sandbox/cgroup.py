"""A control group for one sandbox: the one thing that bounds the memory of all its processes together, and their threads.

Made where this process may make one: version 2 with both controllers delegated (a systemd user session, root), or version 1 (older
systems, as root). Without one there is only a look at the memory every moment (see `watch`); `wornpath doctor` says which it is.
"""

from __future__ import annotations

import os
import time

_ROOT = "/sys/fs/cgroup"
_PREFIX = "wornpath-"


class Group:
    """A control group in the making, of one folder (version 2) or two (version 1)."""

    def __init__(self, folders: list[str], events: str) -> None:
        self._folders, self._events = folders, events

    def join(self) -> None:
        """Put the calling process, and all it starts from now on, into the group. Raises OSError."""
        for folder in self._folders:
            _write(f"{folder}/cgroup.procs", str(os.getpid()))

    def events(self) -> int:
        """A descriptor that tells of processes ended for lack of memory; see `ended_by_memory`. -1 when there is none."""
        try:
            return os.open(self._events, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1

    def remove(self) -> None:
        """Remove it; processes that were just killed may still hold it for a moment."""
        deadline = time.monotonic() + 1
        for folder in self._folders:
            while True:
                try:
                    os.rmdir(folder)  # noqa: PTH106
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.001)
                else:
                    break


def make(name: str, *, memory_bytes: int, tasks: int) -> Group | None:
    """A group NAME with at most so much memory and so many threads in all, or None where none can be made."""
    for parents in _places():
        folders = [f"{parent}/{_PREFIX}{name.removeprefix(_PREFIX)}" for parent in dict.fromkeys(parents)]
        group = Group(folders, f"{folders[0]}/{'memory.events' if len(folders) == 1 else 'memory.oom_control'}")
        try:
            for parent in dict.fromkeys(parents):
                _sweep(parent)
            for folder in folders:
                os.mkdir(folder)  # noqa: PTH102
            if len(folders) == 1:
                _write(f"{folders[0]}/memory.max", str(memory_bytes))
                _write(f"{folders[0]}/memory.oom.group", "0")
                if os.path.exists(f"{folders[0]}/memory.swap.max"):  # noqa: PTH110
                    _write(f"{folders[0]}/memory.swap.max", "0")
            else:
                _write(f"{folders[0]}/memory.limit_in_bytes", str(memory_bytes))
            _write(f"{folders[-1]}/pids.max", str(tasks))
        except OSError:
            group.remove()
            continue
        return group
    return None


def ended_by_memory(events: int) -> bool:
    """Whether a process of the group was ended for lack of memory. EVENTS is the descriptor of `Group.events`."""
    try:
        text = os.pread(events, 4096, 0).decode()
    except OSError:
        return False
    return any(line.split()[1:] not in ([], ["0"]) for line in text.splitlines() if line.startswith("oom_kill "))


def _places() -> list[tuple[str, str]]:
    """Where a group could be made: (folder for memory, folder for tasks); the same folder twice in version 2."""
    try:
        with open("/proc/self/cgroup", encoding="ascii") as file:  # noqa: PTH123
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except (OSError, ValueError):
        return []
    own = {controller: path for _, names, path in lines for controller in (names or "unified").split(",")}
    places = []
    if "unified" in own and os.path.exists(f"{_ROOT}/cgroup.controllers"):  # noqa: PTH110
        # The nearest folder above that hands both controllers on; a group with processes of its own cannot.
        folder = f"{_ROOT}{own['unified']}".rstrip("/")
        while folder.startswith(_ROOT):
            if _hands_on(folder):
                places.append((folder, folder))
                break
            folder = os.path.dirname(folder)  # noqa: PTH120
    if "memory" in own and "pids" in own:
        memory, tasks = f"{_ROOT}/memory{own['memory']}".rstrip("/"), f"{_ROOT}/pids{own['pids']}".rstrip("/")
        places.append((memory, tasks))
    return places


def _hands_on(folder: str) -> bool:
    try:
        with open(f"{folder}/cgroup.subtree_control", encoding="ascii") as file:  # noqa: PTH123
            controllers = file.read().split()
    except OSError:
        return False
    return {"memory", "pids"} <= set(controllers) and os.access(f"{folder}/cgroup.procs", os.W_OK)


def _sweep(parent: str) -> None:
    """Remove what a killed supervisor left. A group with a living process in it cannot be removed, so nothing in use is."""
    for name in os.listdir(parent):  # noqa: PTH208
        if name.startswith(_PREFIX):
            try:
                if time.time() - os.stat(f"{parent}/{name}").st_mtime > 60:  # noqa: PTH116
                    os.rmdir(f"{parent}/{name}")  # noqa: PTH106
            except OSError:
                continue


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
