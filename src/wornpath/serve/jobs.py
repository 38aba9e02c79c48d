"""The queue of runs: a few work at once, the others wait; they can be paused, cancelled, resumed and answered.

A run's whole state is in the event store. Handing one in records its start, and it is paused until its turn; a server that was killed
finds its runs there at its next start, and goes on with those that nobody paused.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wornpath.agent import AutoGPT
from wornpath.core import Event, Result, RunStatus, StoreError, UsageError, WornpathError
from wornpath.guard import ApprovalAnswer, ApprovalRequest, Limits
from wornpath.serve import kept_answers
from wornpath.serve.feed import Feed
from wornpath.serve.models import Models
from wornpath.serve.problems import Problem, of_the_disk
from wornpath.serve.worker import Work, Worker
from wornpath.store import RunInfo
from wornpath.store.protocol import Store

QUEUED = "It waits for its turn."
HELD = "A person paused it."
STOPPED = "The server was stopped; the run goes on when it starts again."
UNBEGUN = "It waits for its first step."
CANCELLED = "A person cancelled it."
MAX_QUEUED = 200
GRACE_SECONDS = 20.0
"""How long a stopping server waits for the actions in hand."""

ENDED = ("met", "unmet", "unverified", "needs_person", "budget", "error", "cancelled")
"""The statuses of a run that is over, though some can be gone on with."""
ORDER = "order.json"
State = Literal["queued", "running", "waiting", "stopping"]


@dataclass(frozen=True, slots=True)
class Order:
    """How a run was handed in, as far as its events do not tell; a small file of its folder."""

    model: str | None = None
    """The model that was asked for, by name."""
    protocol: str = ""
    """The one it came by, if nobody can be asked by it."""
    served: bool = False
    """Whether a server that starts anew goes on with it."""

    @classmethod
    def read(cls, store: Store, run_id: str) -> Order:
        """The order of a run; of one that came by another way, an empty one."""
        try:
            return cls(**json.loads((store.root / "runs" / run_id / ORDER).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, store: Store, run_id: str) -> None:
        file = store.run_folder(run_id) / ORDER
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(self)), encoding="utf-8")
        part.replace(file)


@dataclass(slots=True, eq=False)
class Job:
    """A run that this server works on, or will."""

    run_id: str
    limits: Limits | None = None
    answers: dict[str, ApprovalAnswer] = field(default_factory=dict)
    """Given before they were asked for."""
    interactive: bool = True
    """Whether questions wait for an answer; without, they end the run for now."""
    model: str | None = None
    state: State = "queued"
    asked: dict[str, asyncio.Future[ApprovalAnswer]] = field(default_factory=dict)
    agent: AutoGPT | None = None
    """The one that handed it in, or that works on it: it knows the goal's secrets, which the events do not."""
    work: Work | None = None
    task: asyncio.Task[None] | None = None
    slot: bool = False
    last_seq: int = 0
    """Of its latest event here: the text that the model writes comes after it."""
    acting: bool = False
    why: str = ""
    """Why it was told to stop."""
    cancelled: bool = False


class Jobs:
    """Runs AT_ONCE runs of STORE at a time. Methods are for the server's event loop; TOLD hears of every change of a job."""

    def __init__(
        self, store: Store, feed: Feed, worker: Worker, models: Models, at_once: int, told: Callable[[str], None]
    ) -> None:
        self.store, self.feed, self.worker, self.models, self.told = store, feed, worker, models, told
        self.at_once = at_once
        self.live: dict[str, Job] = {}
        self._resuming: set[str] = set()
        self._slots = asyncio.Semaphore(at_once)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.stopping = False

    # -- handing in --------------------------------------------------------------------------------

    def room(self) -> None:
        """Raise Problem where no more runs are taken."""
        if self.stopping:
            raise Problem(503, "The server is stopping; try again when it has started anew.", {"retry-after": "10"})
        if sum(job.state == "queued" for job in self.live.values()) >= MAX_QUEUED:
            raise Problem(
                429,
                f"{MAX_QUEUED} runs are waiting already; wait for some to end, or cancel some.",
                {"retry-after": "60"},
            )

    def start(self, run_id: str, **more: Any) -> Job:
        """Queue a run whose start is recorded."""
        self.room()
        self._loop = asyncio.get_running_loop()
        job = self.live[run_id] = Job(run_id, **more)
        job.task = asyncio.create_task(self._live(job), name=f"run {run_id}")
        return job

    async def resume(self, info: RunInfo, *, answers: Mapping[str, ApprovalAnswer] | None = None, **more: Any) -> Job:
        """Queue a run that stopped. Raises Problem where it is at work, or over."""
        if info.run_id in self._resuming:
            raise Problem(409, f"Run {info.run_id} is at work already.")
        self._resuming.add(info.run_id)
        try:
            return await self._resume(self.store.run(info.run_id), dict(answers or {}), more)
        finally:
            self._resuming.discard(info.run_id)

    async def _resume(self, info: RunInfo, answers: dict[str, ApprovalAnswer], more: Mapping[str, Any]) -> Job:
        if not await self.put_away(info):
            raise Problem(409, f"Run {info.run_id} is at work already.")
        info = self.store.run(info.run_id)
        if info.status == "running" and info.pid != os.getpid():
            raise Problem(409, f"Run {info.run_id} is at work in process {info.pid}; stop it there first.")
        if info.status in ("met", "unmet", "unverified"):
            raise Problem(409, f"Run {info.run_id} has ended ({info.status}); hand in a new goal instead.")
        self.room()
        await asyncio.to_thread(self.store.append, info.run_id, "run.paused", {"reason": QUEUED}, step=info.steps)
        for id, answer in answers.items():
            kept_answers.keep(self.store, info.run_id, id, answer)
        return self.start(info.run_id, answers=answers, **more)

    async def take_up(self) -> list[str]:
        """Go on with the runs that an earlier server left, oldest first."""
        left = await asyncio.to_thread(self._left)
        for info, order in left:
            self.start(info.run_id, model=order.model, interactive=not order.protocol)
        return [info.run_id for info, _ in left]

    def _left(self) -> list[tuple[RunInfo, Order]]:
        found = []
        for status in ("paused", "running"):
            for info in self.store.runs(status=status):
                mine = info.pid == os.getpid()  # of an earlier process with the same number, as in a container
                if info.reason in (HELD, UNBEGUN) or (status == "running" and not mine):
                    continue
                order = Order.read(self.store, info.run_id)
                if order.served and info.run_id not in self.live:
                    found.append((info, order))
        return sorted(found, key=lambda pair: pair[0].run_id)

    # -- control -----------------------------------------------------------------------------------

    def answer(self, run_id: str, id: str, answer: ApprovalAnswer) -> bool:
        """Give ANSWER to the question ID of a live run, and keep it until it is recorded; False where the run is not live."""
        job = self.live.get(run_id)
        if job is None:
            return False
        kept_answers.keep(self.store, run_id, id, answer)
        waiting = job.asked.get(id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
        else:
            job.answers[id] = answer
        return True

    async def halt(self, info: RunInfo, *, cancel: bool) -> None:
        """Pause a run after the step in hand, or cancel it at once. Raises Problem where there is nothing to stop."""
        job = self.live.get(info.run_id)
        if job is None:
            if not cancel or info.status in ("met", "unmet", "unverified", "cancelled", "running"):
                where = f"at work in process {info.pid}" if info.status == "running" else f"not at work ({info.status})"
                raise Problem(
                    409, f"Run {info.run_id} is {where}, so it cannot be {'cancelled' if cancel else 'paused'} here."
                )
            await asyncio.to_thread(finish, self.store, info.run_id, "cancelled", CANCELLED)
            self.feed.wake()
            return
        self._tell_to_stop(job, CANCELLED if cancel else HELD, at_once=cancel or job.state == "waiting", cancel=cancel)
        self.told(job.run_id)

    def _tell_to_stop(self, job: Job, why: str, *, at_once: bool, cancel: bool = False) -> None:
        job.why, job.cancelled = why, job.cancelled or cancel
        if job.agent is not None:
            job.agent.request_stop(why, cancel=job.cancelled)
        if job.work is None:
            if job.task is not None:
                job.task.cancel()
        elif at_once:
            job.work.cancel()
        if job.state != "queued":
            job.state = "stopping"

    async def stop(self, why: str = STOPPED) -> None:
        """Checkpoint all runs: what is not in the midst of an action stops at once, the others after it, within a time."""
        self.stopping = True
        jobs = list(self.live.values())
        for job in jobs:
            if not job.why:
                self._tell_to_stop(job, why, at_once=not job.acting)
        tasks = [job.task for job in jobs if job.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
            for job in jobs:
                if job.task in late and job.work is not None:
                    job.work.cancel()
            if late:
                await asyncio.wait(late, timeout=5.0)

    async def ended(self, run_id: str) -> None:
        """Wait until this server does not work on the run any more."""
        job = self.live.get(run_id)
        if job is not None and job.task is not None:
            await asyncio.wait([job.task])

    async def put_away(self, info: RunInfo) -> bool:
        """Whether nobody works on the run here; a job that was told to stop, or whose run has ended, is waited for first."""
        job = self.live.get(info.run_id)
        if job is not None and (job.state == "stopping" or info.status in ENDED):
            await self.ended(info.run_id)
        return info.run_id not in self.live

    # -- a job's life ------------------------------------------------------------------------------

    async def _live(self, job: Job) -> None:
        try:
            await self._slots.acquire()
            job.slot = True
            chat = await self.models.open(job.model)
            if not await asyncio.to_thread(self._known, job.run_id):
                return  # it was removed meanwhile
            job.state = "running"
            job.work = self.worker.start(self._run(job, chat))
            self.told(job.run_id)
            await asyncio.wrap_future(job.work.done)
            await asyncio.to_thread(self._settle, job)
        except asyncio.CancelledError:  # before it had begun
            await asyncio.to_thread(self._settle, job)
        except Exception as error:
            await asyncio.to_thread(self._failed, job, error)
        finally:
            if job.slot:
                self._slots.release()
            if self.live.get(job.run_id) is job:
                del self.live[job.run_id]
            self.feed.wake()
            self.told(job.run_id)

    async def _run(self, job: Job, chat: Any) -> None:
        """In the worker: the agent's work."""
        agent = job.agent
        if agent is None:
            agent = AutoGPT.resume(
                job.run_id,
                store=self.store,
                answers=kept_answers.read(self.store, job.run_id) | job.answers,
                model=chat,
                limits=job.limits,
                on_event=self.seen,
            )
        agent.approver = _Approver(self, job) if job.interactive else None
        agent.on_text = lambda purpose, text: self.feed.text(job.run_id, purpose, text, job.last_seq)
        job.agent = agent
        if job.why:
            agent.request_stop(job.why, cancel=job.cancelled)
        try:
            await agent.arun()
        finally:
            self.feed.wake()

    def seen(self, event: Event) -> None:
        """In the worker: an event of a run was committed."""
        job = self.live.get(event.run_id)
        if job is not None:
            job.last_seq = event.seq
        if event.type == "approval.answered":
            with contextlib.suppress(OSError, StoreError):  # left there, it does no harm: nobody asks for it again
                kept_answers.drop(self.store, event.run_id, str(event.data["id"]))
        if job is not None and event.type == "action.started":
            job.acting = True
        elif job is not None and event.type == "action.finished":
            job.acting = False
            if self.stopping and job.work is not None:
                job.work.cancel()
        self.feed.wake()

    async def ask(self, job: Job, request: ApprovalRequest) -> ApprovalAnswer:
        """Wait for a person's answer, and let another run have the turn meanwhile."""
        if request.id in job.answers:
            return job.answers.pop(request.id)
        assert self._loop is not None
        waiting = job.asked[request.id] = self._loop.create_future()
        job.state, job.slot = "waiting", False
        self._slots.release()
        self.told(job.run_id)
        try:
            answer: ApprovalAnswer = await waiting
        finally:
            del job.asked[request.id]
        await self._slots.acquire()
        job.state, job.slot = "running", True
        self.told(job.run_id)
        return answer

    def _known(self, run_id: str) -> bool:
        """Whether the run is in the store still; `wornpath runs rm` takes out one that waits here, too."""
        try:
            return self.store.run(run_id).run_id == run_id
        except UsageError:
            return False

    def _settle(self, job: Job) -> None:
        """Record that a run was paused or cancelled where its agent had not begun, and could not."""
        if not self._known(job.run_id):
            return
        info = self.store.run(job.run_id)
        if job.cancelled and info.status == "paused":
            finish(self.store, job.run_id, "cancelled", job.why)
        elif job.why == HELD and info.status == "paused" and info.reason != HELD:
            self.store.append(job.run_id, "run.paused", {"reason": HELD}, step=info.steps)

    def _failed(self, job: Job, error: Exception) -> None:
        """The agent recorded what went wrong in the run; what kept it from beginning is recorded here, if that can be written."""
        with contextlib.suppress(StoreError, UsageError):  # it was removed, or nothing can be written
            info = self.store.run(job.run_id)
            resumed = info.status == "running" and info.pid != os.getpid()  # at a terminal meanwhile
            elsewhere = resumed or self.live.get(job.run_id) not in (job, None)
            if info.run_id == job.run_id and info.status in ("paused", "running", "queued") and not elsewhere:
                finish(self.store, job.run_id, "error", str(error) or type(error).__name__)
        if not isinstance(error, WornpathError) and not of_the_disk(error):
            traceback.print_exception(error, file=sys.stderr)


class _Approver:
    """Asks by way of the server's loop; the answer comes by HTTP."""

    def __init__(self, jobs: Jobs, job: Job) -> None:
        self.jobs, self.job = jobs, job

    async def __call__(self, request: ApprovalRequest) -> ApprovalAnswer | None:
        loop = self.jobs._loop
        assert loop is not None
        asking = asyncio.run_coroutine_threadsafe(self.jobs.ask(self.job, request), loop)
        answer: ApprovalAnswer = await asyncio.wrap_future(asking)
        return answer


def recorded_options(store: Store, run_id: str) -> dict[str, Any]:
    """The settings that a run was begun with, and those that a resume changed."""
    options: dict[str, Any] = {}
    for event in store.events(run_id, types=("run.started", "run.resumed")):
        options |= event.data.get("options", {})
    return options


def finish(store: Store, run_id: str, status: RunStatus, summary: str) -> None:
    """Record the end of a run that nobody works on. Raises UsageError where there is no such run."""
    info = store.run(run_id)
    if info.run_id != run_id:
        raise UsageError(f"There is no run {run_id!r}.")
    spent = float((info.result or {}).get("seconds") or 0.0)
    result = Result(
        run_id,
        status,
        summary,
        info.reward,
        None,
        info.steps,
        info.llm_calls,
        info.skipped_llm_calls,
        info.tokens,
        info.cost_usd,
        spent,
        info.policy_version,
        info.workspace,
        tuple(store.artefacts(run_id)),
    )
    store.append(run_id, "run.finished", {"result": result.as_dict()}, step=info.steps)
