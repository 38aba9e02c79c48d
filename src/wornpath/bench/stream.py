"""One arm on one stream of tasks: families interleaved, a fresh draw at every episode, the same draws for every arm of a seed."""

from __future__ import annotations

import asyncio
import importlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wornpath.bench.arms import ARMS, Algorithm, Contender, Setting
from wornpath.bench.rated import Rater
from wornpath.bench.warm import WarmSandbox
from wornpath.core import ModelUnavailable, Result, SandboxUnavailable, Task, UsageError, WornpathError
from wornpath.guard.limits import Limits
from wornpath.llm.chat import Chat
from wornpath.llm.simulated.chance import uniform
from wornpath.store import SqliteStore
from wornpath.store.runs import RunInfo

Families = Mapping[str, Callable[[int], Task]]
TEST = 1_000_000
"""From this seed on draws have names, layouts and wordings that no training draw has."""
SEED_STEP = 10_000
"""Draws of one seed of the benchmark lie so far from those of the next."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One stream: ARM on the seed SEED for EPISODES episodes of each family of the module FAMILIES."""

    arm: str
    seed: int
    episodes: int
    families: str = "wornpath.bench.families"
    only: tuple[str, ...] = ()
    """Of the module's families, these; all where it is empty."""
    model: str = "simulated"
    algorithm: Algorithm = "dqn"
    home: str = ""
    """Where the arm's memory is kept; a temporary folder where it is empty."""
    start: int = 0
    """So many episodes, of all families, are done already; what HOME has learnt of later ones is taken back."""
    leave_out: tuple[int, int] = (0, 0)
    """A family's episodes from the first to before the second are not done: an arm that learns nothing does not miss them."""
    late: tuple[str, ...] = ()
    """These families come when all episodes of the others are done: what was learnt of others, is it worth anything here?"""
    max_steps: int = 0
    """An episode ends unmet after so many steps; 0: where the agent's own limit is."""
    drift: int = 0
    """From this episode on, if not 0, the draws are test draws: all is called, laid out and worded in other ways than before."""
    rated: bool = False
    """The agent gets no checks; a person who knows them rates each run when it is over."""

    @property
    def length(self) -> int:
        """Episodes of each family."""
        return self.episodes - max(0, min(self.leave_out[1], self.episodes) - self.leave_out[0])


@dataclass(frozen=True, slots=True)
class Record:
    """One episode. `tokens` are all of the model's, prompt and completion; `skipped` the calls that memory saved."""

    arm: str
    seed: int
    family: str
    episode: int
    met: bool
    status: str
    tokens: int
    calls: int
    skipped: int
    steps: int
    cpu_s: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def families(module: str) -> Families:
    """FAMILIES of MODULE, a dotted name or a Python file. Raises UsageError where there is none."""
    try:
        if module.endswith(".py"):
            path = Path(module)
            sys.path.insert(0, str(path.resolve().parent))
            module = path.stem
        found = importlib.import_module(module).FAMILIES
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{module} is no module with FAMILIES: {error}.") from None
    return dict(found)


def order(spec: Spec, names: list[str]) -> Iterator[tuple[str, int]]:
    """(family, episode) in the order of the stream: every family once, shuffled, then again; the late ones after the others."""
    rng = random.Random(f"order:{spec.seed}")
    for group in ([n for n in names if n not in spec.late], [n for n in names if n in spec.late]):
        for episode in range(spec.episodes):
            yield from ((name, episode) for name in rng.sample(group, len(group)))


def drawn(spec: Spec, names: list[str]) -> list[tuple[int, str, int]]:
    """(number, family, episode) of what the stream has to do, in its order."""
    left = range(*spec.leave_out)
    return [(n, family, e) for n, (family, e) in enumerate(order(spec, names)) if e not in left]


async def run(spec: Spec) -> AsyncIterator[Record]:
    """The stream's episodes, one after another."""
    made = families(spec.families)
    names = list(spec.only or made)
    if unknown := [name for name in names if name not in made]:
        raise UsageError(f"There is no family {', '.join(unknown)}; there are {', '.join(made)}.")
    async with AsyncExitStack() as stack:
        if spec.model == "simulated":
            place: Place = WarmPlace(await stack.enter_async_context(WarmSandbox()))
            stack.enter_context(place.sandbox.temporary())  # type: ignore[attr-defined]
        else:
            place = Place()
        home = Path(spec.home) if spec.home else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        home.mkdir(parents=True, exist_ok=True)
        contender = ARMS[spec.arm](Setting(home, spec.algorithm, spec.seed))
        chats = Chats(spec.model)
        stack.push_async_callback(chats.aclose)
        todo = drawn(spec, names)[spec.start :]
        if todo:
            _take_back(contender, home, _run_id(spec, todo[0][0]), spec.start)
        for number, family, episode in todo:
            drifted = TEST if spec.drift and episode >= spec.drift else 0
            task = made[family](drifted + spec.seed * SEED_STEP + episode)
            chat = chats.of(f"{spec.seed}:{family}:{episode}")
            yield await _episode(spec, family, episode, task, chat, contender, place, home, _run_id(spec, number))


def _run_id(spec: Spec, number: int) -> str:
    """The id of the run number NUMBER, known beforehand: it draws lots. Ids sort as the runs do."""
    return f"20260101-{number:06d}-{int(uniform(spec.seed, number) * 36**4):06d}"


def _take_back(contender: Contender, home: Path, run_id: str, done: int) -> None:
    """Leave HOME as it was before RUN_ID, after DONE episodes. Runs from there on were cut off, or their records were lost; they are done
    again, and none may be solved from its own memory."""
    folder = home / "store"
    if not contender.keeps:
        shutil.rmtree(folder, ignore_errors=True)
    with SqliteStore(folder) as store:
        contender.take_back(store, run_id, done)
        for note in store.notes(everything=True):
            if note.run_id >= run_id:
                store.remove_note(note.id)
        for run in store.runs():
            if run.run_id >= run_id:
                store.remove(run.run_id)


async def _episode(
    spec: Spec,
    family: str,
    episode: int,
    task: Task,
    chat: Chat,
    contender: Contender,
    place: Place,
    home: Path,
    run_id: str,
) -> Record:
    began = time.process_time()
    workspace = place.workspace()
    task.write(workspace)
    rater = Rater.of(task, workspace) if spec.rated else None
    folder = home / "store"
    if not contender.keeps:
        shutil.rmtree(folder, ignore_errors=True)
    with SqliteStore(folder) as store:
        limits = Limits(max_steps=spec.max_steps) if spec.max_steps else None
        seed = spec.seed * SEED_STEP + episode
        given = rater.given if rater else task
        agent = contender.agent(given, workspace, chat, store, seed=seed, run_id=run_id, limits=limits)
        place.give(agent)
        spent: Result | RunInfo
        try:
            done = await agent.arun()
        except (ModelUnavailable, SandboxUnavailable):
            raise  # says nothing about the model's work
        except WornpathError:
            met, status, spent = False, "error", _recorded(store, run_id)
        else:
            if rater:
                done = await rater.rate(agent, done)
            contender.learn(agent, done)
            met, status, spent = done.met, str(done.result.status), done.result
        served = contender.served()
    return Record(
        spec.arm,
        spec.seed,
        family,
        episode,
        met,
        status,
        sum(spent.tokens.values()),
        spent.llm_calls - served,
        spent.skipped_llm_calls + served,
        spent.steps,
        round(time.process_time() - began, 4),
    )


def _recorded(store: SqliteStore, run_id: str) -> RunInfo:
    """What RUN_ID took until it broke off, as its events tell."""
    return next((run for run in store.runs(limit=1) if run.run_id == run_id), RunInfo(run_id))


class Place:
    """Where episodes happen: a temporary folder each, in the machine's own sandbox."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def workspace(self) -> Path:
        if self._folder is not None:
            self._folder.cleanup()
        self._folder = tempfile.TemporaryDirectory(prefix="wornpath-bench-")
        return Path(self._folder.name).resolve()

    def give(self, agent: Any) -> None:
        pass


class WarmPlace(Place):
    """The same folder again and again, in a warm sandbox."""

    def __init__(self, sandbox: WarmSandbox) -> None:
        super().__init__()
        self.sandbox = sandbox

    def workspace(self) -> Path:
        return self.sandbox.fresh()

    def give(self, agent: Any) -> None:
        agent.sandbox = self.sandbox


class Chats:
    """The model of each episode: one for all, or a simulated one that meets each draw with the same luck whatever the arm."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._chat: Chat | None = None

    def of(self, key: str) -> Chat:
        if self.name == "simulated":
            from wornpath.llm.simulated import SimulatedChat

            return SimulatedChat(int(uniform(key) * 2**32))
        if self._chat is None:
            from wornpath.llm import resolve

            self._chat = resolve(self.name, assume_yes=True)
        return self._chat

    async def aclose(self) -> None:
        if self._chat is not None:
            await self._chat.aclose()


def run_all(spec: Spec, take: Callable[[Record], None]) -> None:
    """`run` from synchronous code; TAKE gets each record as it comes."""

    async def work() -> None:
        async for record in run(spec):
            take(record)

    asyncio.run(work())
