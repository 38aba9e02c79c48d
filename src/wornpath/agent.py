"""AutoGPT: one goal's agent. `run` goes through the loop (`loop.py`): plan, then step by step observe, choose, call and evaluate, until it
is done; judged at the end. The seed document's methods do the same one by one.

Everything that happens is an event (`wornpath.core.events`) and passes `Session.record`; the tracker that makes the states is a fold over
those events, so a run that was cut off at any point goes on from them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from wornpath.actor import Actor
from wornpath.core import (
    Action,
    BudgetReached,
    Decision,
    Episode,
    Evaluation,
    Event,
    Goal,
    NeedsPerson,
    Observation,
    Plan,
    Result,
    Rule,
    RunStatus,
    State,
    StoreError,
    from_json,
)
from wornpath.core.html import plan_html, result_html
from wornpath.experience.live import Experience
from wornpath.given import check_options, check_parts, read_goal
from wornpath.guard import ApprovalAnswer, ApproveMode, Approver, Limits, SandboxMode, check_names, read_rules
from wornpath.guard.secrets import Secrets
from wornpath.learn.spawn import spawn_after_run
from wornpath.llm.chat import Chat
from wornpath.loop import Paused, adjust, settle, work_on
from wornpath.policy import CountPolicy, Policy, PriorPolicy
from wornpath.policy.assign import policy_for
from wornpath.resuming import ENDED, recorded_start
from wornpath.sitting import assemble, result_of, texts
from wornpath.sync import LoopThread, to_the_end
from wornpath.tools import Registry, as_tool
from wornpath.tools.workspace import Workspace, check_workspace

if TYPE_CHECKING:
    from wornpath.sandbox.protocol import Sandbox
    from wornpath.store.locks import RunLock
    from wornpath.store.protocol import Store
    from wornpath.training import TrainingReport

T = TypeVar("T")
SCRIPTED = "scripted"


class AutoGPT:
    """An autonomous agent for one goal: `run()` does it all; the seed's methods do it one by one.

    TARGET is the goal in words. It works in the folder WORKSPACE; CHECKS are shell commands that exit 0 when the goal is met; TOOLS are
    more tools (functions made with `@tool`, or `Tool` objects). MODEL is a `Chat`, a name such as "local", or None: the endpoint of
    OPENAI_API_KEY or OPENAI_BASE_URL if set, else the embedded model. Nothing is opened or loaded before it is needed.

    Raises UsageError for a goal that is empty or too long, a workspace that cannot be used, an option that there is not, and a part of
    yours that lacks what its protocol asks for.
    """

    def __init__(
        self,
        target: str | Goal,
        *,
        workspace: str | Path = ".",
        checks: Sequence[str] | str = (),
        tools: Sequence[Any] = (),
        rubric: str = "",
        model: Chat | str | None = None,
        policy: Policy | None = None,
        store: Store | None = None,
        approver: Approver | None = None,
        approve: ApproveMode = "on-risk",
        sandbox: SandboxMode = "workspace",
        candidates: int = 3,
        limits: Limits | None = None,
        seed: int = 0,
        learn: bool = True,
        experience: Experience | None = None,
        family: str = "",
        rules: Sequence[Rule] | str | Path = (),
        on_event: Callable[[Event], None] | None = None,
        parent: str | None = None,
        run_id: str | None = None,
    ) -> None:
        check_options(approve, sandbox, candidates, limits)
        check_parts(model, policy, approver, tools)
        goal = read_goal(target, workspace, checks, rubric)
        root = check_workspace(Path(goal.workspace))
        self.goal = Goal(goal.text, str(root), goal.checks, goal.rubric, goal.weights)
        self.workspace = Workspace(root, writable=sandbox != "read-only")
        self.model, self.seed, self.learn, self.parent = model, seed, learn, parent
        self._policy, self._experience, self.family = policy, experience, family
        self.model_name = model if isinstance(model, str) else None
        self.candidates, self.limits = candidates, limits or Limits()
        self.approve, self.sandbox_mode, self.approver = approve, sandbox, approver
        self.extra_tools = tuple(map(as_tool, tools))
        self.registry = Registry.standard(self.extra_tools)
        self.rules = read_rules(Path(rules)) if isinstance(rules, str | Path) else list(rules)
        check_names(self.rules, list(self.registry))
        self.on_text: Callable[[str, str], None] | None = None
        self.answers: dict[str, ApprovalAnswer] = {}
        self.sandbox: Sandbox | None = None
        """Where code runs; None for what this machine has. A benchmark keeps one warm over its episodes."""
        self.attempts = 1
        """More than one while the run only holds so many attempts together, as `train` does."""
        self._part = False
        """One of several attempts, after which the learner is started once."""
        self._store = store
        self.listeners = [on_event] if on_event else []
        self._run_id = run_id
        self._actor: Actor | None = None
        self._stop = self._ended = self._cancel = False
        self._why = ""
        self._loop: LoopThread | None = None
        self._lock: RunLock | None = None
        self.secrets = Secrets()  # of the run's sittings in this agent
        self._plan: Plan | None = None
        self._result: Result | None = None
        """How the last sitting ended, and its plan: for a notebook."""

    # -- the loop ----------------------------------------------------------------------------------

    async def arun(self) -> Episode:
        """Do the goal. The episode's result says how it ended; it is recorded whatever happens.

        Raises ModelUnavailable or ModelAnswerError when the model cannot be used; the run can be resumed.
        """
        started = time.monotonic()
        actor = self._begin()
        status: RunStatus = "error"
        summary = ""
        try:
            await settle(actor)
            status = await work_on(actor, self.goal, lambda: self._stop)
            summary = actor.answer
        except BudgetReached as reached:
            status, summary = "budget", str(reached)
        except NeedsPerson as waits:
            status, summary = "needs_person", str(waits)
        except (Paused, asyncio.CancelledError) as stop:
            usual = f"Stopped after step {actor.session.tracker.step}; go on with: wornpath resume {self.run_id}"
            status, summary = ("cancelled" if self._cancel else "paused"), self._why or usual
            if isinstance(stop, asyncio.CancelledError):
                raise
        except Exception as error:
            summary = str(error) or type(error).__name__
            raise
        finally:
            result = await self._end(actor, status, summary, time.monotonic() - started)
        return Episode(self.goal, result, tuple(actor.session.store.transitions(self.run_id)))

    # -- begin and end -----------------------------------------------------------------------------

    @property
    def run_id(self) -> str:
        if self._run_id is None:
            from wornpath.store import new_run_id

            self._run_id = new_run_id()
        return self._run_id

    @property
    def store(self) -> Store:
        if self._store is None:
            from wornpath.store import default_store

            self._store = default_store()
        return self._store

    @property
    def experience(self) -> Experience:
        """What was learnt from earlier runs: beside the store, unless one was given."""
        if self._experience is None:
            self._experience = Experience.of(self.store)
        return self._experience

    @property
    def policy(self) -> Policy:
        """What chooses among candidates."""
        if self._policy is None:
            wanted = self.experience.config.policy
            base = PriorPolicy() if wanted == "prior" else CountPolicy()
            self._policy = policy_for(self.store, self.run_id, base) if wanted == "learnt" else base
        return self._policy

    def _begin(self) -> Actor:
        """The run's session and actor, made at first use; the start, or a resume, is recorded."""
        if self._actor is not None:
            return self._actor
        if self._ended:  # done again: another run
            self._run_id, self._ended = None, False
        from wornpath.store.locks import RunLock

        chat = self._chat()
        folder = self.store.run_folder(self.run_id)
        self._lock = RunLock(folder)
        self._lock.take()
        try:
            self._actor = assemble(self, chat, folder)
            return self._actor
        except BaseException:
            self._actor = None
            self._unlock()
            raise

    def _chat(self) -> Chat:
        if isinstance(self.model, str | None):
            from wornpath.llm import resolve

            self.model = resolve(self.model)
        return self.model

    async def _end(self, actor: Actor, status: RunStatus, summary: str, seconds: float) -> Result:
        """Record how the run ended and free what it held. Raises StoreError when that cannot be recorded: it can be resumed then."""
        late = None
        try:
            if actor.context.kernel is not None:
                late = await to_the_end(actor.context.kernel.close())
            try:
                actor.footprint.snapshot.seal()
            except StoreError as error:  # a full disk: the run is not done before its end is on record
                status, summary = "error", str(error)
            if status in ENDED:
                actor.charge_rest()
            result = result_of(self, actor, status, summary, seconds)
            if status == "paused":
                actor.session.record("run.paused", {"reason": summary})
            else:
                actor.session.record("run.finished", {"result": result.as_dict()})
            self._ended = status in ENDED
            self._plan, self._result = actor.session.tracker.plan, result
        finally:
            self._stop, self._cancel, self._why, self._actor = False, False, "", None
            self._unlock()
        if status in (*ENDED, "budget") and self.learn:  # one that is gone on with is taken in anew
            self._take_in()
        if late is not None:
            raise late
        return result

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def _take_in(self) -> None:
        """Learn from the run just ended. Whatever goes wrong with that, the run's result stands."""
        try:
            if self.attempts == 1:
                self.experience.learn(self.store.events(self.run_id), texts(self))
            scripted = getattr(self.model, "model", "") == SCRIPTED  # a test: nothing is to go on behind its back
            if self.experience.config.policy == "learnt" and not self._part and not scripted:
                spawn_after_run(self.store, self.run_id)
        except Exception as error:  # whatever it is, what the run brought is worth more than what it teaches
            logging.getLogger("wornpath").warning(
                "Nothing was learnt from run %s: %s", self.run_id, str(error) or type(error).__name__
            )

    # -- the seed document's methods, one by one ---------------------------------------------------

    def run(self) -> Episode:
        """`arun`, for code that is not asynchronous; works inside a running event loop too."""
        return self._wait(self.arun())

    async def stream(self) -> AsyncIterator[Event]:
        """Do the goal and give its events as they happen."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self.listeners.append(queue.put_nowait)
        task = asyncio.ensure_future(self.arun())
        task.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
            await task
        finally:
            self.listeners.remove(queue.put_nowait)
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def aplan(self) -> Plan:
        """The plan for the goal; made at the first call."""
        actor = self._begin()
        return actor.session.tracker.plan or await actor.plan()

    def decompose_task(self) -> Plan:
        """The goal as 1 to 7 subtasks with acceptance criteria."""
        return self._wait(self.aplan())

    def observe(self) -> State:
        """Where the episode stands."""

        async def observe() -> State:
            return self._begin().observe()

        return self._wait(observe())

    def choose_action(self, state: State | None = None) -> Decision:
        """Propose candidates at STATE (default: now) and choose one; plans first if need be."""

        async def choose() -> Decision:
            await self.aplan()
            actor = self._begin()
            return await actor.chooser.choose(state or actor.observe())

        return self._wait(choose())

    def call_tool(self, action: Action | Decision) -> Observation:
        """Carry ACTION out, with what permissions and approvals it needs."""
        wanted = action.action if isinstance(action, Decision) else action

        async def call() -> Observation:
            return await self._begin().caller.call(wanted)

        return self._wait(call())

    def evaluate_result(self, observation: Observation) -> Evaluation:
        """The reward of the step that brought OBSERVATION; closes the subtask or replans where that follows from it."""

        async def evaluate() -> Evaluation:
            actor = self._begin()
            evaluation = actor.evaluate(observation)
            if actor.session.tracker.last is not None:
                await adjust(actor, actor.session.tracker.last, observation)
            return evaluation

        return self._wait(evaluate())

    def train(self, episodes: int = 1) -> TrainingReport:
        """Work on the goal EPISODES times and learn from it.

        One episode works in the workspace itself. With more, each runs in a copy, and the changes of the best one that was met are applied
        to the workspace at the end; files that changed there meanwhile are left alone and reported.
        """
        from wornpath.training import train

        return train(self, episodes)

    def attempt(self, goal: Goal, number: int) -> AutoGPT:
        """An agent like this one for GOAL, a variant of its own: attempt NUMBER explores with a seed of its own."""
        made = AutoGPT(
            goal,
            tools=self.extra_tools,
            model=self.model,
            policy=self._policy,
            store=self.store,
            approver=self.approver,
            approve=self.approve,
            sandbox=self.sandbox_mode,
            candidates=self.candidates,
            limits=self.limits,
            seed=self.seed + number,
            learn=self.learn,
            rules=self.rules,
            experience=self.experience,
            family=self.family,
            parent=self.run_id,
        )
        made._part = True
        return made

    # -- control -----------------------------------------------------------------------------------

    def hand_in(self, why: str) -> None:
        """Record the run with its goal, and leave it paused because of WHY. `arun` begins it, or `resume` in another process."""
        self._begin()
        self.close(why)

    def request_stop(self, why: str = "", *, cancel: bool = False) -> None:
        """Stop after the step in hand; the run can be resumed. Safe to call from a signal handler or another thread.

        WHY is recorded. With CANCEL the run ends as cancelled instead of paused. Cancelling the task of `arun` stops it at once.
        """
        self._stop, self._cancel, self._why = True, cancel, why

    @classmethod
    def resume(
        cls,
        run_id: str,
        *,
        store: Store | None = None,
        answers: Mapping[str, ApprovalAnswer] | None = None,
        model: Chat | str | None = None,
        policy: Policy | None = None,
        tools: Sequence[Any] = (),
        approver: Approver | None = None,
        limits: Limits | None = None,
        rules: Sequence[Rule] | str | Path | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> AutoGPT:
        """The agent of an earlier run, to go on where it stopped. ANSWERS are to the questions it waits for, by their id.

        Raises UsageError when there is no such run, when it came to its end, or when another process is at work on it.
        """
        if store is None:
            from wornpath.store import default_store

            store = default_store()
        earlier = recorded_start(store, run_id)
        options = earlier.options
        agent = cls(
            earlier.goal,
            tools=tools,
            model=model or options.get("model"),
            policy=policy,
            store=store,
            approver=approver,
            approve=options["approve"],
            sandbox=options["sandbox"],
            candidates=options["candidates"],
            limits=limits or Limits(**options["limits"]),
            seed=earlier.seed,
            learn=options["learn"],
            rules=[from_json(Rule, data) for data in options.get("rules", ())] if rules is None else rules,
            on_event=on_event,
            run_id=earlier.run_id,
        )
        agent.answers = dict(answers or {})
        return agent

    def close(self, why: str = "The agent was closed.") -> None:
        """End the agent's helpers. A run that was begun method by method is left paused, WHY is recorded, and can be resumed."""
        actor, self._actor = self._actor, None
        try:
            if actor is not None:
                actor.footprint.snapshot.seal()
                actor.session.record("run.paused", {"reason": why})
                if actor.context.kernel is not None:
                    self._wait(actor.context.kernel.close())
        finally:
            self._unlock()
            loop, self._loop = self._loop, None
            if loop is not None:
                loop.stop()

    def __enter__(self) -> AutoGPT:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        loop = getattr(self, "_loop", None)
        if loop is not None:
            loop.stop(wait=False)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Await WORK from synchronous code, on a loop of the agent's own, so that its kernel and connections outlive the call."""
        if self._loop is None:
            self._loop = LoopThread()
        return self._loop.run(work)

    def _repr_html_(self) -> str:
        from html import escape

        plan = self._actor.session.tracker.plan if self._actor else self._plan
        ended = result_html(self._result) if self._result and not self._actor else ""
        return f"<b>{escape(self.goal.text)}</b>{plan_html(plan)}{ended}"
