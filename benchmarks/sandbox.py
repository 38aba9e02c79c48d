"""What the sandbox costs, by layer: starting a command, starting a kernel, running a cell, replacing a kernel. Prints one JSON object.

    python benchmarks/sandbox.py [--rounds 30]

`none` is the same supervisor without confinement, `plain` a bare subprocess. Milliseconds, medians; `cpu` is the processor time of this
process and its children per command.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from wornpath.sandbox import BubblewrapSandbox, LandlockSandbox, UnsandboxedSandbox
from wornpath.sandbox.protocol import Sandbox


def median_ms(work: Callable[[], object], rounds: int) -> float:
    work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return round(1000 * statistics.median(times), 2)


def processor() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def of(sandbox: Sandbox, folder: Path, rounds: int) -> dict[str, float]:
    def command() -> None:
        assert asyncio.run(sandbox.run(["true"], workspace=folder)).exit_code == 0

    def start() -> None:
        kernel = sandbox.kernel(workspace=folder)
        asyncio.run(kernel.run("1", timeout=30))
        asyncio.run(kernel.close())

    async def cells() -> float:
        kernel = sandbox.kernel(workspace=folder)
        times = []
        for _ in range(200 + 1):
            began = time.perf_counter()
            await kernel.run("x = 1", timeout=30)
            times.append(time.perf_counter() - began)
        await kernel.close()
        return round(1000 * statistics.median(times[1:]), 3)

    async def replaced() -> float:
        kernel = sandbox.kernel(workspace=folder)
        times = []
        for _ in range(rounds):
            assert (await kernel.run("import os; os._exit(1)", timeout=30)).died
            began = time.perf_counter()
            assert (await kernel.run("1", timeout=30)).value == "1"
            times.append(time.perf_counter() - began)
        await kernel.close()
        return round(1000 * statistics.median(times), 2)

    before = processor()
    launched = median_ms(command, rounds)
    return {
        "command_ms": launched,
        "command_cpu_ms": round(1000 * (processor() - before) / (rounds + 1), 2),
        "kernel_start_and_end_ms": median_ms(start, rounds),
        "cell_ms": asyncio.run(cells()),
        "kernel_replaced_ms": asyncio.run(replaced()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    layers: list[Sandbox] = [
        BubblewrapSandbox(),
        BubblewrapSandbox(with_landlock=False),
        LandlockSandbox(),
        UnsandboxedSandbox(),
    ]
    out: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Linux {platform.release()}",
        "uid": os.getuid(),
        "rounds": rounds,
        "load_before": round(os.getloadavg()[0], 2),
    }
    with tempfile.TemporaryDirectory() as name:
        out["plain"] = {"command_ms": median_ms(lambda: subprocess.run(["true"], check=True), rounds)}
        for sandbox in layers:
            out[sandbox.name] = sandbox.missing() or of(sandbox, Path(name), rounds)
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
