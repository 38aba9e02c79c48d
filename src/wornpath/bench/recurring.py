"""Recurring work: does the agent get better and cheaper at tasks that come again, each time a little different?

Every arm works through the same stream: the families interleaved, a fresh draw at every episode. What counts is success, and all tokens of
the language model for each goal met, late in the stream.
"""

from __future__ import annotations

import multiprocessing as mp
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from wornpath.bench.arms import ARMS, Algorithm
from wornpath.bench.stream import Record, Spec, run_all
from wornpath.core import ModelUnavailable

Take = Callable[[Record], None]
MEASURED = {"success": "met", "llm_tokens": "tokens", "llm_calls": "calls", "skipped_llm_calls": "skipped"}
MAX_JOBS = 2


def recurring(
    *,
    families: str = "wornpath.bench.families",
    only: Sequence[str] = (),
    model: str = "simulated",
    algorithm: Algorithm = "dqn",
    episodes: int = 50,
    seeds: Sequence[int] = (0,),
    arms: Sequence[str] = tuple(ARMS),
    rated: bool = False,
    jobs: int = 1,
    take: Take = lambda record: None,
) -> dict[str, Any]:
    """All ARMS on all SEEDS, JOBS streams at a time (at most 2); TAKE gets every record as it comes. With RATED the agent gets no checks
    and hears after each run what they say. The result is `summary`'s."""
    one = Spec("", 0, episodes, families, tuple(only), model, algorithm, rated=rated)
    specs = [replace(one, arm=arm, seed=seed) for seed in seeds for arm in arms]
    records: list[Record] = []

    def keep(record: Record) -> None:
        records.append(record)
        take(record)

    run_specs(specs, keep, jobs)
    return summary(records)


def run_specs(specs: Iterable[Spec], take: Take, jobs: int = 1) -> None:
    """Run the streams of SPECS, JOBS of them at a time, each in a process of its own when there are several."""
    jobs = min(jobs, MAX_JOBS)
    if jobs <= 1:
        for spec in specs:
            run_all(spec, take)
        return
    waiting, running = deque(specs), list[_Stream]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_Stream(waiting.popleft()))
            wait([end for stream in running for end in (stream.said, stream.process.sentinel)])
            for stream in list(running):
                if not stream.hear(take):
                    running.remove(stream)
                    stream.close()
                    if stream.error:
                        raise ModelUnavailable(stream.error)
    finally:
        for stream in running:
            stream.process.join(3)  # Ctrl-C reached it too: let it tidy up
            stream.process.terminate()
            stream.process.join()
        for stream in running:
            stream.hear(take)
            stream.close()


class _Stream:
    """The stream of SPEC in a process of its own, which sends its records, and at its end what went wrong or nothing."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.error = ""
        context = mp.get_context("spawn")
        self.said, says = context.Pipe(duplex=False)
        self.process: BaseProcess = context.Process(target=_work, args=(spec, says))
        self.process.start()
        says.close()

    def hear(self, take: Take) -> bool:
        """Give TAKE the records that were sent; whether more may come. `error` says why not, where the end was early."""
        alive = self.process.is_alive()
        for item in self._sent():
            if not isinstance(item, Record):
                self.error = item
                return False
            take(item)
        if not alive:
            self.error = (
                f"The process of the arm {self.spec.arm} on seed {self.spec.seed} ended without a word (exit code {self.process.exitcode}),"
                " maybe killed for want of memory; repeat the command, which goes on from the episodes in its file."
            )
        return alive

    def _sent(self) -> Iterator[Any]:
        """What was sent and not heard yet; one that was killed may have left half an item."""
        with suppress(EOFError, OSError):
            while self.said.poll():
                yield self.said.recv()

    def close(self) -> None:
        self.process.join()
        self.said.close()


def _work(spec: Spec, says: Any) -> None:
    """A stream in a process of its own. It says that it ended, unless it is killed."""
    error = ""
    try:
        run_all(spec, says.send)
    except KeyboardInterrupt:
        error = "The benchmark was interrupted."
    except Exception as problem:
        error = f"The stream of the arm {spec.arm} on seed {spec.seed} ended early: {problem or type(problem).__name__}"
    says.send(error)


def summary(records: Iterable[Record]) -> dict[str, Any]:
    """ARM → `success`, `llm_tokens`, `llm_calls`, `skipped_llm_calls`: a list a seed of values an episode, in the stream's order; and
    `families`, name → the same."""
    out: dict[str, Any] = {}
    for record in records:
        arm = out.setdefault(record.arm, {**_empty(), "families": {}})
        for row in (arm, arm["families"].setdefault(record.family, _empty())):
            for name, source in MEASURED.items():
                row[name].setdefault(record.seed, []).append(int(getattr(record, source)))
    for arm in out.values():
        for row in (arm, *arm["families"].values()):
            for name in MEASURED:
                row[name] = list(row[name].values())
    return out


def _empty() -> dict[str, Any]:
    return {name: {} for name in MEASURED}
