"""The attacks, light: all of them together in one run for each layer, and the quick ones on resources and on the host.
`scripts/redteam` runs every one by itself, in every layer, as root and as an ordinary user."""

from __future__ import annotations

import asyncio
import functools
import subprocess
from pathlib import Path

import pytest
from attacks import ATTACKS
from harness import GREEDY, Bare, Outcome, layers, run_attacks, run_greedy
from traps import TOKEN, TRAPS, lay

from wornpath.sandbox import default_sandbox
from wornpath.sandbox.protocol import Sandbox

LAYERS = layers()
QUICK = ("shell's fork bomb", "output", "a daemon that minds no signal", "a process that is stopped")
HEAVY = ("packed emptiness (xlsx)", "packed emptiness (pptx)")
pytestmark = pytest.mark.skipif(not LAYERS, reason=str(default_sandbox().missing()))
EACH = pytest.mark.parametrize("sandbox", LAYERS, ids=lambda sandbox: sandbox.name)


@functools.cache
def outcomes(name: str) -> dict[str, Outcome]:
    return run_attacks(ATTACKS, next((sandbox for sandbox in LAYERS if sandbox.name == name), Bare()))


def test_there_are_enough() -> None:
    names = [attack.name for attack in (*ATTACKS, *GREEDY, *TRAPS)]
    assert len(names) == len(set(names)) >= 50
    assert {attack.area for attack in (*ATTACKS, *GREEDY, *TRAPS)} == {
        "files",
        "secrets",
        "processes",
        "resources",
        "network",
        "privileges",
        "host",
    }


def test_without_a_sandbox_every_attack_gets_somewhere() -> None:
    """Else holding it off would prove nothing."""
    harmless = [a.name for a in ATTACKS if a.possible and not a.optional and not outcomes("none")[a.name].got]
    assert harmless == []
    assert sum(outcome.got for outcome in outcomes("none").values()) >= 50


@EACH
def test_a_benign_program_works(sandbox: Sandbox, tmp_path: Path) -> None:
    """Else every attack would fail for a wrong reason."""
    code = (
        "import json, numpy, os, socket, subprocess, sys, threading\n"
        "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'\n"
        "said = subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True, check=True).stdout\n"
        "open('made.txt', 'w').write(said); os.chmod('made.txt', 0o640); os.utime('made.txt', (5, 5)); os.kill(os.getpid(), 0)\n"
        "t = threading.Thread(target=print, args=('thread', numpy.arange(3).sum())); t.start(); t.join()\n"
        "os.mkdir('d'); os.rename('made.txt', 'd/made.txt'); os.symlink('d/made.txt', 'l'); print(open('l').read().strip())\n"
    )
    result = asyncio.run(sandbox.run(["python", "-c", code], workspace=tmp_path))
    assert (result.stdout, result.stderr, result.exit_code) == ("thread 3\n42\n", "", 0)
    made = (tmp_path / "d/made.txt").stat()
    assert (made.st_mode & 0o7777, made.st_mtime, made.st_uid) == (0o640, 5, tmp_path.stat().st_uid)


@EACH
def test_attacks_are_held_off(sandbox: Sandbox) -> None:
    seen = outcomes(sandbox.name)
    assert {a.name for a in ATTACKS if seen[a.name].got} == {a.name for a in ATTACKS if sandbox.name in a.known}


@pytest.mark.parametrize("name", QUICK)
def test_greed_has_an_end(name: str) -> None:
    attack = next(attack for attack in GREEDY if attack.name == name)
    assert run_greedy(attack, Bare()).got
    outcome = run_greedy(attack, LAYERS[0])
    assert not outcome.got, outcome.said


@pytest.mark.parametrize("trap", [trap for trap in TRAPS if trap.name not in HEAVY], ids=lambda trap: trap.name)
def test_the_host_is_not_harmed_by_what_it_reads(trap: object, tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir()
    (tmp_path / "secret.txt").write_text(TOKEN)
    lay(trap, LAYERS[0], workspace)  # type: ignore[arg-type]
    try:
        assert trap.naive(workspace)  # type: ignore[attr-defined]
        assert not trap.reader(workspace, LAYERS[0])  # type: ignore[attr-defined]
    finally:
        # A later run of pytest clears this one's folder, and fails on a tree that is deeper than Python's recursion.
        subprocess.run(["rm", "-rf", "--", str(workspace)], check=True)
