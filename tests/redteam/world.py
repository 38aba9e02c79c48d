"""The world that attacks are made on, and how it is looked at: every judgement is the harness's own, none is the attack's word.

Each attack has a folder outside the sandbox with a secret of its own, and the victims it asks for: a process, sockets, shared memory.
The attacks run one after the other in forks of a driver inside. An attack that opens something keeps it open (`hold`); then the harness
looks at the process from outside, by the name that it gave itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wornpath.sandbox
from wornpath.sandbox.syscalls import numbers

CALLS = numbers()
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
ROOT = os.geteuid() == 0


@dataclass
class Target:
    """What one attack may go for, and what the harness then sees."""

    folder: Path
    mark: str
    needs: frozenset[str]
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    names: dict[str, Any] = field(default_factory=dict)
    victim: subprocess.Popen[bytes] | None = None
    sockets: list[socket.socket] = field(default_factory=list)
    undo: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    before: object = None
    said: str = ""
    inside: Path = Path()
    held: dict[str, Any] = field(default_factory=dict)

    @property
    def secret(self) -> Path:
        return self.folder / "secret.txt"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True)
        self.secret.write_text(self.token)
        self.secret.chmod(0o600)
        os.utime(self.secret, (1_000_000_000, 1_000_000_000))
        self.names = {
            "S": str(self.secret),
            "D": str(self.folder),
            "MARK": self.mark,
            "CALLS": CALLS,
            "UID": os.getuid(),
        }
        self.names["PACKAGE"] = str(Path(wornpath.sandbox.__file__))
        for need in sorted(self.needs):
            getattr(self, f"_{need}")()
        self.before = self.fingerprint()

    def _victim(self) -> None:
        environment = {"WORNPATH_VICTIM": self.token, "PATH": os.environ["PATH"]}
        opened = self.undo.enter_context(self.secret.open("rb"))
        self.victim = subprocess.Popen(["sleep", "600"], cwd=self.folder, stdin=opened, env=environment)
        self.undo.callback(self.victim.wait)
        self.undo.callback(self.victim.kill)
        self.names["V"] = self.victim.pid

    def _listen(self, name: str, family: int, kind: int, address: Any, protocol: int = 0) -> None:
        made = self.undo.enter_context(socket.socket(family, kind, protocol))
        made.bind(address)
        if family != getattr(socket, "AF_NETLINK", -1) and kind == socket.SOCK_STREAM:
            made.listen()
        made.setblocking(False)
        self.sockets.append(made)
        self.names[name] = made.getsockname()

    def _tcp(self) -> None:
        self._listen("TCP", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))

    def _tcp6(self) -> None:
        self._listen("TCP6", socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0))

    def _udp(self) -> None:
        self._listen("UDP", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))

    def _unix(self) -> None:
        self._listen("UNIX", socket.AF_UNIX, socket.SOCK_STREAM, str(self.folder / "u"))

    def _datagram(self) -> None:
        self._listen("DATAGRAM", socket.AF_UNIX, socket.SOCK_DGRAM, str(self.folder / "d"))

    def _abstract(self) -> None:
        self._listen("ABSTRACT", socket.AF_UNIX, socket.SOCK_STREAM, f"\0{secrets.token_hex(8)}")
        self.names["ABSTRACT"] = self.sockets[-1].getsockname()[1:].decode()

    def _netlink(self) -> None:
        self._listen("NETLINK", socket.AF_NETLINK, socket.SOCK_RAW, (0, 0), socket.NETLINK_USERSOCK)

    def _packet(self) -> None:
        if not ROOT:
            return
        self._listen("PACKET", socket.AF_PACKET, socket.SOCK_RAW, ("lo", 0x88B5), socket.htons(0x88B5))

    def _port(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.names["PORT"] = free.getsockname()[1]

    def _memory(self) -> None:
        """A System V segment with the secret in it."""
        number = LIBC.shmget(0, 4096, 0o1600)
        LIBC.shmat.restype = ctypes.c_void_p
        address = LIBC.shmat(number, None, 0)
        ctypes.memmove(address, self.token.encode(), 16)
        LIBC.shmdt(ctypes.c_void_p(address))
        self.undo.callback(LIBC.shmctl, number, 0, None)
        self.names["SEGMENT"] = number

    def _queue(self) -> None:
        number = LIBC.msgget(0, 0o1600)
        LIBC.msgsnd(number, (1).to_bytes(8, sys.byteorder) + self.token.encode(), 16, 0)
        self.undo.callback(LIBC.msgctl, number, 0, None)
        self.names["QUEUE"] = number

    def _shared(self) -> None:
        path = Path("/dev/shm", f"wornpath-{self.token[:4]}-{self.mark}")
        path.write_text(self.token)
        self.undo.callback(path.unlink)
        self.names["SHARED"] = str(path)

    def _key(self) -> None:
        name = f"wornpath-{self.mark}".encode()
        number = LIBC.syscall(CALLS["add_key"], b"user", name, self.token.encode(), 16, -3)
        self.undo.callback(LIBC.syscall, CALLS["keyctl"], 3, number)
        self.names["KEY"] = number

    def _program(self) -> None:
        path = self.folder / "program"
        path.write_text(f"#!/bin/sh\necho {self.token}\n")
        path.chmod(0o755)
        (self.folder / "outside_module.py").write_text(f"print({self.token!r})\n")

    def _named(self) -> None:
        (self.folder / f"is-{self.token}").touch()
        (self.folder / "link").symlink_to(f"to-{self.token}")

    def _sized(self) -> None:
        """A secret in the size of a file."""
        self.token = str(10**9 + secrets.randbelow(10**9))
        os.truncate(self.secret, int(self.token))

    def _attribute(self) -> None:
        os.setxattr(self.secret, "user.secret", self.token.encode())

    def _disk(self) -> None:
        self.names["DISK"] = next(
            (line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if line.startswith("/dev/")), ""
        )

    # What is seen.

    def leaked(self) -> bool:
        return self.token in self.said

    def reached(self) -> bool:
        for listening in self.sockets:
            with contextlib.suppress(BlockingIOError):
                if listening.type == socket.SOCK_STREAM:
                    listening.accept()[0].close()
                else:
                    listening.recv(100)
                return True
        return False

    def changed(self) -> bool:
        return self.fingerprint() != self.before

    def fingerprint(self) -> object:
        """All about the folder and the victim that an attack could change."""
        files = []
        for path in sorted(self.folder.iterdir()):
            info = path.lstat()
            attributes = os.listxattr(path, follow_symlinks=False)
            files.append(
                (path.name, info.st_mode, info.st_size, info.st_mtime_ns, info.st_uid, info.st_nlink, attributes)
            )
        return files, self._about_victim()

    def _about_victim(self) -> object:
        victim = self.victim
        if victim is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return victim.wait(0.05)
        folder, pid = Path("/proc", str(victim.pid)), victim.pid
        stat = (folder / "stat").read_text().rpartition(")")[2].split()
        stopped, nice, policy = stat[0] in "Tt", stat[16], os.sched_getscheduler(pid)
        priority = LIBC.syscall(CALLS["ioprio_set"] + 1, 1, pid)
        limits, score = (folder / "limits").read_text(), (folder / "oom_score_adj").read_text()
        return stopped, nice, policy, priority, os.sched_getaffinity(pid), limits, score

    def opened(self, pattern: str) -> bool:
        return any(pattern in link for link in self.held.get("fds", ()))

    def status(self, name: str) -> str:
        return str(self.held.get("status", {}).get(name, ""))


Judge = Callable[[Target], bool]


def look(mark: str) -> dict[str, dict[str, Any]]:
    """What /proc tells about the processes that named themselves MARK-something: something → facts."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                head, _, name = (folder / "comm").read_text().strip().partition("-")
                if head == mark:
                    found[name] = _facts(folder)
    return found


def _facts(folder: Path) -> dict[str, Any]:
    status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line)
    seen: dict[str, Any] = {"status": status, "pid": int(folder.name), "fds": []}
    with contextlib.suppress(OSError):
        seen["personality"] = int((folder / "personality").read_text(), 16)
    for kind in ("user", "mnt", "net"):
        with contextlib.suppress(OSError):
            seen[kind] = str((folder / "ns" / kind).readlink())
    with contextlib.suppress(OSError):
        for fd in (folder / "fd").iterdir():
            with contextlib.suppress(OSError):
                seen["fds"].append(str(fd.readlink()))
    return seen


DRIVER = """
import ctypes, json, os, signal, sys, time
plan = json.load(open("plan.json"))
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def named(text):
    libc.prctl(15, f"{plan['mark']}-{text}".encode())
named("d")
for number, (names, code) in plan["attacks"].items():
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            os.close(reading)
            os.makedirs(number, exist_ok=True)
            os.chdir(number)
            out = os.open("said", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
            os.dup2(out, 1); os.dup2(out, 2)
            def hold():
                sys.stdout.flush()
                os.write(writing, b".")
                time.sleep(60)
                os._exit(0)
            named(number)
            def call(name, *arguments):
                found = libc.syscall(names["CALLS"][name], *arguments)
                if found < 0:
                    raise OSError(ctypes.get_errno(), name)
                return found
            exec(compile(code, number, "exec"), {**names, "libc": libc, "call": call, "hold": hold, "ctypes": ctypes, "os": os, "sys": sys})
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\\n".encode("utf-8", "replace"))
        finally:
            sys.stdout.flush()
            os.write(writing, b".")
            os._exit(0)
    os.close(writing)
    import select
    select.select([reading], [], [], 10)
    os.close(reading)
open("held", "w").close()
end = time.time() + 30
while not os.path.exists("seen") and time.time() < end:
    time.sleep(0.005)
"""


def write_plan(workspace: Path, mark: str, attacks: Mapping[str, tuple[Mapping[str, Any], str]]) -> None:
    (workspace / "driver.py").write_text(DRIVER)
    (workspace / "plan.json").write_text(json.dumps({"mark": mark, "attacks": attacks}, default=str))
