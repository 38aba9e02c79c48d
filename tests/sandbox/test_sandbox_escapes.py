"""Attacks for real, judged from outside. Every one must succeed without the sandbox, or the test proves nothing."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from wornpath.sandbox.chain import UnsandboxedSandbox, default_sandbox
from wornpath.sandbox.protocol import Sandbox

pytestmark = pytest.mark.skipif(default_sandbox().missing() is not None, reason=str(default_sandbox().missing()))


@dataclass
class World:
    """What lies outside: a secret, a victim process that holds one in its environment, and sockets that listen."""

    workspace: Path
    outside: Path
    token: str
    victim: subprocess.Popen[bytes]
    sockets: list[socket.socket] = field(default_factory=list)

    @property
    def secret(self) -> Path:
        return self.outside / "secret.txt"

    def names(self) -> dict[str, object]:
        tcp, udp, path, abstract, datagram = self.sockets
        return {
            "TOKEN": self.token,
            "SECRET": str(self.secret),
            "OUTSIDE": str(self.outside),
            "VICTIM": self.victim.pid,
            "TCP": tcp.getsockname()[1],
            "UDP": udp.getsockname()[1],
            "PATH": path.getsockname(),
            "ABSTRACT": "\0" + abstract.getsockname()[1:].decode(),
            "DATAGRAM": datagram.getsockname(),
        }

    def reached(self) -> bool:
        """Whether anything arrived at a socket."""
        for listening in self.sockets:
            listening.setblocking(False)
            try:
                if listening.type == socket.SOCK_STREAM:
                    listening.accept()[0].close()
                else:
                    listening.recv(100)
            except BlockingIOError:
                continue
            return True
        return False


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    token = secrets.token_hex(8)
    monkeypatch.setenv("WORNPATH_TEST_SECRET", token)
    for name in ("workspace", "outside"):
        (tmp_path / name).mkdir()
    victim = subprocess.Popen(["sleep", "600"], cwd=tmp_path / "outside")
    world = World(tmp_path / "workspace", tmp_path / "outside", token, victim)
    world.secret.write_text(token)
    os.utime(world.secret, (1_000_000_000, 1_000_000_000))
    unix, stream, dgram = socket.AF_UNIX, socket.SOCK_STREAM, socket.SOCK_DGRAM
    monkeypatch.chdir(world.outside)  # socket paths must be short
    for family, kind, address in (
        (socket.AF_INET, stream, ("127.0.0.1", 0)),
        (socket.AF_INET, dgram, ("127.0.0.1", 0)),
        (unix, stream, "stream"),
        (unix, stream, f"\0{token}"),
        (unix, dgram, "datagram"),
    ):
        made = socket.socket(family, kind)
        made.bind(address)
        if kind == stream:
            made.listen()
        world.sockets.append(made)
    yield world
    for made in world.sockets:
        made.close()
    victim.kill()
    victim.wait()


# Each prints what it could read; the others are judged by what they did.
READS = {
    "absolute path": "print(open(SECRET).read())",
    "dots": "print(open('../outside/secret.txt').read())",
    "symbolic link": "import os; os.symlink(SECRET, 'l'); print(open('l').read())",
    "linked folder": "import os; os.symlink(OUTSIDE, 'l'); print(open('l/secret.txt').read())",
    "hard link": "import os; os.link(SECRET, 'h'); print(open('h').read())",
    "proc root": "print(open(f'/proc/{VICTIM}/root{SECRET}').read())",
    "proc cwd": "print(open(f'/proc/{VICTIM}/cwd/secret.txt').read())",
    "proc of itself": "print(open(f'/proc/self/root{SECRET}').read())",
    "another's environment": "print(open(f'/proc/{VICTIM}/environ').read())",
    "the supervisor's memory": "import os; open(f'/proc/{os.getppid()}/mem', 'rb').close(); print(TOKEN)",
    "numpy": "import numpy; print(numpy.fromfile(SECRET, dtype='S16'))",
    "shell": "import os; os.system(f'cat {SECRET}')",
    "rename in": "import os; os.rename(SECRET, 's'); print(open('s').read())",
    "handle": (
        "import ctypes, os, struct; c = ctypes.CDLL(None, use_errno=True); h = ctypes.create_string_buffer(136)\n"
        "h[0:4] = struct.pack('I', 128); m = ctypes.c_int()\n"
        "assert c.name_to_handle_at(-100, SECRET.encode(), h, ctypes.byref(m), 0) == 0\n"
        "print(TOKEN)"
    ),
}
SENDS = {
    "tcp": "import socket; socket.create_connection(('127.0.0.1', TCP)).close()",
    "udp": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', UDP))",
    "unix path": "import os, socket; os.chdir(OUTSIDE); s = socket.socket(socket.AF_UNIX); s.connect(PATH)",
    "unix abstract": "import socket; s = socket.socket(socket.AF_UNIX); s.connect(ABSTRACT)",
    "pair turned around": (
        "import os, socket; os.chdir(OUTSIDE); a, b = socket.socketpair(type=socket.SOCK_DGRAM); a.sendto(b'x', DATAGRAM)"
    ),
}
HARMS = {
    "write": "open(SECRET, 'w').write('x')",
    "append": "open(SECRET, 'a').write('x')",
    "truncate": "import os; os.truncate(SECRET, 0)",
    "truncate by reading": "import os; os.open(SECRET, os.O_RDONLY | os.O_TRUNC)",
    "unlink": "import os; os.unlink(SECRET)",
    "rename out": "import os; open('x', 'w').close(); os.rename('x', SECRET)",
    "chmod": "import os; os.chmod(SECRET, 0o777)",
    "chmod by a link": "import os; os.symlink(SECRET, 'l'); os.chmod('l', 0o777)",
    "chmod by dots": "import os; os.chmod('../outside/secret.txt', 0o777)",
    "utime": "import os; os.utime(SECRET, (1, 1))",
    "new file": "open(OUTSIDE + '/new', 'w').close()",
    "new folder": "import os; os.mkdir('../outside/new')",
    "new link": "import os; os.symlink('x', OUTSIDE + '/new')",
    "kill": "import os; os.kill(VICTIM, 9)",
    "kill by descriptor": "import os, signal; signal.pidfd_send_signal(os.pidfd_open(VICTIM), 9)",
    "kill from a child": "import os; os.system(f'kill -9 {VICTIM}')",
    "limits of another": "import resource; resource.prlimit(VICTIM, resource.RLIMIT_CORE, (0, 0))",
    "set-uid file": "import os; os.close(os.open('s', os.O_CREAT | os.O_WRONLY, 0o4755))",
    "set-uid change": "import os; open('s', 'w').close(); os.chmod('s', 0o4755)",
}


async def attack(sandbox: Sandbox, world: World, payload: str) -> str:
    names = "".join(f"{name} = {value!r}\n" for name, value in world.names().items())
    (world.workspace / "attack.py").write_text(names + payload)
    result = await sandbox.run(["python", "attack.py"], workspace=world.workspace)
    return result.stdout + result.stderr


def fingerprint(world: World) -> tuple[object, ...]:
    """All outside that a harm could have changed, and set-id files inside."""
    info = world.secret.stat() if world.secret.exists() else None
    facts = (info.st_mode, info.st_size, info.st_mtime_ns) if info else None
    names = sorted(path.name for path in world.outside.iterdir())
    inside = any(path.lstat().st_mode & 0o6000 for path in world.workspace.iterdir())
    limits = Path(f"/proc/{world.victim.pid}/limits")
    cores = [line for line in limits.read_text().splitlines() if "core" in line] if world.victim.poll() is None else []
    return facts, names, inside, world.victim.returncode, cores


async def test_positive_control(world: World) -> None:
    """What is allowed works: else every attack below would fail for a wrong reason."""
    payload = (
        "import json, socket, subprocess, sys, threading\n"
        "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'\n"
        "open('made.txt', 'w').write(subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True).stdout)\n"
        "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
        "import os; os.chmod('made.txt', 0o640); os.utime('made.txt', (5, 5)); os.kill(os.getpid(), 0)\n"
    )
    assert (await attack(default_sandbox(), world, payload)) == "thread\n"
    made = world.workspace / "made.txt"
    assert made.read_text() == "42\n"
    assert (made.stat().st_mode & 0o7777, made.stat().st_mtime) == (0o640, 5)


@pytest.mark.parametrize("name", READS)
async def test_reading_outside(world: World, name: str) -> None:
    if name == "another's environment":
        environ = Path(f"/proc/{world.victim.pid}/environ").read_bytes()
        assert world.token.encode() in environ
    assert world.token not in await attack(default_sandbox(), world, READS[name])
    for made in world.workspace.iterdir():
        made.unlink()
    assert world.token in await attack(UnsandboxedSandbox(), world, READS[name])


@pytest.mark.parametrize("name", SENDS)
async def test_sending(world: World, name: str) -> None:
    await attack(default_sandbox(), world, SENDS[name])
    assert not world.reached()
    await attack(UnsandboxedSandbox(), world, SENDS[name])
    assert world.reached()


@pytest.mark.parametrize("name", HARMS)
async def test_harming(world: World, name: str) -> None:
    before = fingerprint(world)
    await attack(default_sandbox(), world, HARMS[name])
    assert fingerprint(world) == before
    for made in world.workspace.iterdir():
        made.unlink()
    await attack(UnsandboxedSandbox(), world, HARMS[name])
    if name.startswith("kill"):
        world.victim.wait(10)
    assert fingerprint(world) != before


@pytest.mark.parametrize("sandbox", [default_sandbox(), UnsandboxedSandbox()], ids=lambda s: s.name)
async def test_no_secret_of_the_environment_gets_in(world: World, sandbox: Sandbox) -> None:
    """Even without confinement: the program's environment is built anew."""
    assert os.environ["WORNPATH_TEST_SECRET"] == world.token
    text = await attack(sandbox, world, "import os; print(dict(os.environ)); print(open('/proc/self/environ').read())")
    assert "TMPDIR" in text
    assert world.token not in text


async def test_no_descriptor_gets_in(world: World) -> None:
    fd = os.open(world.secret, os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        text = await attack(
            UnsandboxedSandbox(),
            world,
            "import os; print([f for f in range(3, 64) if os.path.exists(f'/proc/self/fd/{f}')])",
        )
    finally:
        os.close(fd)
    assert text == "[]\n"


async def test_privileges_cannot_be_had(world: World) -> None:
    payload = (
        "import ctypes, os\n"
        "c = ctypes.CDLL(None, use_errno=True)\n"
        "print(open('/proc/self/status').read())\n"
        "for name, call in {'unshare': lambda: c.unshare(0x10000000), 'mount': lambda: c.mount(b'x', b'.', b'tmpfs', 0, 0),\n"
        "  'keyctl': lambda: c.syscall(250, 0, 0, 0, 0), 'bpf': lambda: c.syscall(321, 0, 0, 0),\n"
        "  'io_uring': lambda: c.syscall(425, 1, 0), 'ptrace': lambda: c.ptrace(16, VICTIM, 0, 0),\n"
        "  'userfaultfd': lambda: c.syscall(323, 0), 'chroot': lambda: c.chroot(b'.'), 'new call': lambda: c.syscall(470),\n"
        "  'clone3': lambda: c.syscall(435, 0, 0), 'filter': lambda: c.prctl(22, 2, 0, 0, 0),\n"
        "  'shm': lambda: c.shmget(0, 100, 0o1600)}.items():\n"
        "    print(name, call(), os.strerror(ctypes.get_errno()))\n"
    )
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers in the payload are those of x86_64")
    text = await attack(default_sandbox(), world, payload)
    status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    assert {status[name] for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    if os.geteuid() == 0:
        assert status["CapBnd"] == "0" * 16
    calls = [line for line in text.splitlines() if ":\t" not in line and " -1 " in line]
    assert len(calls) == 12
    assert all("not permitted" in line or "not implemented" in line for line in calls), calls
