"""A real server in a thread, a model that does what the goal says, and a client that waits for what it wants to see."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from wornpath.core import Usage
from wornpath.llm.chat import Completion, Message, Sizes
from wornpath.serve import Service, running
from wornpath.serve.service import Settings

PATIENCE = 120.0


class Doer:
    """A chat model for goals such as `write a.txt`, `delete a.txt`, `ask colour` and `hold`, one action each, joined by `then`.

    `hold` waits inside the model until `release`; `fail` is an answer that is no action.
    """

    model = "doer"

    def __init__(self) -> None:
        self.sizes = Sizes()
        self.held = threading.Event()
        self._gates: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self.open = False
        self.prompts: list[str] = []

    def release(self) -> None:
        """Let go of all that are held, now and later."""
        self.open = True
        for loop, gate in self._gates:
            if not loop.is_closed():
                loop.call_soon_threadsafe(gate.set)

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        n: int = 1,
        max_tokens: int = 256,
        temperature: float = 0.0,
        stop: Sequence[str] | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Completion:
        prompt = str(messages[-1]["content"])
        self.prompts.append(prompt)
        text = await self._answer(prompt, schema)
        if on_text is not None and n == 1:
            on_text(text)
        return Completion((text,) * n, (None,) * n, Usage(100, 10, 0, 1), "stop", self.model)

    async def aclose(self) -> None:
        pass

    async def _answer(self, prompt: str, schema: Mapping[str, Any] | None) -> str:
        if schema is None:
            return "It was asked for." if "Question:" in prompt else "Some text.\n"
        if "anyOf" in schema:
            return json.dumps(await self._action(prompt))
        if "subtasks" in schema["properties"]:
            goal = re.findall(r"^Goal: (.*)$", prompt, re.M)[-1]
            return json.dumps({"subtasks": [_subtask(wish) for wish in goal.split(" then ")]})
        if "met" in schema["properties"]:
            return json.dumps({"reason": "all is there", "met": True})
        return json.dumps({"state": "done"})

    async def _action(self, prompt: str) -> dict[str, Any]:
        now = re.findall(r"^Now: \([^)]*\) (.*)$", prompt, re.M) or re.findall(r"^Goal: (.*)$", prompt, re.M)
        wish, _, what = now[-1].partition(" -> ")[0].partition(" ")
        if wish == "hold":
            await self._hold()
            return {"tool": "write_file", "arguments": {"path": "held.txt"}}
        tools = {"write": "write_file", "delete": "delete_file", "ask": "ask_person"}
        if wish not in tools:
            return {"tool": "finish", "arguments": {}}
        return {"tool": tools[wish], "arguments": {"question": f"Which {what}?"} if wish == "ask" else {"path": what}}

    async def _hold(self) -> None:
        gate = asyncio.Event()
        self._gates.append((asyncio.get_running_loop(), gate))
        self.held.set()
        if not self.open:
            await gate.wait()


def _subtask(wish: str) -> dict[str, Any]:
    verb, _, what = wish.partition(" ")
    kind = {"delete": "organise", "write": "write"}.get(verb, "other")
    return {"do": wish, "kind": kind, "output": what if verb == "write" else "", "has": []}


class World:
    """A server over the store in FOLDER. It can be stopped and started again on the same store."""

    def __init__(self, folder: Path, *, token: str | None = "", **more: Any) -> None:
        self.folder, self.token = folder, secrets.token_urlsafe(24) if token == "" else token
        self.model = Doer()
        self.more = more
        self.base = ""
        self.clients: list[httpx2.Client] = []
        """Closed with the server."""

    def __enter__(self) -> World:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        ready = threading.Event()
        address = running.bind("127.0.0.1", 0)
        self.base = address.url
        settings = self.more.get("settings", Settings())
        self.service: Service | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

        def run() -> None:
            async def serve() -> None:
                self.loop = asyncio.get_running_loop()
                self.service = Service(
                    self.folder / "home",
                    lambda name: self.model,
                    workspaces=self.folder / "workspaces",
                    jobs=self.more.get("jobs", 2),
                    settings=settings,
                )
                access = running.access_for(address, self.token)
                self._server = running.make_server(self.service, address, access, ready.set)
                await self._server.serve(sockets=[address.socket])

            asyncio.run(serve())

        self._thread = threading.Thread(target=run)
        self._thread.start()
        assert ready.wait(PATIENCE)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        self.http = httpx2.Client(base_url=self.base, headers=headers, timeout=PATIENCE, trust_env=False)

    def stop(self) -> None:
        for client in (self.http, *self.clients):
            client.close()
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    # -- talking to it -----------------------------------------------------------------------------

    def get(self, path: str, **more: Any) -> Any:
        answer = self.http.get(f"/api/v1{path}", **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        answer = self.http.post(f"/api/v1{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def hand_in(self, goal: str, **more: Any) -> str:
        return str(self.post("/runs", {"goal": goal, **more}, 201)["run_id"])

    def until(self, run_id: str, *statuses: str) -> dict[str, Any]:
        """The run, as soon as it has one of STATUSES and this server does not work on it."""
        for _ in self.changes(run_id):
            found: dict[str, Any] = self.get(f"/runs/{run_id}")
            if found["status"] in statuses and run_id not in self.live:
                return found
        raise AssertionError(f"{run_id} did not come to {statuses}")

    @property
    def live(self) -> dict[str, Any]:
        assert self.service is not None
        return dict(self.service.jobs.live)

    def question(self, run_id: str) -> dict[str, Any]:
        """What the run asks, as soon as it does."""
        for _ in self.changes(run_id):
            found = [one for one in self.get("/approvals")["approvals"] if one["run_id"] == run_id]
            if found and (job := self.live.get(run_id)) is not None and job.asked:
                return dict(found[0])
        raise AssertionError(f"{run_id} asked nothing")

    def changes(self, run_id: str) -> Iterator[None]:
        """Once now, and after every batch of the run's stream, of which heartbeats are some; not for ever."""
        end = time.monotonic() + 2 * PATIENCE
        with self.http.stream("GET", "/api/v1/events", params={"run": run_id, "after": 0}) as answer:
            yield
            for _ in answer.iter_raw():
                yield
                assert time.monotonic() < end, f"{run_id} did not come to what is waited for"


def sse(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """The events of a stream of server-sent events."""
    event: dict[str, str] = {}
    for line in lines:
        if not line:
            if event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            event[name] = value.removeprefix(" ")
