"""The run that `crash.py` kills: ten kinds of side effects, a scripted model that goes by the record, and the ways to die.

One sitting of it is one forked process. What it may rely on is the store, the workspace and the counter service; nothing is carried over.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import wornpath.caller
import wornpath.tools.beneath
from wornpath import AutoGPT
from wornpath.core import Action, Event, Observation
from wornpath.experience import Tracker
from wornpath.guard import ApprovalAnswer, ApprovalRequest, Limits
from wornpath.llm import ScriptedChat
from wornpath.store import SqliteStore
from wornpath.tools import ToolContext, tool

RUN = "20260101-000000-killed"
ENDED = ("met", "unmet", "unverified")
LARGE = "0123456789abcdef" * 4096

ITEMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "append": ("write", "append_file", {"path": "log.txt"}),
    "write": ("write", "write_file", {"path": "report.txt"}),
    "edit": ("write", "edit_file", {"path": "edited.txt", "old": "x", "new": "xx", "replace_all": True}),
    "move": ("organise", "move_file", {"source": "from.txt", "destination": "moved/to.txt"}),
    "copy": ("organise", "copy_file", {"source": "tree", "destination": "copied"}),
    "delete": ("organise", "delete_file", {"path": "old.txt"}),
    "python": ("code", "python", {}),
    "note": ("other", "note_down", {"item": "note"}),
    "count": ("other", "count", {"item": "count"}),
    "count_keyed": ("other", "count_keyed", {"item": "count_keyed"}),
    "count_checked": ("other", "count_checked", {"item": "count_checked"}),
}
"""What is to be done once each: the kind of the subtask, the tool, the arguments that the model gives."""
TEXTS = {"append": "a line\n", "write": LARGE, "python": "open('py.txt', 'a').write('ran\\n')"}


def lay_out(folder: Path) -> None:
    """The workspace as it is before the run, and next to it the notebook that a tool writes to."""
    work = folder / "work"
    (work / "tree" / "deep").mkdir(parents=True)
    for name, text in {
        "edited.txt": "x",
        "from.txt": "moved",
        "old.txt": "old",
        "tree/a": LARGE,
        "tree/deep/b": "b",
    }.items():
        (work / name).write_text(text)


class Service:
    """The counter service, as a client sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def count(self, item: str, key: str = "") -> str:
        return self._ask("count", {"run": RUN, "item": item, "key": key})

    def seen(self, item: str) -> bool:
        return self._ask("seen", {"item": item}) == "yes"

    def _ask(self, path: str, body: dict[str, Any]) -> str:
        data = json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/{path}", data=data, timeout=30) as answer:
            return str(answer.read().decode())


class Sitting:
    """One process's share of the run. POINT says where it dies: `event:N` after the N-th event of the sitting is committed, `before:N` and
    `effect:N` right before and right after the effect of the N-th action, `inside:N` in the middle of its N-th write; `time:S` is the
    parent's to do. REPORT is told what happens as it happens."""

    def __init__(self, folder: Path, items: list[str], service: Service, point: str, rng: random.Random, report: int):
        self.folder, self.work, self.items, self.service, self.rng = folder, folder / "work", items, service, rng
        self.kind, _, value = point.partition(":")
        self.at = int(float(value or 0))
        self.report = report
        self.events = self.calls = self.writes = 0
        self.acting = False
        self.store = SqliteStore(folder / "home")

    # -- dying -------------------------------------------------------------------------------------

    def tell(self, **what: Any) -> None:
        os.write(self.report, json.dumps(what).encode() + b"\n")

    def die(self) -> NoReturn:
        """Ask the parent for SIGKILL, and do nothing more."""
        self.tell(kill=self.kind)
        while True:
            time.sleep(60)

    def saw(self, event: Event) -> None:
        self.tell(seq=event.seq, type=event.type)
        self.events += 1
        if self.kind == "event" and self.events == self.at:
            self.die()

    async def call(self, real: Callable[..., Any], used: Any, *arguments: Any) -> Observation:
        """In place of what calls a tool."""
        self.calls += 1
        if self.kind == "before" and self.calls == self.at:
            self.die()
        self.acting = True
        seen: Observation = await real(used, *arguments)
        self.acting = False
        if self.kind == "effect" and self.calls == self.at:
            self.die()
        return seen

    def write_all(self, real: Callable[..., Any], file: Any, data: bytes) -> None:
        """In place of what the file tools write with."""
        self.writes += self.acting
        if self.kind == "inside" and self.acting and self.writes == self.at:
            file.write(data[: len(data) // 2])
            self.die()
        real(file, data)

    # -- the world ---------------------------------------------------------------------------------

    def tools(self) -> list[Any]:
        service, notebook = self.service, self.folder / "notebook.txt"

        @tool(risk="write", idempotent=False)
        def note_down(item: str) -> str:
            """Write an item into the notebook."""
            with notebook.open("a") as file:
                file.write(f"{item}\n")
            return f"Noted {item}."

        @tool(risk="send", idempotent=False)
        def count(item: str) -> str:
            """Send an item to the counter, which knows no keys."""
            return service.count(item)

        @tool(risk="write", idempotent=True)
        def count_keyed(context: ToolContext, item: str) -> str:
            """Send an item to the counter under the action's key."""
            return service.count(item, context.key)

        @tool(risk="write", idempotent=False, verify=lambda item: service.seen(item))
        def count_checked(item: str) -> str:
            """Send an item to the counter, which can be asked about it."""
            return service.count(item)

        @tool
        def peek(number: int) -> str:
            """Look whether something is there."""
            return f"{number} is there."

        return [note_down, count, count_keyed, count_checked, peek]

    def model(self, messages: Any, schema: Any, n: int) -> Any:
        if schema is None:
            return TEXTS.get(self.items[self.now()[0].active.id - 1], "Done.") if self.now()[0].active else "Done."
        if "anyOf" in schema:
            return self.action()
        names = schema["properties"]
        if "subtasks" in names:
            plan = [{"do": f"Do {item}", "kind": ITEMS[item][0], "output": "", "has": []} for item in self.items]
            return {"subtasks": plan}
        return {"reason": "it looks fine", "met": True} if "met" in names else {"state": "not done"}

    def now(self) -> tuple[Tracker, set[str]]:
        """The tracker as it is on record, and the tools whose action has a recorded end."""
        tracker, done = Tracker(), set[str]()
        for event in self.store.events(RUN):
            tracker.apply(event)
            if event.type == "action.finished" and tracker.last is not None:
                done.add(tracker.last.tool)
        return tracker, done

    def action(self) -> dict[str, Any]:
        """What is to be done next: the active subtask's action unless its end is on record, then finish."""
        tracker, done = self.now()
        assert tracker.active is not None
        _, name, arguments = ITEMS[self.items[tracker.active.id - 1]]
        if name not in done:
            return {"tool": name, "arguments": arguments}
        if tracker.subtask_ok:
            return {"tool": "finish", "arguments": {}}
        return {"tool": "peek", "arguments": {"number": tracker.step}}

    async def person(self, request: ApprovalRequest) -> ApprovalAnswer | None:
        """Goes by what is out there. What is there is not to be done again; a half-written line is taken away. Is away at times."""
        cut_off = "cut off" in request.reason
        self.tell(asked=request.action.tool, cut_off=cut_off)
        if self.rng.random() < 0.3:
            return None
        if cut_off and self.is_done(request.action):
            return ApprovalAnswer("deny", "it was done already")
        return ApprovalAnswer("allow")

    def is_done(self, action: Action) -> bool:
        match action.tool:
            case "note_down":
                file = self.folder / "notebook.txt"
                return file.exists() and "note\n" in file.read_text()
            case "count":
                return self.service.seen("count")
            case "python":
                return (self.work / "py.txt").exists() and "ran\n" in (self.work / "py.txt").read_text()
            case "append_file":
                (self.work / "log.txt").unlink()
                return False
            case _:
                raise AssertionError(f"nobody should be asked about {action}")

    # -- the sitting -------------------------------------------------------------------------------

    def agent(self) -> AutoGPT:
        more: dict[str, Any] = {
            "store": self.store,
            "tools": self.tools(),
            "model": ScriptedChat(self.model),
            "approver": self.person,
            "on_event": self.saw,
        }
        if self.store.runs() and self.store.run(RUN).goal:
            return AutoGPT.resume(RUN, **more)
        return AutoGPT("Do each thing once", workspace=self.work, run_id=RUN, limits=Limits(max_steps=60), **more)

    def sit(self) -> str:
        """The status that the run ended with."""
        if self.store.runs() and (ended := self.store.run(RUN).status) in ENDED:
            return ended  # it was killed after its end was recorded
        wornpath.caller.call = partial(self.call, wornpath.caller.call)
        writing = wornpath.tools.beneath
        for module in [m for m in list(sys.modules.values()) if getattr(m, "write_all", None) is writing.write_all]:
            module.write_all = partial(self.write_all, writing.write_all)  # type: ignore[attr-defined]
        try:
            return asyncio.run(self.agent().arun()).result.status
        finally:
            self.store.close()


def child(sitting: Callable[[], Sitting], report: int) -> NoReturn:
    """Live through a sitting, in a process that was forked for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        here = sitting()
        here.tell(end=here.sit())
    except BaseException as error:
        os.write(report, json.dumps({"end": f"crashed: {type(error).__name__}: {error}"[:2000]}).encode() + b"\n")
    finally:
        os._exit(0)
