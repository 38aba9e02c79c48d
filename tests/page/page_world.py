"""A real server on a model that a test plays, and what the tests of the page do in its browser."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent_world import Brain
from playwright.sync_api import BrowserContext, Page, expect

from wornpath.core import (
    Action,
    Candidate,
    Decision,
    Evaluation,
    EventType,
    Goal,
    Observation,
    Plan,
    State,
    Subtask,
    Usage,
    to_json,
)
from wornpath.llm import ScriptedChat
from wornpath.llm.chat import Chat, Completion
from wornpath.serve import running
from wornpath.serve.service import Service, Settings
from wornpath.store import SqliteStore

TOKEN = "a-token-for-the-tests-of-the-page"
PATIENCE = 120.0  # seconds: how long anything may take on a busy machine
WAIT = 60_000  # milliseconds: the same for the page
expect.set_options(timeout=WAIT)


class PlayedChat:
    """A model that answers as BRAIN says; held, it waits with its next answer, whose text it has streamed."""

    model = "played"

    def __init__(self, brain: Brain) -> None:
        self.inner = ScriptedChat(brain, model="played")
        self.sizes = self.inner.sizes
        self._free = threading.Event()
        self._free.set()
        self.waits = threading.Event()
        self.hold_when: Callable[[], bool] = lambda: not self._free.is_set()
        """Whether the answer at hand waits; until `let_go`, and not after."""

    def hold(self) -> None:
        self._free.clear()
        self.waits.clear()

    def go_on(self) -> None:
        """Let the answer at hand go; `hold_when` says what becomes of the next."""
        self._free.set()

    def let_go(self) -> None:
        self.hold_when = lambda: not self._free.is_set()
        self._free.set()

    async def complete(self, messages: Any, *, on_text: Callable[[str], None] | None = None, **more: Any) -> Completion:
        done = await self.inner.complete(messages, **more)
        if on_text is not None:
            for piece in done.text.splitlines(keepends=True):
                on_text(piece)
        if self.hold_when():
            self._free.clear()
            self.waits.set()
            await asyncio.to_thread(self._free.wait, PATIENCE)
        return done

    async def aclose(self) -> None:
        """Nothing to free."""


class Site:
    """The server as `wornpath serve` runs it, in a thread, with its store at ROOT."""

    def __init__(self, root: Path, chat: Chat, *, token: str | None = TOKEN, jobs: int = 2, **settings: Any) -> None:
        self.root, self.chat = root, chat
        self.address = running.bind("127.0.0.1", 0)
        self.url = self.address.url
        self.token = token
        self.service = Service(root, lambda name: chat, settings=Settings(**settings), jobs=jobs)
        self._ready = threading.Event()
        self._server = running.make_server(
            self.service, self.address, running.access_for(self.address, token), self._ready.set
        )
        self._thread = threading.Thread(target=self._run, name="site")

    def _run(self) -> None:
        self._server.run(sockets=[self.address.socket])

    def __enter__(self) -> Site:
        self._thread.start()
        assert self._ready.wait(PATIENCE), "the server did not start"
        return self

    def __exit__(self, *exc: object) -> None:
        if isinstance(self.chat, PlayedChat):
            self.chat.let_go()
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the server did not stop"

    @property
    def home(self) -> str:
        return f"{self.url}/?token={self.token}" if self.token else f"{self.url}/"

    @contextmanager
    def store(self) -> Iterator[SqliteStore]:
        with SqliteStore(self.root) as store:
            yield store


REMEMBER_TOASTS = """
window.toasted = [];
new MutationObserver((all) => {
    for (const { addedNodes } of all)
        for (const node of addedNodes) if (node.matches?.(".toast")) window.toasted.push(node.textContent);
}).observe(document, { childList: true, subtree: true });
"""


def open_page(context: BrowserContext, site: Site, place: str = "#/") -> Page:
    """The page at PLACE, ready."""
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.set_default_navigation_timeout(WAIT)
    page.add_init_script(REMEMBER_TOASTS)
    page.goto(f"{site.home}{place}")
    expect(page.locator(".connection.is-live")).to_be_attached()
    return page


def hand_in(page: Page, goal: str) -> str:
    """Hand GOAL in on the page; the id of the run whose view opens."""
    page.get_by_role("textbox", name="Goal", exact=True).fill(goal)
    page.get_by_role("button", name="Hand in", exact=True).click()
    page.wait_for_url("**/#/runs/*")
    return page.url.partition("#/runs/")[2].partition("/")[0]


def chip(page: Page, status: str) -> None:
    """Wait until the run stands so."""
    expect(page.locator(".run-head .chip")).to_have_text(status)


def ended(page: Page, status: str) -> None:
    """Wait until the run has ended so, and its last row is there: the server may tell how it stands before the last events come."""
    chip(page, status)
    expect(page.locator(".row-button.finished")).to_be_attached()


def toasted(page: Page, text: str) -> None:
    """Wait until a short message said TEXT, though it may be gone again by now."""
    page.wait_for_function("(text) => (window.toasted ?? []).some((one) => one.includes(text))", arg=text)


def rows(page: Page) -> list[str]:
    """The words of the rows of the timeline that are in the document."""
    return [text.replace("\n", " ") for text in page.locator(".row-button").all_inner_texts()]


Record = tuple[EventType, Mapping[str, Any], int]


def step(
    number: int, *, by: str = "llm", result: Any = "ok", tool: str = "read_file", text: str = "seen"
) -> list[Record]:
    """The events of one step: a model call, a decision of three candidates, the action and its evaluation."""
    actions = [Action.of(tool, path=f"file-{number}.txt"), Action.of("list_files"), Action.of("finish")]
    sources = ("llm", "recalled", "control")
    decision = Decision(
        State(f"Goal: go through the files\nstep {number}"),
        tuple(Candidate(a, s, p) for a, s, p in zip(actions, sources, (0.7, 0.3, 0.0), strict=True)),  # type: ignore[arg-type]
        0,
        (0.6, 0.4, 0.0),
        (True, True, False),
        by=by,  # type: ignore[arg-type]
        q=(0.42, -0.17, 0.05) if by == "policy" else None,
        value=0.31 if by == "policy" else None,
        policy_version="v2" if by == "policy" else "prior",
    )
    called = {"purpose": "propose", "model": "m", "usage": to_json(Usage(400, 30, calls=1)), "seconds": 0.2, "n": 3}
    seen = Observation.of(text if result == "ok" else "There is no such file.", result)
    return [
        ("model.called", {**called, "messages": [], "texts": []}, number - 1),
        ("action.decided", {"decision": to_json(decision), "skipped": by == "policy"}, number),
        (
            "action.started",
            {"id": f"a{number}", "action": to_json(actions[0]), "risk": "read", "idempotent": True},
            number,
        ),
        ("action.finished", {"id": f"a{number}", "observation": to_json(seen), "seconds": 0.02}, number),
        ("evaluation.made", {"scope": "step", "evaluation": to_json(Evaluation(-0.01))}, number),
    ]


def begin(goal: str, workspace: Path, subtasks: Sequence[str]) -> list[Record]:
    """The events a run begins with, up to its first subtask."""
    plan = Plan(tuple(Subtask(i, text, "read") for i, text in enumerate(subtasks, 1)))
    start = {
        "version": "0",
        "model": "m",
        "policy_version": "prior",
        "seed": 0,
        "options": {},
        "parent": None,
        "pid": 0,
    }
    return [
        ("run.started", start, 0),
        ("goal.set", {"goal": to_json(Goal(goal, str(workspace)))}, 0),
        ("plan.made", {"plan": to_json(plan), "reason": "the goal was set"}, 0),
        ("subtask.started", {"subtask": 1}, 0),
    ]


def end(run_id: str, steps: int, status: str = "met", **more: Any) -> list[Record]:
    result = {
        "run_id": run_id,
        "status": status,
        "summary": "All of it was read.",
        "reward": 0.9,
        "steps": steps,
        **more,
    }
    verdict = to_json(Evaluation(1.0, "met", "check", "1 of 1 checks passed"))
    return [
        ("subtask.finished", {"subtask": 1, "status": "done", "why": "finished"}, steps),
        ("evaluation.made", {"scope": "run", "evaluation": verdict}, steps),
        ("run.finished", {"result": {"seconds": 12.5, "policy_version": "prior", **result}}, steps),
    ]
