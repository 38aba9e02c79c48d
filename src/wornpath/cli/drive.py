"""Running an agent at the terminal: display, Ctrl-C, the result, and the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wornpath.cli.display import Display, JsonLines
from wornpath.cli.output import console, json_line, note, print_result
from wornpath.core import UsageError, WornpathError

if TYPE_CHECKING:
    from wornpath.agent import AutoGPT
    from wornpath.cli.approve import TerminalApprover
    from wornpath.core import Event, Result
    from wornpath.store import RunInfo
    from wornpath.store.protocol import Store

EXIT_CODES = {"met": 0, "unmet": 3, "unverified": 3, "needs_person": 4, "budget": 5, "paused": 130, "cancelled": 130}
INTERRUPTED = 130
UNREAD = 141
"""The exit code where whoever read the output went away, as of a program that SIGPIPE ends."""
GONE = "Nobody read its output any more."
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupts:
    """Ctrl-C and SIGTERM while a run goes on: the first asks the agent to stop after the step in hand, the second cancels it, the third
    leaves at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, first: Callable[[], None], second: Callable[[], None]) -> None:
        self.loop, self.first, self.second = loop, first, second
        self.count = 0

    def _handle(self, number: int, frame: Any) -> None:
        self.count += 1
        if self.count == 1:
            self.loop.call_soon_threadsafe(self.first)
        elif self.count == 2:
            self.loop.call_soon_threadsafe(self.second)
        else:
            if sys.stderr.isatty():
                os.write(2, _SHOW_CURSOR)
            os._exit(INTERRUPTED)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listener(agent: Callable[[], AutoGPT | None], display: Display) -> Callable[[Event], None]:
    """What the agent tells its events to. A display never ends a run: a closed pipe asks it to stop, other faults are passed over."""

    def tell(event: Event) -> None:
        try:
            display.event(event)
        except BrokenPipeError:
            running = agent()
            if running is not None:
                running.request_stop(GONE)
        except Exception:
            if os.environ.get("WORNPATH_DEBUG"):
                raise

    return tell


def drive(agent: AutoGPT, display: Display, approver: TerminalApprover) -> int:
    """Run AGENT to its end, print the result, and return the exit code."""
    agent.on_text = display.text
    try:
        result, interrupted = asyncio.run(_drive(agent, display, approver))
    except Exception as error:
        with contextlib.suppress(UsageError):  # it may have failed before the run was known
            result = recorded(agent.store.run(agent.run_id))
            if isinstance(display, JsonLines):
                _told(result, display)
            elif display.tips and result.status == "error":
                error.add_note(f"Once that is put right, go on with: wornpath resume {result.run_id}")
        raise
    result = result or recorded(agent.store.run(agent.run_id))
    told = _told(result, display)
    _next_steps(agent, result, tips=display.tips)
    if interrupted:
        return INTERRUPTED
    if not told or (result.status == "paused" and result.summary == GONE):
        return UNREAD
    return EXIT_CODES.get(result.status, 1)


async def _drive(agent: AutoGPT, display: Display, approver: TerminalApprover) -> tuple[Result | None, bool]:
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(agent.arun())

    def stop() -> None:
        agent.request_stop()
        approver.stop.set()
        display.say("Stopping after the step in hand. Ctrl-C again stops at once.")

    def cancel() -> None:
        running.cancel()

    interrupts = Interrupts(loop, stop, cancel)
    try:
        with display, interrupts.watching():
            return (await running).result, interrupts.count > 0
    except asyncio.CancelledError:
        return None, True
    finally:
        await _close(agent)


def drive_plan(agent: AutoGPT, display: Display) -> int:
    """Make the plan only. The run is left paused: `resume` carries the plan out."""

    async def make() -> None:
        try:
            with display:
                await agent.aplan()
        finally:
            await _close(agent)

    agent.on_text = display.text
    why = "the plan could not be made"
    try:
        asyncio.run(make())
        why = "only the plan was asked for"
    finally:
        agent.close(why)
    if isinstance(display, JsonLines):
        return 0 if _told(recorded(agent.store.run(agent.run_id)), display) else UNREAD
    from wornpath.cli.narrate import Marks, Narrator

    narrator, screen = Narrator(marks=Marks.fitting(sys.stdout.encoding)), console(sys.stdout)
    for event in agent.store.events(agent.run_id):
        narrator.feed(event)
    try:
        for line in narrator.plan_lines():
            screen.print(line[8:], soft_wrap=True)
    except BrokenPipeError:
        return UNREAD
    finally:
        if display.tips:
            note(f"Carry it out with: wornpath resume {agent.run_id}")
    return 0


async def _close(agent: AutoGPT) -> None:
    close = getattr(agent.model, "aclose", None)
    if close is not None:
        await close()


def _told(result: Result, display: Display) -> bool:
    """Print RESULT; whether anybody read it. Raises WornpathError where it cannot be written."""
    try:
        _print(result, display)
        return True
    except BrokenPipeError:
        return False
    except OSError as error:
        raise WornpathError(
            f"The result could not be written: {error.strerror or error}. It is kept: wornpath show {result.run_id}"
        ) from None


def _print(result: Result, display: Display) -> None:
    if isinstance(display, JsonLines):
        json_line({"type": "result", **result.as_dict()})
    elif result.status == "needs_person":  # how to answer is said below, on standard error
        print_result(replace(result, summary=result.summary.partition(" Answer with: ")[0]))
    elif result.status not in ("paused", "cancelled"):
        print_result(result)
    sys.stdout.flush()


def recorded(info: RunInfo) -> Result:
    """The result that a run ended with; of a run that has not ended, how far it came."""
    from wornpath.core import Result, from_json

    if info.result and info.status not in ("paused", "running"):
        result = from_json(Result, dict(info.result))
        if info.rating is None:
            return result
        return replace(result, status=info.status, verdict_source=info.verdict_source, reward=info.reward)
    return Result(
        info.run_id,
        info.status,
        info.reason or info.summary,
        info.reward,
        None,
        info.steps,
        info.llm_calls,
        info.skipped_llm_calls,
        info.tokens,
        info.cost_usd,
        (info.finished or info.started) - info.started,
        info.policy_version,
        info.workspace,
    )


def _next_steps(agent: AutoGPT, result: Result, *, tips: bool) -> None:
    """On stderr: how to go on with a run that did not come to its end, and with TIPS how to look at it."""
    from wornpath.cli.text import plural

    run = result.run_id
    if result.status in ("paused", "cancelled"):
        finished = {event.step for event in agent.store.events(run, types=("action.finished",))}
        cut_off = result.steps and result.steps not in finished
        where = f"in step {result.steps}" if cut_off else f"after {plural(result.steps, 'step')}"
        note(f"Stopped {where}. Go on with: wornpath resume {run}")
    elif result.status == "needs_person":
        for request, kind in pending(agent.store, run).items():
            answers = "--answer TEXT" if kind == "question" else f"--allow {request}  (or --deny {request})"
            note(f"Go on with: wornpath resume {run} {answers}")
    elif result.status == "budget":
        note(
            f"Go on with a higher limit: wornpath resume {run}, with --max-steps, --max-tokens, --max-cost or --timeout"
        )
    short = run.rpartition("-")[2]  # the store finds a run by it
    if result.verdict_source == "judge" and agent.learn and tips:  # a model's word teaches nothing
        note(f"There is no check, so it learns from your word: wornpath rate {short} good  (or bad)")
    if result.steps and tips:
        commands = [f"wornpath why {short} {result.steps}", f"wornpath diff {short}", f"wornpath undo {short}"]
        line = f"Look closer: {', '.join(commands)}"
        narrow = sys.stderr.isatty() and len(line) > console(sys.stderr).width
        note("\n  ".join(["Look closer:", *commands]) if narrow else line)


def pending(store: Store, run_id: str) -> dict[str, str]:
    """The requests that nobody has answered: id → `approval` or `question`."""
    waiting: dict[str, str] = {}
    for event in store.events(run_id, types=("approval.requested", "approval.answered")):
        if event.type == "approval.requested":
            waiting[str(event.data["id"])] = str(event.data.get("kind", "approval"))
        else:
            waiting.pop(str(event.data["id"]), None)
    return waiting
