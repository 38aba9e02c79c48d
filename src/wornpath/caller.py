"""The call of an action: its free text is written, permission asked for where it is needed, and the tool called; what it is about to do is
committed before, what came of it after."""

from __future__ import annotations

import contextlib
import posixpath
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wornpath.core import Action, EventType, Observation, ToolError, digest, to_json
from wornpath.footprint import Footprint
from wornpath.free_text import FreeText
from wornpath.guard import ApprovalAnswer, ApprovalRequest, Session
from wornpath.guard.preview import preview
from wornpath.proposer import CONTROLS
from wornpath.tools import Registry, Tool, ToolContext
from wornpath.tools.calling import call

TOOL_SECONDS = 180.0


@dataclass(slots=True)
class Caller:
    """Carries a run's actions out, and records them."""

    session: Session
    registry: Registry
    context: ToolContext
    footprint: Footprint
    text: FreeText

    async def call(self, action: Action) -> Observation:
        """Carry ACTION out: write the text it still lacks, ask for permission where needed, call the tool, record the result."""
        session = self.session
        if action.tool in CONTROLS:
            return await self._control(action)
        tool = self.registry.get(action.tool)
        if tool is None:
            return self.finish(action, "read", Observation.of(f"There is no tool named {action.tool!r}.", "error"))
        session.refresh()
        ruling = session.ruling(tool, action)
        if ruling.permission != "deny":  # else no text need be written
            action = await self.text.fill(tool, action)
            ruling = session.ruling(tool, action)
        if ruling.permission == "ask":
            shown = preview(tool, action, self.context.workspace)
            request = ApprovalRequest(self._id(action), action, tool.risk, ruling.reason, preview=shown)
            answer = await session.approved(request, tool, lambda given: self.edited(action, given))
            if answer.answer != "allow":
                return self.answered(action, tool.risk, answer)
            action = self.edited(action, answer.arguments)
            if forbidden := session.forbidden(tool, action):  # by a rule that is younger than the question
                return self.finish(action, tool.risk, Observation.of(forbidden, "denied"))
        elif ruling.permission == "deny":
            return self.finish(action, tool.risk, Observation.of(ruling.reason, "denied"))
        return await self.execute(tool, action)

    def edited(self, action: Action, arguments: Mapping[str, Any] | None) -> Action:
        """ACTION with the ARGUMENTS that a person put in place of its own. Raises ToolError where they do not fit the tool, or a rule
        denies them: a person at the keyboard is not above the policy."""
        if arguments is None:
            return action
        registry = self.registry
        action = registry.action(action.tool, arguments, self.context.workspace)
        ruling = self.session.ruling(registry[action.tool], action)
        if ruling.permission == "deny":
            raise ToolError(ruling.reason)
        return action

    async def execute(self, tool: Tool, action: Action) -> Observation:
        """Call TOOL: its intent is committed before, its result after."""
        session = self.session
        key = self.identify(action)
        session.record(
            "action.started",
            {"id": key, "action": to_json(action), "risk": tool.risk, "idempotent": tool.idempotent},
        )
        left = session.budget.seconds_left()
        started = time.monotonic()
        try:
            if "code" in tool.text.values() and not re.search(r"mkdir|makedirs", str(action.arguments)):
                self._make_folders()
            real = session.secrets.restored(tool, action, confined=session.sandbox != "full")
            seen = await call(tool, self.context, real, TOOL_SECONDS if left is None else min(TOOL_SECONDS, left + 1))
        except ToolError as error:
            seen = Observation.of(str(error), "error")
        seen = session.provenance.label(tool, action, self.footprint.whole(tool, seen))
        self.footprint.record(seen, action)
        seconds = round(time.monotonic() - started, 3)
        session.record("action.finished", {"id": key, "observation": to_json(seen), "seconds": seconds})
        return seen

    def finish(self, action: Action, risk: str, seen: Observation, *, started: bool = True) -> Observation:
        """Record an action that needed no tool call: its start (unless it was recorded before) and what came of it, in one commit, so that
        a refused action never looks like one that was cut off."""
        key = self._id(action)
        self.footprint.record(seen, action)
        records: list[tuple[EventType, Mapping[str, Any]]] = []
        if started:
            start = {"id": key, "action": to_json(action), "risk": risk, "idempotent": True}
            records.append(("action.started", start))
        records.append(("action.finished", {"id": key, "observation": to_json(seen), "seconds": 0.0}))
        self.session.record_all(records)
        return seen

    def answered(
        self, action: Action, risk: str, answer: ApprovalAnswer, *, question: bool = False, started: bool = True
    ) -> Observation:
        """Record what a person said, to a question or against ACTION, as what came of it."""
        if question:
            seen = Observation.of(f"The person answered: {answer.comment}" if answer.comment else "No answer.")
        else:
            seen = Observation.of(f"A person refused this{': ' if answer.comment else ''}{answer.comment}.", "denied")
        return self.finish(action, risk, seen, started=started)

    def identify(self, action: Action) -> str:
        """Tell the tools which action is in hand; returns its id in the record. The key is the id with the run's in front."""
        key = self._id(action)
        self.context.step, self.context.key = self.session.tracker.step, f"{self.session.run_id}-{key}"
        return key

    def _id(self, action: Action) -> str:
        """The id of ACTION: the one that it was asked about or begun with, else a new one."""
        left = self.session.unfinished
        if left is not None and left.kind in ("approval", "started") and left.action == action:
            return left.id
        return digest(f"{self.session.run_id}:{self.session.budget.steps}:{action.key}")[:8]

    async def _control(self, action: Action) -> Observation:
        match action.tool:
            case "finish":
                return self.finish(action, "read", Observation("ok"))
            case "replan":
                return self.finish(action, "read", Observation("ok"))
            case _:
                question = str(action.arguments.get("question", "How should I go on?"))
                request = ApprovalRequest(self._id(action), action, "read", question, kind="question")
                answer = await self.session.approved(request)
                return self.answered(action, "read", answer, question=True)

    def _make_folders(self) -> None:
        """Make the folders of the files that the active subtask is to make: programs forget it."""
        workspace, active = self.context.workspace, self.session.tracker.active
        for folder in {posixpath.dirname(path) for path in (active.outputs if active else [])} - {""}:
            if workspace.writable and workspace.stat(folder) is None:
                with contextlib.suppress(ToolError):
                    self.context.before_write(folder)
                    workspace.make_folder(folder)
