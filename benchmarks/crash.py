"""Kills runs with SIGKILL, takes them up again until they end, and judges from outside what came of them. The last line is JSON.

    python benchmarks/crash.py [--kills 240] [--seed 0] [--keep FOLDER]

Every run does some of eleven things that must be done exactly once (see `crash_world.py`): it appends to, writes, edits, moves, copies and
deletes files, runs code, writes to a notebook outside the workspace, and sends to a counter service on the loopback, which keeps its own
log. A point is `time` (at a random moment), `event` (after a random event is committed), `before` (the intent is recorded, nothing done),
`effect` (done, and the result not recorded) or `inside` (in the middle of a write). Some runs are killed again when they are taken up.

lost: what was to be done is not, or an event that was reported is not in the store. repeated: something was done twice. corrupt: SQLite's
own check of the store fails, or its events have a gap.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SHARES = {"time": 0.38, "event": 0.22, "effect": 0.2, "before": 0.1, "inside": 0.1}
MOST_SITTINGS = 14


# -- the counter service, a process of its own -----------------------------------------------------


def serve(log: Path) -> None:
    """POST /count adds an item, under a key only once; POST /seen says whether it was added. What was added is in LOG, line by line."""
    keys: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path == "/seen":
                text = "yes" if log.exists() and f"{body['item']}\n" in log.read_text() else "no"
            else:
                text = "counted"
                if not body["key"] or body["key"] not in keys:
                    with log.open("a") as file:
                        file.write(f"{body['item']}\n")
                keys.add(body["key"])
            self.send_response(200)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


# -- one run, killed and taken up ------------------------------------------------------------------


def sit(folder: Path, items: list[str], url: str, point: str, seed: float) -> tuple[str, list[dict[str, Any]], float]:
    """One sitting in a forked process: how it ended (a status, or `killed`), what it told, and how long it took."""
    import crash_world

    reading, writing = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        rng = random.Random(seed)
        service = crash_world.Service(url)
        crash_world.child(lambda: crash_world.Sitting(folder, items, service, point, rng, writing), writing)
    os.close(writing)
    kind, _, value = point.partition(":")
    deadline = began + float(value) if kind == "time" else began + 120
    told, text = [], b""
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(reading, 65536) if ready else b""
        text += piece
        *lines, text = text.split(b"\n")
        told += [json.loads(line) for line in lines]
        if not piece or any("kill" in line for line in told[-len(lines) :] if lines):
            break
    if not ready or (told and "kill" in told[-1]):
        os.kill(pid, signal.SIGKILL)
    os.close(reading)
    _, code = os.waitpid(pid, 0)
    if os.WIFSIGNALED(code):
        return "killed", told, time.monotonic() - began
    return next((line["end"] for line in told if "end" in line), "vanished"), told, time.monotonic() - began


def run(folder: Path, items: list[str], points: list[str], rng: random.Random) -> dict[str, Any]:
    """One run of ITEMS, killed at each of POINTS in turn, and judged."""
    import crash_world

    crash_world.lay_out(folder)
    log = folder / "counted.txt"
    server = subprocess.Popen([sys.executable, __file__, "--serve", str(log)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        statuses: list[str] = []
        told: list[dict[str, Any]] = []
        seconds: list[float] = []
        for point in [*points, *[""] * MOST_SITTINGS]:
            status, said, took = sit(folder, items, url, point, rng.random())
            statuses.append(status)
            seconds.append(took)
            told += said
            if status not in ("killed", "needs_person"):
                break
    finally:
        server.kill()
        server.wait()
    assert server.stdout is not None
    server.stdout.close()
    asked = Counter(line["asked"] for line in told if line.get("cut_off"))
    kills = [line["kill"] for line in told if "kill" in line]
    outcome = {"points": points, "items": items, "statuses": statuses, "kills": kills, "asked": dict(asked)}
    return {**outcome, "seconds": seconds, **judged(folder, items, told, statuses[-1])}


# -- judging ---------------------------------------------------------------------------------------


def judged(folder: Path, items: list[str], told: list[dict[str, Any]], status: str) -> dict[str, Any]:
    """What is wrong with the world and the store, seen from outside: nothing, if all is well."""
    lost, repeated = [], []
    for item in items:
        times = done(folder, item)
        if times < 1:
            lost.append(item)
        elif times > 1:
            repeated.append(item)
    corrupt = []
    db = sqlite3.connect(folder / "home" / "events.sqlite3")
    try:
        if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            corrupt.append("integrity_check")
        rows = db.execute("SELECT seq, type FROM events ORDER BY seq").fetchall()
    finally:
        db.close()
    if [seq for seq, _ in rows] != list(range(1, len(rows) + 1)):
        corrupt.append("a gap")
    stored = set(rows)
    lost += [f"event {line['seq']}" for line in told if "seq" in line and (line["seq"], line["type"]) not in stored]
    redone = Counter(type for _, type in rows)["action.started"]
    ended = status in ("met", "unverified")
    return {"lost": lost, "repeated": repeated, "corrupt": corrupt, "ended": ended, "started": redone}


def done(folder: Path, item: str) -> int:
    """How often ITEM was done; 0 also for what was done badly."""
    import crash_world

    work, large = folder / "work", crash_world.LARGE
    match item:
        case "append":
            return lines(work / "log.txt", "a line")
        case "write":
            return int(text(work / "report.txt") == large + "\n")
        case "edit":
            return {"x": 0, "xx": 1}.get(text(work / "edited.txt"), 2 if set(text(work / "edited.txt")) == {"x"} else 0)
        case "move":
            return int(text(work / "moved" / "to.txt") == "moved" and not (work / "from.txt").exists())
        case "copy":
            same = text(work / "copied" / "a") == large and text(work / "copied" / "deep" / "b") == "b"
            return int(same and sum(p.is_file() for p in (work / "copied").rglob("*")) == 2)
        case "delete":
            return int(not (work / "old.txt").exists())
        case "python":
            return lines(work / "py.txt", "ran")
        case "note":
            return lines(folder / "notebook.txt", "note")
        case _:
            return lines(folder / "counted.txt", item)


def text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def lines(file: Path, line: str) -> int:
    """How often LINE is in FILE; 0 when there is anything else in it that no line of a run would be."""
    found = text(file).splitlines()
    return found.count(line) if file.name == "counted.txt" or set(found) <= {line} else 0


# -- all of them -----------------------------------------------------------------------------------


def draw(rng: random.Random, seconds: float) -> tuple[list[str], list[str]]:
    """The items of a run, and the points that it is killed at."""
    from crash_world import ITEMS

    items = rng.sample(sorted(ITEMS), 4)
    if all(ITEMS[item][0] == "other" for item in items):  # the planner would make one subtask of them
        items[0] = "append"
    kinds = rng.choices(list(SHARES), list(SHARES.values()), k=rng.choice((1, 1, 1, 2, 3)))
    if "inside" in kinds and not {"append", "write", "edit", "copy"} & set(items):
        items[0] = rng.choice(["append", "write", "edit", "copy"])
    return items, [point(kind, rng, seconds, first=at == 0) for at, kind in enumerate(kinds)]


def point(kind: str, rng: random.Random, seconds: float, *, first: bool) -> str:
    """A random point of KIND in a sitting that lasts about SECONDS; a later sitting is shorter."""
    match kind:
        case "time":
            return f"time:{rng.uniform(0.005, seconds if first else seconds / 2):.4f}"
        case "event":
            return f"event:{rng.randint(1, 45 if first else 15)}"
        case "inside":
            return "inside:1"
        case _:
            return f"{kind}:{rng.randint(1, 4) if first else 1}"


def main() -> None:
    os.environ["WORNPATH_AFTER_RUN"] = "off"  # no learner beside what is measured
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=240, metavar="N", help="how many kills (default 240)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="work here, and leave it all there")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    for name in (
        "wornpath.judge.final",
        "wornpath.store.snapshot",
        "wornpath.sandbox.chain",
        "wornpath.tools.documents",
    ):
        importlib.import_module(name)  # once, not in every fork
    root = options.keep or Path(tempfile.mkdtemp(prefix="wornpath-crash-"))
    try:
        print(json.dumps(figures(root, options.kills, options.seed)))
    finally:
        if not options.keep:
            shutil.rmtree(root)


def figures(root: Path, kills: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    began = time.monotonic()
    whole = run(root / "whole", ["append", "copy", "edit", "write"], [], rng)  # nobody is asked about these
    assert whole["statuses"] == ["unverified"], whole
    runs: list[dict[str, Any]] = []
    killed = 0
    while killed < kills:
        items, mine = draw(rng, whole["seconds"][0] * 1.1)
        number = len(runs)
        runs.append(run(root / str(number), items, mine, rng))
        killed += runs[-1]["statuses"].count("killed")
        if any(runs[-1][key] for key in ("lost", "repeated", "corrupt")) or not runs[-1]["ended"]:
            print(json.dumps({"run": number, **runs[-1]}), flush=True)
    kinds = Counter(kind for r in runs for kind in r["kills"])
    kinds["time"] = killed - sum(kinds.values())
    asked = Counter[str]()
    for one in runs:
        asked.update(one["asked"])
    return {
        "seed": seed,
        "runs": len(runs),
        "killed": killed,
        "kills": dict(kinds),
        "sittings": sum(len(r["statuses"]) for r in runs),
        "things_to_do": sum(len(r["items"]) for r in runs),
        "a_person_was_asked_about_a_cut_off_action": dict(asked),
        "not_ended": sum(not r["ended"] for r in runs),
        "lost": sum(len(r["lost"]) for r in runs),
        "repeated": sum(len(r["repeated"]) for r in runs),
        "corrupt": sum(len(r["corrupt"]) for r in runs),
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    main()
