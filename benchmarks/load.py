"""Many episodes at once in one process, against an endpoint that fails now and then: does memory stay flat, is every run and call accounted
for? The last line is JSON.

    python benchmarks/load.py [--seconds 600] [--episodes 100] [--faults 0.05] [--latency 1.0] [--samples FILE]

A server in a process of its own plays the model. A share of its answers are faults, in equal parts: no answer (the client's time-out
ends it), 429, 500, an answer that is no chat completion, a connection that breaks off in the middle of the answer; and as many again
are whole answers with nonsense in them. It counts what it was asked. As soon as a run ends, its place is taken by a new one until the time
is up. Each run reads, writes, appends to and edits files in a workspace of its own; one in 50 runs Python in the sandbox.

`rss_mib_per_minute` is the slope of a line through the process's memory, sampled each second, after the first quarter of the time. Of
the C library's allocator, `malloc_used_mib` is what the program holds, and `malloc_free_mib` what it gave back and the allocator keeps
between things that are held: a leak would be in the first, and in `python_blocks`, the number of Python's own pieces of memory.
Accounted for means: every run that was begun ended with a result, and the store says the same; the answers that the
events tell of are as many as the server gave, and the requests as many as it got, and those that broke off before they arrived.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import ctypes
import gc
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wornpath.store import SqliteStore

FAULTS = ("hang", "429", "500", "garbage", "cut")
TIMEOUT = 5.0
STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("look", {"number": 0}),
    ("look", {"number": 1}),
    ("write_file", {"path": "draft.txt"}),
    ("look", {"number": 2}),
    ("append_file", {"path": "log.txt"}),
    ("edit_file", {"path": "draft.txt", "old": "first", "new": "second"}),
    ("look", {"number": 3}),
    ("write_file", {"path": "report.txt"}),
)
CODE = 50
"""One run in so many computes with Python instead of writing its draft."""


# -- the server ------------------------------------------------------------------------------------


def answer(body: dict[str, Any]) -> str:
    """What a model says that goes through STEPS; the last step is in the prompt."""
    system, text = body["messages"][0]["content"], body["messages"][-1]["content"]
    if system.startswith("You plan"):
        kind = "code" if "compute" in text else "write"
        plan = [{"do": "Look at the numbers and report on them", "kind": kind, "output": "", "has": []}]
        return json.dumps({"subtasks": plan})
    if "Choose the next tool call" not in system:
        verdict = '{"reason": "nothing is missing", "met": true}'
        written = "print(sum(range(10)))" if "Python" in system else "the first line\n"
        return verdict if "met" in json.dumps(body.get("response_format", "")) else written
    last = re.search(r"^Last: (\w+)\((.*?)\) -> ", text, re.M)
    done = [at for at, (name, arguments) in enumerate(STEPS) if last and same(last, name, arguments)]
    following = done[-1] + 1 if done else 3 if last and last[1] == "python" else 0
    if following == len(STEPS):
        return '{"tool": "finish", "arguments": {}}'
    name, arguments = STEPS[following]
    if following == 2 and "compute" in text:
        name, arguments = "python", {}
    return json.dumps({"tool": name, "arguments": arguments})


def same(last: re.Match[str], name: str, arguments: dict[str, Any]) -> bool:
    """Whether the LAST step, as prompts show it, is the call of NAME with ARGUMENTS."""
    return last[1] == name and all(str(value)[:20] in last[2] for value in arguments.values())


class Server:
    """Counts what it is asked and what it gives."""

    def __init__(self, faults: float, latency: float) -> None:
        self.faults, self.latency, self.rng = faults, latency, random.Random(0)
        self.asked, self.given = 0, 0
        self.kinds: collections.Counter[str] = collections.Counter()

    def respond(self, connection: Connection, raw: bytes) -> None:
        self.asked += 1
        kind = self.rng.choice(FAULTS) if self.rng.random() < self.faults else ""
        nonsense = not kind and self.rng.random() < self.faults
        self.kinds[kind or ("nonsense" if nonsense else "good")] += 1
        if kind == "hang":
            return
        body = json.loads(raw)
        text = "I am not sure." if nonsense else answer(body)
        later = asyncio.get_running_loop().call_later
        later(self.latency * self.rng.uniform(0.5, 1.5), self.send, connection, kind, text, body.get("n", 1))

    def send(self, connection: Connection, kind: str, text: str, n: int) -> None:
        if connection.transport.is_closing():
            self.kinds["gone"] += 1
            return
        if kind in ("429", "500"):
            head = "retry-after-ms: 50\r\n" if kind == "429" else ""
            out = b'{"error": {"message": "not now"}}'
            connection.transport.write(http(int(kind), out, head) + out)
            return
        out = b"<html>busy</html>" if kind == "garbage" else completion(text, n)
        whole = http(200, out) + out
        if kind == "cut":
            connection.transport.write(whole[: len(whole) // 2])
            connection.transport.close()
            return
        self.given += kind == ""
        connection.transport.write(whole)


def completion(text: str, n: int) -> bytes:
    message = {"role": "assistant", "content": text}
    choices = [{"index": at, "message": message, "finish_reason": "stop"} for at in range(n)]
    usage = {"prompt_tokens": 600, "completion_tokens": 42, "total_tokens": 642}
    return json.dumps(
        {"id": "c", "object": "chat.completion", "model": "mock", "choices": choices, "usage": usage}
    ).encode()


def http(status: int, body: bytes, more: str = "") -> bytes:
    kind = "content-type: application/json\r\n"
    return f"HTTP/1.1 {status} X\r\n{kind}{more}content-length: {len(body)}\r\n\r\n".encode()


class Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self.server, self.buffer = server, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            if head.startswith(b"get "):  # the benchmark asks for the counts
                out = json.dumps({"asked": self.server.asked, "given": self.server.given, **self.server.kinds}).encode()
                self.buffer = self.buffer[end + 4 :]
                self.transport.write(http(200, out) + out)
                continue
            length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
            if len(self.buffer) < end + 4 + length:
                return
            raw, self.buffer = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
            self.server.respond(self, raw)


async def serve(faults: float, latency: float) -> None:
    server = Server(faults, latency)
    made = await asyncio.get_running_loop().create_server(lambda: Connection(server), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}/v1", flush=True)
    await made.serve_forever()


# -- the runs --------------------------------------------------------------------------------------


async def episode(number: int, place: int, folder: Path, store: SqliteStore, base_url: str, learn: bool) -> Any:
    """One run from its beginning to its end, as a program would do it."""
    from wornpath import AutoGPT, WornpathError, tool
    from wornpath.guard import Limits
    from wornpath.llm import OpenAIChat

    @tool
    def look(number: int) -> str:
        """Look at a number."""
        return f"The number {number} is in the list, as it should be."

    work = folder / f"work{place}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    model = OpenAIChat("mock", base_url=base_url, api_key="none", timeout=TIMEOUT, backoff=0.1)
    how = "compute and report" if number % CODE == 0 else "report"
    agent = AutoGPT(
        f"Look at the numbers of place {place} and {how} on them in report.txt",
        workspace=work,
        store=store,
        model=model,
        tools=[look],
        limits=Limits(max_steps=20),
        learn=learn,
    )
    try:
        return (await agent.arun()).result
    except WornpathError:
        return agent.store.run(agent.run_id)
    finally:
        await model.aclose()


async def keep_busy(
    place: int, folder: Path, store: SqliteStore, base_url: str, until: float, learn: bool
) -> list[Any]:
    """One run after another in PLACE, until the time is up; their ids and statuses."""
    done: list[Any] = []
    await asyncio.sleep(place * 0.02)
    while time.monotonic() < until:
        result = await episode(len(done) * 100 + place, place, folder, store, base_url, learn)
        done.append((result.run_id, result.status))
    return done


def resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


MALLINFO = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _Mallinfo(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_size_t) for name in MALLINFO)


def allocated() -> dict[str, float]:
    """What is held: of the C library's memory (where it tells: glibc), and Python's own pieces."""
    out: dict[str, float] = {"python_blocks": sys.getallocatedblocks()}
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is not None:
        mallinfo.restype = _Mallinfo
        found = mallinfo()
        out |= {"malloc_used_mib": (found.uordblks + found.hblkhd) / 2**20, "malloc_free_mib": found.fordblks / 2**20}
    return out


def sampled(samples: list[dict[str, float]], began: float, stop: threading.Event) -> None:
    """A sample a second, from a thread of its own."""
    while not stop.wait(1.0):
        fds = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        at = time.monotonic() - began
        sample = {"t": round(at, 1), "rss_mib": resident(), "fds": fds, "threads": threading.active_count()}
        samples.append(sample | allocated())


def slope(samples: list[dict[str, float]], name: str) -> float:
    """Of the line through NAME over time, per minute."""
    if len(samples) < 3:
        return 0.0
    line = statistics.linear_regression([s["t"] for s in samples], [s[name] for s in samples])
    return line.slope * 60


async def load(folder: Path, base_url: str, options: argparse.Namespace) -> dict[str, Any]:
    from wornpath.store import SqliteStore

    samples: list[dict[str, float]] = []
    began, cpu, stop = time.monotonic(), time.process_time(), threading.Event()
    watcher = threading.Thread(target=sampled, args=(samples, began, stop), daemon=True)
    watcher.start()
    with SqliteStore(folder / "home") as store:
        until = began + options.seconds
        busy = [keep_busy(p, folder, store, base_url, until, options.learn) for p in range(options.episodes)]
        done = [run for runs in await asyncio.gather(*busy) for run in runs]
        stop.set()
        watcher.join()
        out = {"seconds": round(time.monotonic() - began, 1), "cpu_s": round(time.process_time() - cpu, 1)}
        gc.collect()
        out |= memory(samples) | {"rss_mib_when_all_ended": round(resident(), 1)}
        out |= accounted(store, dict(done), await counts(base_url))
    if options.samples:
        options.samples.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    return out


def memory(samples: list[dict[str, float]]) -> dict[str, Any]:
    settled = samples[len(samples) // 4 :]
    fifth = max(1, len(settled) // 5)
    out = {"rss_mib_per_minute": round(slope(settled, "rss_mib"), 3)}
    seen = [n for n in ("malloc_used_mib", "malloc_free_mib", "python_blocks") if n in settled[0]]
    out |= {f"{name}_per_minute": round(slope(settled, name), 3) for name in seen}
    for name, part in (("early", settled[:fifth]), ("late", settled[-fifth:])):
        for what in ("rss_mib", "fds", *seen):
            out[f"{what}_{name}"] = round(statistics.median(s[what] for s in part), 1)
    return out | {"threads_most": max(s["threads"] for s in samples)}


def accounted(store: SqliteStore, done: dict[str, str], server: dict[str, int]) -> dict[str, Any]:
    """What the runs, the store and the server say, side by side."""
    calls = tries = failed = events = 0
    for event in store.events():
        events += 1
        if event.type == "model.called":
            tries += event.data["tries"]
            failed += "error" in event.data
            calls += 0 if "error" in event.data else event.data["usage"]["calls"]
    runs = {info.run_id: info for info in store.runs()}
    ended = {run: info.result["status"] for run, info in runs.items() if info.result}
    return {
        "runs": len(done),
        "statuses": dict(collections.Counter(done.values())),
        "steps": sum(info.steps for info in runs.values()),
        "events": events,
        "runs_without_a_result": len(runs.keys() - ended.keys()),
        "runs_that_the_store_tells_otherwise": sum(ended.get(run) != status for run, status in done.items()),
        "runs_that_only_the_store_knows": len(runs.keys() - done.keys()),
        "requests_in_events": tries,
        "requests_at_server": server["asked"],
        "answers_in_events": calls,
        "answers_at_server": server["given"],
        "calls_given_up": failed,
        "server": server,
    }


async def counts(base_url: str) -> dict[str, int]:
    host = re.search(r"//([\d.]+):(\d+)", base_url)
    assert host is not None
    reader, writer = await asyncio.open_connection(host[1], int(host[2]))
    writer.write(b"GET /counts HTTP/1.1\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
    found: dict[str, int] = json.loads(await reader.readexactly(length))
    writer.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--episodes", type=int, default=100, help="how many at once")
    parser.add_argument("--faults", type=float, default=0.05, help="the share of answers that fail")
    parser.add_argument("--latency", type=float, default=1.0, metavar="S", help="what an answer takes, on average")
    parser.add_argument("--learn", action="store_true", help="let the runs be learnt from")
    parser.add_argument("--samples", type=Path, metavar="FILE", help="where to write the samples of memory")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.faults, options.latency))
        return
    command = [sys.executable, __file__, "--serve", "--faults", str(options.faults), "--latency", str(options.latency)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            given = {name: getattr(options, name) for name in ("episodes", "faults", "latency", "learn")}
            found = asyncio.run(load(Path(folder), server.stdout.readline().strip(), options))
        print(json.dumps(given | found))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
