"""What the server bears: many readers of the stream while many runs work. Prints one JSON object, on the last line.

    python benchmarks/serve_load.py [--readers 200] [--runs 50] [--model-seconds 0.2] [--repeat 3]

Three processes: an endpoint that answers each request after MODEL-SECONDS, `wornpath serve --jobs RUNS`, and this one with its READERS.
All runs are handed in at once. The latency of an event is the time from its time stamp, which is taken before it is committed, until a
reader has it. `one run each`: the readers are shared out over the runs. `everything`: every reader gets the events of all runs.
`mib_per_reader` is what idle readers add to the server's resident memory; `mib_slow_reader` what one adds that asked for
everything from the beginning, and does not read, while as much is written again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

OUTPUTS = ("north.txt", "east.txt", "south.txt", "west.txt", "middle.txt")
GOAL = f"Write a line about the region into each of {', '.join(OUTPUTS)}"
_STAMP = re.compile(rb'"seq":(\d+),"run_id":"[^"]*","time":([0-9.]+)')

# -- the endpoint ----------------------------------------------------------------------------------


def answer(body: dict[str, Any]) -> str:
    """A model that does what is asked for, at once and right."""
    system, text = body["messages"][0]["content"], body["messages"][-1]["content"]
    if system.startswith("You plan"):
        subtasks = [{"do": f"Write {name}", "kind": "write", "output": name, "has": []} for name in OUTPUTS]
        return json.dumps({"subtasks": subtasks})
    if "Choose the next tool call" in system:
        named = re.findall(r"^Now: .* -> (\S+)$", text, re.M)
        return json.dumps({"tool": "write_file", "arguments": {"path": named[0] if named else "north.txt"}})
    if "verdict" in system or "met" in system:
        return '{"reason": "all is there", "met": true, "verdict": "met"}'
    return "The region is as it was, and nobody complained about it this quarter.\n"


async def endpoint(seconds: float) -> None:
    """Answer Chat Completions on the loopback for ever; the first line on stdout is the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head.lower())
                body = json.loads(await reader.readexactly(int(length.group(1)))) if length else {}
                await asyncio.sleep(seconds)
                writer.write(response(body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 22, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def response(body: dict[str, Any]) -> bytes:
    text = answer(body) if body else ""
    usage = {"prompt_tokens": 500, "completion_tokens": 40, "total_tokens": 540}
    if body.get("stream"):
        delta: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": {"content": w + " "}}]} for w in text.split(" ")
        ]
        delta += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": usage}]
        data = b"".join(b"data: %b\n\n" % json.dumps(d).encode() for d in delta) + b"data: [DONE]\n\n"
        return http(data, b"text/event-stream")
    message = {"role": "assistant", "content": text}
    choices = [{"index": i, "message": message, "finish_reason": "stop"} for i in range(body.get("n", 1))]
    return http(
        json.dumps({"id": "c", "model": "load", "choices": choices, "usage": usage}).encode(), b"application/json"
    )


def http(data: bytes, kind: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (kind, len(data), data)


# -- the readers -----------------------------------------------------------------------------------


class Reader:
    """One connection to the stream, on bare asyncio: 200 of them must cost less than what they measure."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.events = self.bytes = 0
        self.last = 0

    async def open(self, base: str, token: str, query: str) -> None:
        host, port = base.removeprefix("http://").split(":")
        self.reader, self.writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
        path = f"/api/v1/events{query}"
        self.writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n".encode())
        head = await self.reader.readuntil(b"retry: 1000\n\n")
        assert b" 200 " in head, head

    async def follow(self) -> None:
        """Take events until cancelled."""
        rest = b""
        while data := await self.reader.read(1 << 20):
            now = time.time()
            self.bytes += len(data)
            rest += data
            end = rest.rfind(b"\n")
            for seq, stamp in _STAMP.findall(rest[:end]):
                self.latencies.append(now - float(stamp))
                self.last = int(seq)
                self.events += 1
            rest = rest[end:]


def quantile(values: list[float], q: float) -> float | None:
    return round(1000 * sorted(values)[min(len(values) - 1, int(q * len(values)))], 1) if values else None


# -- the server ------------------------------------------------------------------------------------


class Served:
    """`wornpath serve` as a process of its own."""

    def __init__(self, home: Path, port: int, jobs: int) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("WORNPATH_", "OPENAI_"))}
        environment |= {
            "WORNPATH_HOME": str(home),
            "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "OPENAI_API_KEY": "sk-load",
            "WORNPATH_MODEL": "load",
            "WORNPATH_AFTER_RUN": "off",
        }
        command = [sys.executable, "-m", "wornpath", "serve", "--port", "0", "--jobs", str(jobs)]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.base, _, self.token = self.process.stdout.readline().strip().partition("/?token=")
        self.http = httpx2.AsyncClient(
            base_url=f"{self.base}/api/v1",
            headers={"authorization": f"Bearer {self.token}"},
            timeout=120,
            trust_env=False,
        )

    def mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def over(self, runs: list[str]) -> int:
        """Wait until the RUNS have ended; the store's last event."""
        while True:
            listed = (await self.http.get("/runs", params={"limit": 500})).json()["runs"]
            if all(row["status"] not in ("queued", "running") for row in listed if row["run_id"] in runs):
                return int((await self.http.get("/info")).json()["last_seq"])
            await asyncio.sleep(0.2)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


async def load(served: Served, readers: int, runs: int, *, each: bool) -> dict[str, Any]:
    """RUNS handed in at once, with READERS: of one run EACH, or of everything."""
    cpu, begun = served.cpu(), time.perf_counter()
    made = await asyncio.gather(*(served.http.post("/runs", json={"goal": GOAL, "seed": n}) for n in range(runs)))
    ids = [answer.json()["run_id"] for answer in made]
    reading = [Reader() for _ in range(readers)]
    queries = [f"?run={ids[n % runs]}" if each else "" for n in range(readers)]
    await asyncio.gather(*(one.open(served.base, served.token, q) for one, q in zip(reading, queries, strict=True)))
    tasks = [asyncio.create_task(one.follow()) for one in reading]
    end = await served.over(ids)
    seconds = time.perf_counter() - begun
    while not each and any(one.last < end for one in reading):  # noqa: ASYNC110 - they are polled, to cost them nothing
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for one in reading:
        one.writer.close()
    latencies = [value for one in reading for value in one.latencies]
    return {
        "seconds": round(seconds, 2),
        "events_delivered": sum(one.events for one in reading),
        "mib_delivered": round(sum(one.bytes for one in reading) / 2**20, 1),
        "latency_p50_ms": quantile(latencies, 0.5),
        "latency_p99_ms": quantile(latencies, 0.99),
        "latency_max_ms": quantile(latencies, 1.0),
        "server_cpu_seconds": round(served.cpu() - cpu, 2),
    }


async def memory(served: Served, readers: int, runs: int) -> dict[str, float]:
    """What idle readers cost the server, and one that asks for everything and reads nothing."""
    before = served.mib()
    idle = [Reader() for _ in range(readers)]
    await asyncio.gather(*(one.open(served.base, served.token, "") for one in idle))
    with_readers = served.mib()
    for one in idle:
        one.writer.close()
    await asyncio.sleep(1.0)
    calm = served.mib()
    slow = Reader()
    await slow.open(served.base, served.token, "?after=0")
    await load(served, 1, runs, each=False)
    grown = served.mib() - calm
    slow.writer.close()
    return {"mib_per_reader": round((with_readers - before) / readers, 4), "mib_slow_reader": round(grown, 1)}


async def measure(readers: int, runs: int, model_seconds: float, repeat: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--endpoint", str(model_seconds)]
    with tempfile.TemporaryDirectory() as home, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as model:  # noqa: ASYNC220
        assert model.stdout is not None
        served = Served(Path(home), int(model.stdout.readline()), runs)
        try:
            await load(served, 1, runs, each=False)  # what is loaded at first use is loaded
            kept = await memory(served, readers, runs)
            one = [await load(served, readers, runs, each=True) for _ in range(repeat)]
            every = [await load(served, readers, runs, each=False) for _ in range(repeat)]
            none = [await load(served, 0, runs, each=False) for _ in range(repeat)]
        finally:
            await served.http.aclose()
            served.stop()
            model.terminate()
    return {
        "readers": readers,
        "runs": runs,
        "model_seconds": model_seconds,
        "load_average": [round(x, 1) for x in os.getloadavg()],
        "one_run_each": median(one),
        "everything": median(every),
        "no_readers": median(none),
        **kept,
    }


def median(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: statistics.median(row[name] for row in rows) for name in rows[0] if rows[0][name] is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--model-seconds", type=float, default=0.2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--endpoint", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.endpoint is not None:
        asyncio.run(endpoint(given.endpoint))
        return
    figures = asyncio.run(measure(given.readers, given.runs, given.model_seconds, given.repeat))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
