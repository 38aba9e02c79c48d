"""What the sandbox is made of here, and whether it holds: attacks for real, beside the same attacks without it.

A sandbox that stops everything proves nothing, and attacks that never work prove nothing either: so a benign program must succeed
inside, and every attack must succeed without confinement. Both are judged by what became of the world, not by what the program says.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wornpath.core import WornpathError
from wornpath.sandbox import cgroup, landlock
from wornpath.sandbox.chain import BubblewrapSandbox, UnsandboxedSandbox, default_sandbox
from wornpath.sandbox.protocol import Sandbox, SandboxLimits

_PROGRAM = """
import json, os, pathlib, resource, signal, socket, subprocess, sys
plan = json.loads(sys.argv[1])
secret, outside, victim = plan["secret"], plan["outside"], plan["victim"]
other = plan["other"]
def attempt(work):
    try:
        print(work(), flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
def unix(kind, address):
    with socket.socket(socket.AF_UNIX, kind) as made:
        made.connect(address)
        made.send(b"x")
def turned():
    one, other = socket.socketpair(type=socket.SOCK_DGRAM)
    one.sendto(b"x", outside + "/pair")
pathlib.Path("made.txt").write_text(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout)
attempt(lambda: pathlib.Path(secret).read_text())
attempt(lambda: pathlib.Path(f"/proc/{victim}/environ").read_text())
attempt(lambda: os.listdir(outside))
attempt(lambda: pathlib.Path(outside, "new").write_text("x"))
attempt(lambda: os.truncate(outside + "/size", 0))
attempt(lambda: os.chmod(outside + "/mode", 0o777))
attempt(lambda: os.unlink(outside + "/name"))
attempt(lambda: socket.create_connection(("127.0.0.1", plan["tcp"]), 5).close())
attempt(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", plan["udp"])))
attempt(lambda: unix(socket.SOCK_STREAM, outside + "/socket"))
attempt(turned)
attempt(lambda: os.setpriority(os.PRIO_PROCESS, other, plan["nice"]))
attempt(lambda: resource.prlimit(other, resource.RLIMIT_CORE, (0, 0)))
attempt(lambda: (pathlib.Path("run-as-me").touch(), os.chmod("run-as-me", 0o4755)))
attempt(lambda: subprocess.Popen(["sh", "-c", "sleep 600; true", plan["token"] + "-stays"], start_new_session=True))
attempt(lambda: os.kill(victim, signal.SIGTERM))
"""
_STAYS = "stays"
_NICEST = 19
_WHAT = {
    "read": "reading a file outside the workspace",
    "environment": "reading another program's environment",
    "list": "listing a folder outside",
    "write": "making a file outside",
    "truncate": "emptying a file outside",
    "mode": "changing the mode of a file outside",
    "delete": "deleting a file outside",
    "tcp": "opening a network connection",
    "udp": "sending a datagram",
    "unix": "talking to a local service",
    "pair": "turning a pair of sockets outwards",
    "priority": "slowing a process outside",
    "limits": "changing the limits of a process outside",
    "set-id": "making a program that runs as its owner",
    "signal": "ending a process outside",
    _STAYS: "a background process that stays",
    "own": "secrets of the environment",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of the report. `state` is `off` for a layer that could be added, `failed` for what does not hold."""

    name: str
    state: str
    detail: str

    @property
    def on(self) -> bool:
        return self.state == "on"


def report() -> list[Layer]:
    """The layers of the sandbox here, then the attacks. Takes about a second; not to be called inside a running event loop."""
    sandbox = default_sandbox()
    if reason := sandbox.missing():
        return [Layer("sandbox", "failed", reason)]
    try:
        return [*_layers(sandbox), *asyncio.run(_attacks(sandbox))]
    except (WornpathError, OSError) as error:
        return [*_layers(sandbox), Layer("attacks", "failed", f"The sandbox could not be tried: {error}")]


def _layers(sandbox: Sandbox) -> list[Layer]:
    version, root, limits = landlock.abi(), os.geteuid() == 0, SandboxLimits()
    spaces = isinstance(sandbox, BubblewrapSandbox)
    why = BubblewrapSandbox().missing() or "not asked for (WORNPATH_CONFINEMENT)"
    owner = "root gives its uid up for a fresh one" if root else "an ordinary user has none"
    grouped = _group_can_be_made()
    signals = (
        "signals and abstract sockets are kept in"
        if version >= 6
        else (
            "before Linux 6.12 programs in the sandbox may only signal themselves, so a shell there cannot end its jobs"
        )
    )
    files = f"interface version {version}: files outside the workspace are closed; {signals}"
    processes = f"{limits.processes} processes and 192 threads more, by a control group"
    if not grouped:
        exact = spaces or not root
        processes = (
            "by the kernel's limit for a user"
            if exact
            else "looked at every moment; the kernel's limit does not bind root"
        )
    each = f"{limits.memory_bytes >> 30} GiB for each process, {limits.memory_total >> 30} GiB for all together"
    return [
        Layer("bubblewrap", "on", "namespaces of its own for files, processes, network, users and names")
        if spaces
        else Layer("bubblewrap", "off", why),
        Layer("landlock", "on", files) if version > 0 else Layer("landlock", "off", "this kernel has none switched on"),
        Layer(
            "system-call filter", "on", "no sockets, namespaces, mounts, tracing, keys, kernel modules or set-id files"
        ),
        Layer("supervisor", "on", "ends every process when the program or Wornpath ends, or when it takes too much"),
        Layer("capabilities", "on", owner if spaces else "all dropped" if root else "an ordinary user has none"),
        Layer("control group", "on", "made for each sandbox")
        if grouped
        else Layer(
            "control group", "off", "none can be made here; a systemd user session or root on a real machine can"
        ),
        Layer("process limit", "on", processes),
        Layer("memory limit", "on", f"{each}, {'by the control group' if grouped else 'looked at every moment'}"),
        Layer(
            "disk limit",
            "on",
            f"{limits.file_bytes >> 20} MiB for each file, {limits.disk_bytes >> 30} GiB and {limits.disk_files:,} files in all, "
            "looked at every moment",
        ),
        Layer("network", "on", "none"),
    ]


def _group_can_be_made() -> bool:
    group = cgroup.make(f"doctor-{os.getpid()}", memory_bytes=1 << 30, tasks=100)
    if group is not None:
        group.remove()
    return group is not None


async def _attacks(sandbox: Sandbox) -> list[Layer]:
    inside, outside = await _try(sandbox), await _try(UnsandboxedSandbox())
    works = inside.pop("works")
    layers = [Layer("benign program", "on" if works else "failed", "runs and writes into the workspace")]
    for name, what in _WHAT.items():
        # Without confinement, too, no process stays and nothing of the environment gets in; and the nicest cannot be made nicer.
        proven = outside[name] or name in (_STAYS, "own") or (name == "priority" and os.nice(0) == _NICEST)
        proof = "" if proven else "; but it did not work without the sandbox either"
        proof = "; it works without the sandbox" if outside[name] else proof
        said = ("works" if inside[name] else "refused") + proof
        layers.append(Layer(f"attack: {what}", "on" if proven and not inside[name] else "failed", said))
    return layers


async def _try(sandbox: Sandbox) -> dict[str, bool]:
    """Attack → whether it worked; `works` for the benign part."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wp-")))
        workspace, outside, token = folder / "workspace", folder / "outside", secrets.token_hex(8)
        for made in (workspace, outside):
            made.mkdir()
        for name in ("mode", "name", "size", token):
            (outside / name).write_text("x")
            (outside / name).chmod(0o600)
        secret = folder / "secret"
        secret.write_text(f"read-{token}")
        victim = stack.enter_context(_victim(f"environment-{token}"))
        other = stack.enter_context(_victim("")).pid
        sockets = _sockets(stack, outside)
        plan = {"secret": str(secret), "outside": str(outside), "victim": victim.pid, "other": other, "token": token}
        plan |= {"tcp": sockets["tcp"].getsockname()[1], "udp": sockets["udp"].getsockname()[1]}
        limits, nice = Path(f"/proc/{other}/limits").read_text(), _nice(other)
        plan["nice"] = nice + 1 if nice < _NICEST else nice - 1  # which is root's alone to do
        own = {name: value for name, value in os.environ.items() if len(value) > 8 and name != "PATH"}
        result = await sandbox.run(
            ["sh", "-c", 'python -c "$0" "$1"; env', _PROGRAM, json.dumps(plan)], workspace=workspace
        )
        made, said = workspace / "made.txt", result.stdout
        worked = {name: _reached(one) for name, one in sockets.items()}
        worked["limits"] = Path(f"/proc/{other}/limits").read_text() != limits
        worked["priority"] = _nice(other) != nice
        return worked | {
            "works": made.exists() and made.read_text() == "42\n",
            "read": f"read-{token}" in said,
            "environment": f"environment-{token}" in said,
            "list": f"'{token}'" in said,
            "write": (outside / "new").exists(),
            "truncate": (outside / "size").stat().st_size == 0,
            "mode": bool((outside / "mode").stat().st_mode & 0o077),
            "delete": not (outside / "name").exists(),
            "set-id": any(path.lstat().st_mode & 0o6000 for path in workspace.iterdir()),
            "signal": await asyncio.to_thread(_ended, victim),
            _STAYS: _lives(f"{token}-stays"),
            "own": any(
                f"{name}={value}" in said.splitlines() for name, value in own.items() if name not in ("TZ", "LANG")
            ),
        }


def _sockets(stack: contextlib.ExitStack, outside: Path) -> dict[str, socket.socket]:
    """Where an attack would arrive."""
    unix, stream, datagram = socket.AF_UNIX, socket.SOCK_STREAM, socket.SOCK_DGRAM
    made: dict[str, socket.socket] = {}
    for name, family, kind, address in (
        ("tcp", socket.AF_INET, stream, ("127.0.0.1", 0)),
        ("udp", socket.AF_INET, datagram, ("127.0.0.1", 0)),
        ("unix", unix, stream, str(outside / "socket")),
        ("pair", unix, datagram, str(outside / "pair")),
    ):
        made[name] = stack.enter_context(socket.socket(family, kind))
        made[name].bind(address)
        made[name].setblocking(False)
        if kind == stream:
            made[name].listen()
    return made


@contextlib.contextmanager
def _victim(token: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "WORNPATH_VICTIM": token}
    process = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _nice(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[16])
    except (OSError, ValueError):
        return 0


def _ended(victim: subprocess.Popen[bytes]) -> bool:
    """Whether the victim was sent a signal that ends it. A signal is pending until the victim runs, which takes long on a busy machine."""
    while victim.poll() is None and _pending(victim.pid):
        time.sleep(0.01)
    return victim.poll() == -signal.SIGTERM


def _pending(pid: int) -> bool:
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        states = dict(line.split(":", 1) for line in lines)
        return states["State"].split()[0] in "RZX" or any(int(states[name], 16) for name in ("SigPnd", "ShdPnd"))
    return True


def _reached(listening: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        if listening.type == socket.SOCK_STREAM:
            listening.accept()[0].close()
        else:
            listening.recv(100)
        return True
    return False


def _lives(mark: str) -> bool:
    """Whether a process has MARK in its command line."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if mark.encode() in (folder / "cmdline").read_bytes():
                    return True
    return False
