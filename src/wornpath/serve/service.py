"""What the server is made of, in one place: the store, the feed, the queue, the models, the open questions, and the folders of runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from wornpath.agent import AutoGPT
from wornpath.core import Goal, UsageError, WornpathError
from wornpath.guard import Limits
from wornpath.serve.asking import Questions
from wornpath.serve.bodies import checked
from wornpath.serve.feed import Feed
from wornpath.serve.jobs import HELD, QUEUED, STOPPED, UNBEGUN, Jobs, Order
from wornpath.serve.models import Models, Opener
from wornpath.serve.problems import Problem, status_of
from wornpath.serve.schedules import Clock, Schedule, Schedules
from wornpath.serve.schemas import RunRequest
from wornpath.serve.views import run_row
from wornpath.serve.worker import Worker
from wornpath.store import RunInfo, SqliteStore, new_run_id
from wornpath.tools.workspace import check_workspace

MAX_UPLOAD = 256 << 20


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is begun with where the request says nothing, and what the server allows."""

    approve: Any = "on-risk"
    sandbox: Any = "workspace"
    candidates: int = 3
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    learn: bool = True
    rules: str | tuple[()] = ()
    """A policy file."""
    language: str = "en"
    max_upload: int = MAX_UPLOAD
    """Bytes of all the files of one request."""


class Service:
    """All of it. ROOT is the store's folder, WORKSPACES the one that runs work in or below, OPENER gives the models.

    TAKE_UP says whether runs and schedules that an earlier server left are gone on with.
    """

    def __init__(
        self,
        root: Path,
        opener: Opener,
        *,
        workspaces: Path | None = None,
        jobs: int = 2,
        settings: Settings | None = None,
        take_up: bool = True,
    ) -> None:
        self.settings, self.takes_up = settings or Settings(), take_up
        self.workspaces = Path(os.path.realpath(workspaces or root / "workspaces"))
        self.store = SqliteStore(root)
        self.reader = SqliteStore(root, timeout=1.0)
        self.models = Models(opener)
        self.feed = Feed(self.reader)
        self.questions = Questions(self.reader)
        self.worker = Worker()
        self.schedules = Schedules(root)
        self.clock = Clock(self.schedules, self._due, lambda run_id: run_id in self.jobs.live)
        self.locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._background: list[asyncio.Task[None]] = []
        self.jobs = Jobs(self.store, self.feed, self.worker, self.models, jobs, self.told)

    def lock(self, key: str) -> asyncio.Lock:
        """The lock of that KEY, the same for all who hold it at the same time."""
        found = self.locks.get(key)
        if found is None:
            found = self.locks[key] = asyncio.Lock()
        return found

    async def start(self) -> None:
        self.feed.watchers.append(self.questions.seen)
        await asyncio.to_thread(self.store.last_seq)  # makes the store where there is none
        self.feed.start()
        await asyncio.to_thread(self.questions.load)
        self._background.append(asyncio.create_task(self._open_model()))
        if self.takes_up:
            await self.jobs.take_up()
            self._background.append(asyncio.create_task(self.clock.follow(), name="schedules"))

    async def _due(self, one: Schedule) -> str:
        """Hand in the goal of a schedule."""
        asked = checked({"goal": one.goal, "workspace": one.workspace, "checks": list(one.checks)}, RunRequest)
        return (await self.hand_in(asked)).run_id

    async def _open_model(self) -> None:
        with contextlib.suppress(WornpathError):  # kept as the models' problem; the next goal tries again
            await self.models.open()

    async def stop(self) -> None:
        """Checkpoint the runs and end the streams. What was being read can be read on at the next start."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.jobs.stop(STOPPED if self.takes_up else HELD)
        await self.feed.close()
        for chat in self.models.opened():
            await self.worker.call(chat.aclose())

    def close(self) -> None:
        self.worker.close()
        self.store.close()
        self.reader.close()

    def told(self, run_id: str) -> None:
        """A run's place in the queue changed."""
        self.feed.news("run", run_id, lambda: self._known_row(run_id))

    def _known_row(self, run_id: str) -> dict[str, Any] | None:
        try:
            return self.row(self.reader.run(run_id))
        except UsageError:
            return None

    def row(self, info: RunInfo) -> dict[str, Any]:
        job = self.jobs.live.get(info.run_id)
        return run_row(info, job.state if job is not None else None, self.questions.waiting(info.run_id))

    def run(self, run_id: str) -> RunInfo:
        """The run of that id. Raises Problem 404."""
        try:
            return self.reader.run(run_id)
        except UsageError as error:
            raise Problem(404 if "no run" in str(error) else 400, str(error)) from None

    async def at_rest(self, info: RunInfo, otherwise: str) -> RunInfo:
        """The run, when nobody works on it any more; a run that has just ended is waited for. Raises Problem 409, which says OTHERWISE."""
        if await self.jobs.put_away(info) and (now := self.run(info.run_id)).status != "running":
            return now
        raise Problem(409, f"Run {info.run_id} is at work; {otherwise}")

    def folder(self, given: str | None, run_id: str) -> Path:
        """The folder to work in: GIVEN, which must lie in the folder of workspaces, or a fresh one. Raises Problem."""
        if given is None:
            folder = self.workspaces / run_id
            try:
                folder.mkdir(0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise Problem(status_of(error), f"The folder {folder} cannot be made: {error.strerror}.") from None
            return folder
        if not given.strip() or "\0" in given:
            raise Problem(400, "The workspace is empty; name a folder, or leave it out for a fresh one.")
        try:
            folder = Path(os.path.realpath(self.workspaces / Path(given).expanduser()))
        except RuntimeError:
            raise Problem(400, f"{given[:200]!r} names the home of a user that there is not; give another.") from None
        if folder != self.workspaces and self.workspaces not in folder.parents:
            raise Problem(
                403,
                f"The workspace {given[:200]} is not in {self.workspaces}; start the server with --workspaces for another.",
            )
        try:
            return check_workspace(folder)
        except UsageError as error:
            raise Problem(400, str(error)) from None

    async def hand_in(
        self,
        request: RunRequest,
        *,
        run_id: str | None = None,
        folder: Path | None = None,
        protocol: str = "",
        begin: bool = True,
        parent: str | None = None,
        family: str = "",
    ) -> RunInfo:
        """Record a new run and queue it; without BEGIN it waits. PROTOCOL names the one it came by, if nobody can be asked by it."""
        self.jobs.room()
        chat = await self.models.open(request.model)
        run_id = run_id or new_run_id()
        if folder is None:
            folder = await asyncio.to_thread(self.folder, request.workspace, run_id)
        usual = self.settings
        limits = Limits(
            request.max_steps or usual.limits.max_steps,
            request.max_tokens or usual.limits.max_tokens,
            request.max_cost or usual.limits.max_cost,
            request.timeout or usual.limits.timeout,
        )
        agent = AutoGPT(
            Goal(request.goal.strip(), str(folder), tuple(request.checks)),
            model=chat,
            store=self.store,
            approve=request.approve or usual.approve,
            sandbox=usual.sandbox,
            candidates=request.candidates or usual.candidates,
            limits=limits,
            seed=usual.seed if request.seed is None else request.seed,
            learn=usual.learn if request.learn is None else request.learn,
            rules=usual.rules,
            on_event=self.jobs.seen,
            parent=parent,
            family=family,
            run_id=run_id,
        )
        order = Order(request.model, protocol, self.takes_up)
        await asyncio.to_thread(order.write, self.store, run_id)
        await asyncio.to_thread(agent.hand_in, QUEUED if begin else UNBEGUN)
        if begin:
            self.jobs.start(run_id, model=request.model, interactive=not protocol, agent=agent)
        self.feed.wake()
        return self.reader.run(run_id)
