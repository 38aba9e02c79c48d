"""What a large store costs: appending, listing, showing and projecting with a million events in it. The last line is JSON.

    python benchmarks/store_large.py [--events 1000000] [--folder DIR] [--keep]

The events are those of typical runs (see `store.py`), appended a step at a time, as a run commits them. Reading is measured in a
process of its own with nothing in memory; commands are `python -m wornpath ...` processes, their start included (`help` is the start
alone). CPU counts user and system. `_mib` is the most memory of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store import STEPS, a_run
from wornpath.store import SqliteStore

COMMANDS = {
    "help": ["--help"],
    "runs_ls": ["runs", "ls"],
    "runs_ls_status": ["runs", "ls", "--status", "paused"],
    "show_last": ["show", "last"],
    "show_json": ["show", "last", "--json"],
    "why": ["why", "last", "25"],
    "notes_ls": ["notes", "ls"],
}


def name(number: int) -> str:
    return f"20260101-{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}-{number:06}"


def append(store: SqliteStore, number: int) -> int:
    """One run, a step in each commit; how many events it has."""
    events = list(a_run(number))
    store.append_many(name(number), events[:2])
    for at in range(2, len(events), 5):
        store.append_many(name(number), events[at : at + 5])
    return len(events)


def measured(work: Callable[[], Any], rounds: int = 5) -> dict[str, float]:
    """The median CPU and wall milliseconds of WORK."""
    cpu, wall = [], []
    for _ in range(rounds):
        began, at = time.process_time(), time.perf_counter()
        work()
        cpu.append((time.process_time() - began) * 1e3)
        wall.append((time.perf_counter() - at) * 1e3)
    return {"cpu_ms": round(statistics.median(cpu), 2), "wall_ms": round(statistics.median(wall), 2)}


def fill(folder: Path, events: int) -> dict[str, Any]:
    """Append EVENTS, and say what the first and the last tenth of them cost: it must not grow."""
    costs: list[tuple[int, float, float]] = []
    total = number = 0
    with SqliteStore(folder) as store:
        while total < events:
            cpu, wall = time.process_time(), time.perf_counter()
            count = append(store, number)
            costs.append((count, time.process_time() - cpu, time.perf_counter() - wall))
            total, number = total + count, number + 1
    out: dict[str, Any] = {"events": total, "runs": number, "append_cpu_s": round(sum(c for _, c, _ in costs), 1)}
    tenth = max(1, len(costs) // 10)
    for when, part in (("first", costs[:tenth]), ("last", costs[-tenth:])):
        count = sum(n for n, _, _ in part)
        out[f"append_cpu_ms_{when}_tenth"] = round(sum(c for _, c, _ in part) / count * 1e3, 4)
        out[f"append_wall_ms_{when}_tenth"] = round(sum(w for _, _, w in part) / count * 1e3, 4)
    return out | {"mib": peak()}


def read(folder: Path, runs: int) -> dict[str, Any]:
    middle = name(runs // 2)
    with SqliteStore(folder) as store:
        out: dict[str, Any] = {"open_and_first": measured(lambda: store.run("last"), 1)}
        out["list_20"] = measured(lambda: store.runs(limit=20))
        out["find_by_prefix"] = measured(lambda: store.run(middle[:20]))
        out["find_by_last_part"] = measured(lambda: store.run(middle[16:]))
        out["events_of_a_run"] = measured(lambda: sum(1 for _ in store.events(middle)))
        out["project_a_run"] = measured(lambda: sum(1 for _ in store.transitions(middle)))
        out["artefacts_of_a_run"] = measured(lambda: store.artefacts(middle))
        out["append_one"] = measured(lambda: store.append("one-more", "note.added", {"text": "x", "scope": "run"}), 50)
        out["mib_so_far"] = peak()
        out["list_all"] = measured(lambda: store.runs(), 3)
        out["list_by_status"] = measured(lambda: store.runs(limit=20, status="paused"), 3)
        out["project_all"] = measured(lambda: sum(1 for _ in store.transitions()), 1)
        out["mib"] = peak()
    return out


def peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def command(folder: Path, *arguments: str) -> dict[str, float]:
    """CPU and wall seconds and MiB of a command, the median of three."""
    found = []
    for _ in range(3):
        at = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "wornpath", *arguments],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "WORNPATH_HOME": str(folder)},
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"wornpath {' '.join(arguments)} ended with {process.returncode}")
        wall = time.perf_counter() - at
        found.append((usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024))
    cpu, wall, mib = (statistics.median(values) for values in zip(*found, strict=True))
    return {"cpu_s": round(cpu, 3), "wall_s": round(wall, 3), "mib": round(mib, 1)}


def part(*arguments: str) -> Any:
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument(
        "--folder", type=Path, help="the store: made there, or used as it is (default: a temporary one)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the store there")
    parser.add_argument("--fill", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--read", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill:
        print(json.dumps(fill(options.folder, options.events)))
        return
    if options.read:
        print(json.dumps(read(options.folder, options.read)))
        return
    folder = options.folder or Path(tempfile.mkdtemp(prefix="wornpath-store-"))
    try:
        out: dict[str, Any] = {"steps_a_run": STEPS, "python": sys.version.split()[0]}
        out["fill"] = part("--fill", "--folder", str(folder), "--events", str(options.events))
        out["file_mib"] = round((folder / "events.sqlite3").stat().st_size / 2**20)
        out["read"] = part("--read", str(out["fill"]["runs"]), "--folder", str(folder))
        out["commands"] = {title: command(folder, *arguments) for title, arguments in COMMANDS.items()}
        print(json.dumps(out))
    finally:
        if not options.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
