"""What no limit of the kernel covers here: how much a sandbox writes in all, into how many files, and the memory of all its processes.

Looked at every moment, and less often while nothing changes. A look is cheap: the free space of the disk and the sizes of the processes.
Only when the disk lost as much as the limit are the files themselves counted, those changed since the beginning.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_SHORTEST, _LONGEST = 0.1, 1.0
_SHORTEST_COUNTING, _LONGEST_COUNTING = 0.02, 0.1
_SLACK = 1 << 20
_MANY = 200_000


class Watch:
    """Looks at one sandbox. CONFIG has `writable`, `memory_total`, `disk_bytes`, `disk_files` and `processes`; `counting` is `look` where
    nothing else bounds the number of processes."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._folders = [path for path in config["writable"] if not path.startswith("/dev/")]
        self._memory, self._files = config["memory_total"], config["disk_files"]
        self._began = time.time() - 0.01  # file systems stamp with a coarser clock
        self._free, self._inodes = self._room()
        # Not more than half of what is free: the store of this very run is on the same disk, perhaps.
        self._bytes = min(config["disk_bytes"], self._free // 2)
        self._last = (0, 0)
        self._processes = config["processes"] if config["counting"] == "look" else 0
        self._range = (_SHORTEST_COUNTING, _LONGEST_COUNTING) if self._processes else (_SHORTEST, _LONGEST)
        self.pause = self._range[0]
        self._next_count = 0.0

    def exceeded(self, processes: Sequence[int]) -> str:
        """What is too much, as the end of a sentence; empty when all is well. PROCESSES are the living ones."""
        if self._processes and len(processes) > self._processes:
            return f"it started more than {self._processes} processes"
        memory = sum(map(_own_memory, processes))
        if memory > self._memory:
            return f"its processes together used more than {_size(self._memory)} of memory"
        free, inodes = self._room()
        quiet = abs(free - self._last[0]) < _SLACK and abs(memory - self._last[1]) < _SLACK
        self._last = (free, memory)
        self.pause = min(self.pause * 2, self._range[1]) if quiet else self._range[0]
        less, fewer = self._free - free, self._inodes - inodes
        if less > 0.9 * self._free:
            return "the disk is nearly full"
        if less < self._bytes and (fewer < self._files if self._inodes else less < _SLACK):
            return ""
        return self._counted(processes)

    def _counted(self, processes: Sequence[int]) -> str:
        began = time.monotonic()
        if began < self._next_count:
            return ""
        written, files = 0, 0
        for info in (*_entries(self._folders), *_nameless(processes)):
            if info.st_ctime >= self._began:
                files += 1
                written += info.st_blocks * 512
        self._next_count = time.monotonic() + 5 * (time.monotonic() - began)
        if written > self._bytes:
            return f"it wrote more than {_size(self._bytes)} in all"
        if files > self._files:
            return f"it made more than {self._files:,} files"
        return ""

    def _room(self) -> tuple[int, int]:
        """Free bytes and free inodes of the disks, those that can be asked; inodes are 0 where the file system does not count them."""
        seen: dict[int, tuple[int, int]] = {}
        for folder in self._folders:
            try:
                disk = os.statvfs(folder)
                seen[os.stat(folder).st_dev] = (disk.f_bavail * disk.f_frsize, disk.f_ffree)  # noqa: PTH116
            except OSError:
                continue
        return sum(free for free, _ in seen.values()), sum(inodes for _, inodes in seen.values())


def _entries(folders: Sequence[str]) -> list[os.stat_result]:
    """All below FOLDERS, without following links, each once however many names it has; some hundred thousand at most."""
    found: dict[tuple[int, int], os.stat_result] = {}
    waiting = list(folders)
    while waiting and len(found) < _MANY:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        info = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    found[info.st_dev, info.st_ino] = info
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
    return list(found.values())


def _nameless(processes: Sequence[int]) -> list[os.stat_result]:
    """Files that were removed while PROCESSES hold them open: they still take room."""
    found: dict[tuple[int, int], os.stat_result] = {}
    for pid in processes:
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
                info = os.stat(f"/proc/{pid}/fd/{fd}")  # noqa: PTH116
                if info.st_nlink == 0 and info.st_blocks:
                    found[info.st_dev, info.st_ino] = info
        except OSError:
            continue
    return list(found.values())


def _own_memory(pid: int) -> int:
    """What PID holds for itself alone, in bytes: what forks share with their parent until they write is counted in each."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123
            text = file.read()
    except OSError:
        return 0
    line = text.partition(b"\nRssAnon:")[2].partition(b"kB")[0].strip()
    return int(line) * 1024 if line.isdigit() else 0


def _size(count: int) -> str:
    return f"{count / (1 << 30):.3g} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.3g} MiB"
