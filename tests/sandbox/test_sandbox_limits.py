"""Limits, and the end of every process: whatever a program becomes, nothing of it is left."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from outside import LAYERS, gone, layer, living

from wornpath.core import SandboxUnavailable, UsageError
from wornpath.sandbox import LandlockSandbox, Sandbox, SandboxLimits, UnsandboxedSandbox, chain, default_sandbox
from wornpath.sandbox.quarters import Confinement

SANDBOX = default_sandbox()
pytestmark = pytest.mark.skipif(SANDBOX.missing() is not None, reason=str(SANDBOX.missing()))
BOTH = pytest.mark.parametrize("sandbox", [SANDBOX, UnsandboxedSandbox()], ids=lambda s: s.name)


async def python(folder: Path, code: str, sandbox=SANDBOX, **limits: object):  # type: ignore[no-untyped-def]
    return await sandbox.run(["python", "-c", code], workspace=folder, limits=SandboxLimits(**limits))  # type: ignore[arg-type]


async def test_results_of_a_run(tmp_path: Path) -> None:
    command = "cat; pwd; echo problem >&2; exit 7"
    result = await SANDBOX.run(["sh", "-c", command], workspace=tmp_path, stdin="given\n", env={"EXTRA": "x"})
    assert (result.exit_code, result.stdout, result.stderr) == (7, f"given\n{tmp_path}\n", "problem\n")
    assert not result.timed_out and not result.truncated and result.seconds < 10
    assert (await SANDBOX.run(["sh", "-c", "kill -TERM $$"], workspace=tmp_path)).exit_code == -15
    big = "x" * 300_000  # more than a pipe holds, both ways
    assert (await SANDBOX.run(["cat"], workspace=tmp_path, stdin=big)).stdout == big
    assert (await SANDBOX.run(["true"], workspace=tmp_path, stdin=big)).exit_code == 0


async def test_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="nothing was run: no-such-program: No such file"):
        await SANDBOX.run(["no-such-program"], workspace=tmp_path)
    with pytest.raises(SandboxUnavailable, match="No such file"):
        await SANDBOX.run(["true"], workspace=tmp_path / "missing")


@BOTH
async def test_wall_time(tmp_path: Path, sandbox) -> None:  # type: ignore[no-untyped-def]
    for seconds in (1.0, 10.0):  # a busy machine may take a second to start a program
        result = await python(
            tmp_path, "print('begun', flush=True)\nimport time; time.sleep(100)", sandbox, wall_seconds=seconds
        )
        if result.stdout:
            break
    assert (result.timed_out, result.exit_code, result.stdout) == (True, -9, "begun\n")
    assert result.seconds < 50


async def test_processor_time(tmp_path: Path) -> None:
    assert (await python(tmp_path, "while True: pass", cpu_seconds=1)).exit_code == -signal.SIGXCPU


@BOTH
async def test_memory(tmp_path: Path, sandbox) -> None:  # type: ignore[no-untyped-def]
    result = await python(tmp_path, "x = bytearray(400 << 20)", sandbox, memory_bytes=300 << 20)
    assert "MemoryError" in result.stderr
    assert (await python(tmp_path, "x = bytearray(100 << 20)", sandbox, memory_bytes=300 << 20)).exit_code == 0


@BOTH
async def test_file_size(tmp_path: Path, sandbox) -> None:  # type: ignore[no-untyped-def]
    result = await python(tmp_path, "open('big', 'wb').write(b'x' * 3_000_000)", sandbox, file_bytes=1 << 20)
    assert "File too large" in result.stderr
    assert (tmp_path / "big").stat().st_size == 1 << 20


async def test_output_without_end(tmp_path: Path) -> None:
    code = "print('first')\nfor i in range(200_000): print('x' * 30)\nprint('last')"
    result = await python(tmp_path, code, output_bytes=10_000)
    assert result.truncated and len(result.stdout) < 11_000
    assert result.stdout.startswith("first\n") and result.stdout.endswith("last\n")


class Counted(LandlockSandbox):
    """Without a control group, as in most containers."""

    name = "landlock without a group"

    def confinement(self, workspace: Path) -> Confinement:
        return replace(super().confinement(workspace), group=False)


FORKS = """
import os, signal
made = 0
try:
    while made < 600:
        if os.fork() == 0: signal.pause()
        made += 1
except BlockingIOError: pass
print('made', made, flush=True)
"""


@pytest.mark.parametrize("sandbox", [*LAYERS, layer(Counted())])
async def test_fork_bomb(tmp_path: Path, sandbox: Sandbox) -> None:
    """Bounded for root, too, and for a user who has many processes elsewhere."""
    result = await python(tmp_path, FORKS, sandbox, processes=12)
    made = int(result.stdout.split()[1]) if result.stdout else 0
    assert result.excess == "it started more than 12 processes" or 12 <= made <= 12 + 192
    assert not living(str(tmp_path))
    bomb = await sandbox.run(
        ["sh", "-c", "f() { f | f & }; f; sleep 1"],
        workspace=tmp_path,
        limits=SandboxLimits(processes=20, wall_seconds=2),
    )
    assert bomb.seconds < 15
    threads = (
        "import threading as t\nb = t.Barrier(21)\nfor i in range(20): t.Thread(target=b.wait).start()\n"
        "print(t.active_count()); b.wait()"
    )
    assert (await python(tmp_path, threads, sandbox, processes=2)).stdout == "21\n"


@pytest.mark.parametrize("sandbox", [*LAYERS, layer(Counted())])
async def test_children_that_end_while_a_shell_forks(tmp_path: Path, sandbox: Sandbox) -> None:
    """A fork that has to wait for an answer is broken off by the signal of a child that ends, in a shell that minds it."""
    command = "for i in 1 2 3 4 5 6 7 8; do true | cat | cat; ls /none 2>/dev/null | head -1 | tr a b; done; echo done"
    result = await sandbox.run(["sh", "-c", command], workspace=tmp_path)
    assert (result.stdout, result.stderr) == ("done\n", "")


@pytest.mark.parametrize("sandbox", [*LAYERS, layer(Counted())])
async def test_memory_of_all_together(tmp_path: Path, sandbox: Sandbox) -> None:
    code = (
        "import os, time\nfor _ in range(4):\n  if os.fork() == 0:\n"
        "    x = bytearray(os.urandom(1 << 20) * 60)\n    time.sleep(100)\nfor _ in range(4): os.wait()\n"
    )
    result = await python(tmp_path, code, sandbox, memory_total=100 << 20, wall_seconds=30)
    assert "100 MiB of memory" in result.excess
    assert not result.timed_out


@BOTH
async def test_what_is_written_in_all(tmp_path: Path, sandbox) -> None:  # type: ignore[no-untyped-def]
    many = "import itertools, os\nos.mkdir('d')\nfor i in itertools.count(): open(f'd/{i}', 'w').close()"
    result = await python(tmp_path, many, sandbox, disk_files=300, wall_seconds=60)
    assert result.excess == "it made more than 300 files"
    much = "import itertools\nfor i in itertools.count(): open(f'{i}', 'wb').write(b'x' * 1_000_000)"
    result = await python(tmp_path, much, sandbox, disk_bytes=30 << 20, wall_seconds=60)
    assert result.excess == "it wrote more than 30 MiB in all"
    hidden = (
        "import os, time\nfor i in range(100):\n  f = open('gone', 'wb'); os.dup(f.fileno()); os.remove('gone')\n"
        "  f.write(b'x' * 1_000_000); f.flush()\ntime.sleep(60)"
    )
    result = await python(tmp_path, hidden, sandbox, disk_bytes=30 << 20, wall_seconds=60)
    assert result.excess == "it wrote more than 30 MiB in all"


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open('there', 'w').close()
        time.sleep(600)
    os._exit(0)
while not os.path.exists('there'): time.sleep(0.001)
"""


def daemon(folder: Path) -> str:
    """The program, with a mark by which it is known from outside."""
    return f"# {folder}\n{DAEMON}"


@pytest.mark.parametrize("sandbox", [*LAYERS, UnsandboxedSandbox()])
@pytest.mark.parametrize("end", ["exits", "is stopped"])
async def test_a_daemon_does_not_survive(tmp_path: Path, sandbox, end: str) -> None:  # type: ignore[no-untyped-def]
    code = daemon(tmp_path) + ("" if end == "exits" else "time.sleep(600)")
    for seconds in (60,) if end == "exits" else (0.7, 20):  # a busy machine may take a second to start a program
        result = await python(tmp_path, code, sandbox, wall_seconds=seconds)
        assert result.timed_out == (end != "exits")
        if (tmp_path / "there").exists():
            break
    assert (tmp_path / "there").exists() and not living(str(tmp_path))


async def test_cancelling_ends_the_run(tmp_path: Path) -> None:
    task = asyncio.create_task(python(tmp_path, daemon(tmp_path) + "open('begun', 'w').close(); time.sleep(600)"))
    async with asyncio.timeout(120):
        while not (tmp_path / "begun").exists() and not task.done():
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "there").exists() and not living(str(tmp_path))


@pytest.mark.parametrize("sandbox", LAYERS)
def test_nothing_survives_the_host(tmp_path: Path, sandbox: Sandbox) -> None:
    """The host is killed without a chance to clean up."""
    host = (
        f"import asyncio, pathlib, sys\nfrom wornpath.sandbox import {type(sandbox).__name__} as S\n"
        "asyncio.run(S().run(['python', '-c', open(sys.argv[2]).read()], workspace=pathlib.Path(sys.argv[1])))"
    )
    workspace, program = tmp_path / "workspace", tmp_path / "program"
    workspace.mkdir()
    program.write_text(
        daemon(workspace)
        + "print(os.environ['TMPDIR'], file=open('private', 'w')); open('begun', 'w').close(); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", host, str(workspace), str(program)])
    while not (workspace / "begun").exists():
        assert process.poll() is None
    assert living(f"# {workspace}")
    process.kill()
    process.wait()
    assert gone(f"# {workspace}")
    private, deadline = Path((workspace / "private").read_text().strip()).parent, time.monotonic() + 10
    while private.exists() and time.monotonic() < deadline:
        pass
    assert private.name.startswith("wornpath-") and not private.exists()


async def test_the_private_folder_goes(tmp_path: Path) -> None:
    code = (
        "import os, tempfile\nd = os.environ['TMPDIR']; os.chdir(d); os.makedirs(d + '/closed/deep'); os.symlink('/etc', d + '/link')\n"
        "for i in range(3000): os.mkdir('d'); os.chdir('d')\n"
        "os.chmod(d + '/closed', 0); print(d)"
    )
    private = (await python(tmp_path, code)).stdout.strip()
    assert private and not Path(private).parent.exists()


async def test_many_at_once(tmp_path: Path) -> None:
    results = await asyncio.gather(*(SANDBOX.run(["sh", "-c", f"echo {i}"], workspace=tmp_path) for i in range(12)))
    assert [r.stdout for r in results] == [f"{i}\n" for i in range(12)]


async def test_where_it_does_not_work_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "_bubblewrap_missing", lambda landlock: "not installed")
    for version, said in ((0, "use Linux 5.13 or newer"), (-1, "add landlock to its lsm= boot parameter")):
        monkeypatch.setattr(chain.landlock, "abi", lambda version=version: version)
        chain._landlock_missing.cache_clear()
        assert said in (LandlockSandbox().missing() or "")
        with pytest.raises(SandboxUnavailable, match="--sandbox full"):
            await default_sandbox().run(["touch", "ran"], workspace=tmp_path)
        with pytest.raises(SandboxUnavailable):
            await default_sandbox().kernel(workspace=tmp_path).run("open('ran', 'w')", timeout=5)
    assert not (tmp_path / "ran").exists()
    monkeypatch.undo()
    chain._landlock_missing.cache_clear()


@pytest.mark.parametrize("name", ["bubblewrap", "landlock"])
def test_doctor_reports_what_holds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from wornpath.sandbox.doctor import report

    monkeypatch.setenv("WORNPATH_CONFINEMENT", name)
    if reason := default_sandbox().missing():
        pytest.skip(reason)
    layers = {layer.name: layer for layer in report()}
    assert not [layer for layer in layers.values() if layer.state == "failed"]
    assert layers[name].on and (layers["bubblewrap"].on == (name == "bubblewrap"))
    assert sum(name.startswith("attack") for name in layers) >= 10


def test_a_wrong_confinement_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORNPATH_CONFINEMENT", "chroot")
    with pytest.raises(UsageError, match="WORNPATH_CONFINEMENT is 'chroot'"):
        default_sandbox()
