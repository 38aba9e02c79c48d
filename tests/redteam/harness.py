"""Runs attacks in a sandbox, and without one, and judges them from outside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from attacks import Attack
from world import Target, look, write_plan

from wornpath.sandbox import BubblewrapSandbox, LandlockSandbox
from wornpath.sandbox.protocol import ProcessResult, Sandbox, SandboxLimits


class Bare:
    """No sandbox at all, not even the supervisor: the control that shows what an attack does."""

    name = "none"

    def missing(self) -> str | None:
        return None

    async def run(
        self,
        argv: Sequence[str],
        *,
        workspace: Path,
        writable: bool = True,
        limits: SandboxLimits | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        readable: Sequence[Path] = (),
    ) -> ProcessResult:
        command = [sys.executable if argv[0] == "python" else argv[0], *argv[1:]]

        def work() -> ProcessResult:
            with (
                tempfile.TemporaryFile() as out,
                tempfile.TemporaryFile() as err,
            ):  # a pipe would wait for all that hold it
                done = subprocess.run(
                    command,
                    cwd=workspace,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    close_fds=False,
                    check=False,
                )
                out.seek(0)
                err.seek(0)
                said = [stream.read().decode(errors="replace") for stream in (out, err)]
            return ProcessResult(done.returncode, *said)

        return await asyncio.to_thread(work)


def layers() -> list[Sandbox]:
    """What can be attacked here: each link of the chain, and bubblewrap alone."""
    made: list[Sandbox] = [BubblewrapSandbox(), BubblewrapSandbox(with_landlock=False), LandlockSandbox()]
    return [sandbox for sandbox in made if sandbox.missing() is None]


@dataclass(frozen=True)
class Outcome:
    """What became of an attack: whether it GOT somewhere, and what it said of itself, which is for people only."""

    got: bool
    said: str


def run_attacks(attacks: Sequence[Attack], sandbox: Sandbox | Bare, together: bool = True) -> dict[str, Outcome]:
    """Name → outcome; all in one run, or with TOGETHER false each in its own."""
    if together:
        return asyncio.run(_run(attacks, sandbox))
    return {name: out for one in attacks for name, out in asyncio.run(_run([one], sandbox)).items()}


async def _run(attacks: Sequence[Attack], sandbox: Sandbox | Bare) -> dict[str, Outcome]:
    mark = f"rt{secrets.token_hex(3)}"
    folder = Path(tempfile.mkdtemp(prefix="rt-", dir=Path("/tmp") if Path("/tmp").is_dir() else None))
    workspace = folder / "w"
    workspace.mkdir()
    targets = {}
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for number, attack in enumerate(attacks):
            target = Target(folder / "o" / str(number), mark, frozenset(attack.needs))
            stack.callback(target.undo.close)
            target.prepare()
            targets[str(number)] = target
        plan = {
            number: (target.names, attack.code)
            for (number, target), attack in zip(targets.items(), attacks, strict=True)
        }
        write_plan(workspace, mark, plan)
        running = asyncio.create_task(sandbox.run(["python", "driver.py"], workspace=workspace))
        while not (workspace / "held").exists() and not running.done():
            await asyncio.sleep(0.005)
        assert (workspace / "held").exists(), f"the driver did not get through: {running.result()}"
        there = look(mark)
        for number, target in targets.items():
            said = workspace / number / "said"
            target.said = said.read_text(errors="replace") if said.is_file() and not said.is_symlink() else ""
            target.held = {**there[number], "driver": there["d"]} if number in there else {}
        outcomes = {}
        for (number, target), attack in zip(targets.items(), attacks, strict=True):
            target.inside = workspace / number
            outcomes[attack.name] = Outcome(attack.judge(target), target.said.strip()[-200:])
        (workspace / "seen").touch()
        await running
        for facts in there.values():  # without a sandbox nobody ends those that hold something
            with contextlib.suppress(OSError):
                os.kill(facts["pid"], 9)
    return outcomes


# Resources: each in a run of its own, with small limits, watched while it runs.

LIMITS = SandboxLimits(
    cpu_seconds=1,
    wall_seconds=4.0,
    memory_bytes=300 << 20,
    file_bytes=8 << 20,
    processes=16,
    output_bytes=100_000,
    memory_total=400 << 20,
    disk_bytes=40 << 20,
    disk_files=500,
)


@dataclass(frozen=True)
class Greedy:
    """An attack on what there is of something: CODE takes it, `most` is the largest amount that was seen at any moment."""

    name: str
    code: str
    most: Callable[[Watched], float]
    allowed: float
    area: str = "resources"


@dataclass
class Watched:
    processes: int = 0
    threads: int = 0
    memory: int = 0
    descriptors: int = 0
    written: int = 0
    files: int = 0
    largest: int = 0
    output: int = 0
    left: int = 0
    ended: bool = False
    seconds: float = 0.0


GREEDY = [
    Greedy(
        "fork bomb",
        "import signal\nfor i in range(400):\n  if os.fork() == 0: signal.pause()\ntime.sleep(1)",
        lambda w: w.processes,
        16 + 192 + 4,
    ),
    Greedy(
        "shell's fork bomb",
        "os.system('n=0; while [ $n -lt 300 ]; do sleep 3 & n=$((n+1)); done; sleep 1')",
        lambda w: w.processes,
        16 + 192 + 4,
    ),
    Greedy(
        "thread bomb",
        "import threading\nfor i in range(400): threading.Thread(target=time.sleep, args=(2,), daemon=True).start()\ntime.sleep(1)",
        lambda w: w.threads,
        16 + 192 + 8,
    ),
    Greedy("memory of one process", "x = bytearray(600 << 20); time.sleep(1)", lambda w: w.memory, 400 << 20),
    Greedy(
        "memory of many processes",
        "for i in range(4):\n  if os.fork() == 0:\n    x = []\n"
        "    for i in range(25): x.append(os.urandom(1 << 20) * 10); time.sleep(.12)\n"
        "    time.sleep(2); os._exit(0)\ntime.sleep(6)",
        lambda w: w.memory,
        700 << 20,  # 400, and what comes between two looks where there is no control group
    ),
    Greedy(
        "descriptors", "f = [os.open('/dev/null', 0) for i in range(900)]; time.sleep(1)", lambda w: w.descriptors, 256
    ),
    Greedy(
        "one large file",
        "f = open('large', 'wb')\nfor i in range(64): f.write(b'x' * (1 << 20))",
        lambda w: w.largest,
        8 << 20,
    ),
    Greedy(
        "many files of some size",
        "for i in range(60):\n  open(f'f{i}', 'wb').write(b'x' * (4 << 20))\n  time.sleep(.02)",
        lambda w: w.written,
        200 << 20,
    ),
    Greedy(
        "many small files",
        "for i in range(8000): open(f'f{i}', 'w').close()\ntime.sleep(.5)\nfor i in range(8000, 12000): open(f'f{i}', 'w').close()",
        lambda w: w.files,
        10_000,
    ),
    Greedy("output", "for i in range(3000): print('x' * 1000)", lambda w: w.output, 201_000),
    Greedy(
        "processor time",
        "end = time.process_time() + 3\nwhile time.process_time() < end: pass\nopen('ended', 'w').close()",
        lambda w: w.ended,
        0,
    ),
    Greedy("wall time", "time.sleep(6); open('ended', 'w').close()", lambda w: w.ended, 0),
    Greedy(
        "a daemon that stays",
        "if os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0: time.sleep(30)\n  os._exit(0)\nos.wait()",
        lambda w: w.left,
        0,
    ),
    Greedy(
        "a daemon that minds no signal",
        "import signal\nif os.fork() == 0:\n  os.setsid(); [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 3, 15)]\n"
        "  os.closerange(0, 99)\n  time.sleep(30); os._exit(0)\ntime.sleep(.2)",
        lambda w: w.left,
        0,
    ),
    Greedy(
        "a process that is stopped",
        "import signal\nif os.fork() == 0:\n  os.setsid(); os.kill(os.getpid(), signal.SIGSTOP); os._exit(0)\ntime.sleep(.2)",
        lambda w: w.left,
        0,
    ),
]


def run_greedy(attack: Greedy, sandbox: Sandbox | Bare) -> Outcome:
    return asyncio.run(_greedy(attack, sandbox))


async def _greedy(attack: Greedy, sandbox: Sandbox | Bare) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="rt-", ignore_cleanup_errors=True) as name:
        folder, mark, seen = Path(name), f"greedy-{secrets.token_hex(6)}", Watched()
        code = f"# {mark}\nimport os, time\n{attack.code}"
        running = asyncio.create_task(sandbox.run(["python", "-c", code], workspace=folder, limits=LIMITS))
        while not running.done():
            _watch(seen, mark)
            await asyncio.sleep(0.02)
        result = running.result()
        sizes = [path.stat().st_blocks * 512 for path in folder.iterdir()]
        seen.files, seen.written, seen.largest = len(sizes), sum(sizes), max(sizes, default=0)
        seen.output, seen.ended = len(result.stdout), (folder / "ended").exists()
        seen.left = _end(mark)
    most = float(attack.most(seen))
    return Outcome(most > attack.allowed, f"{most:,.0f} of {attack.allowed:,.0f} allowed")


def _members(mark: str) -> list[Path]:
    """The processes that have MARK in their command line, and those that come of them: a shell's children have one of their own."""
    found, parents = set(), {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError, IndexError):
                parents[folder.name] = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                if mark.encode() in (folder / "cmdline").read_bytes():
                    found.add(folder.name)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return [Path("/proc", pid) for pid in found]


def _watch(seen: Watched, mark: str) -> None:
    folders = _members(mark)
    threads = memory = descriptors = 0
    for folder in folders:
        with contextlib.suppress(OSError, ValueError):
            status = dict(
                line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line
            )
            threads += int(status.get("Threads", "1"))
            memory += int(status.get("RssAnon", "0 kB").split()[0]) * 1024
            descriptors = max(descriptors, len(list((folder / "fd").iterdir())))
    seen.processes = max(seen.processes, len(folders))
    seen.threads, seen.memory = max(seen.threads, threads), max(seen.memory, memory)
    seen.descriptors = max(seen.descriptors, descriptors)


def _end(mark: str) -> int:
    """How many of them are left, a moment after the end; they are ended, too."""
    time.sleep(0.02)
    left = 0
    for folder in _members(mark):
        with contextlib.suppress(OSError):
            os.kill(int(folder.name), 9)
            left += 1
    return left
