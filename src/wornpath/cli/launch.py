"""Making the agent that a command asks for, out of settings, store and terminal, and running it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wornpath.cli.answers import Said
from wornpath.cli.approve import TerminalApprover
from wornpath.cli.display import choose
from wornpath.cli.drive import drive, drive_plan, listener, pending
from wornpath.cli.goal import workspace_folder
from wornpath.cli.terminal import interactive
from wornpath.core import Goal, UsageError
from wornpath.serve import kept_answers

if TYPE_CHECKING:
    from wornpath.agent import AutoGPT
    from wornpath.cli.settings import Loaded
    from wornpath.guard import Limits
    from wornpath.llm.chat import Chat
    from wornpath.store import RunInfo
    from wornpath.store.protocol import Store

LIMIT_NAMES = ("max_steps", "max_tokens", "max_cost", "timeout")


class Launch:
    """One command's way from options to a running agent."""

    def __init__(self, store: Store, loaded: Loaded, *, yes: bool, json: bool, quiet: bool) -> None:
        self.store, self.loaded, self.settings, self.yes = store, loaded, loaded.settings, yes
        self.display = choose(json=json, quiet=quiet, out=sys.stdout, err=sys.stderr)
        self.approver = TerminalApprover(self.display)
        self._agent: AutoGPT | None = None

    def start(
        self,
        text: str,
        *,
        workspace: str | None,
        checks: Sequence[str],
        parent: str | None,
        plan_only: bool,
        family: str = "",
    ) -> int:
        """A new run. Returns the exit code."""
        from wornpath.agent import AutoGPT
        from wornpath.guard import Limits, read_rules

        earlier = self.store.run(parent) if parent else None
        if earlier is not None:
            text, workspace = continued(text, earlier), workspace or earlier.workspace
        folder = workspace_folder(workspace)
        if any(not check.strip() for check in checks):
            raise UsageError("A check is empty; --check takes a command that exits 0 when the goal is met.")
        settings = self.settings
        rules = read_rules(Path(settings.rules)) if settings.rules else []
        self._agent = AutoGPT(
            Goal(text, str(folder), tuple(checks)),
            model=self._chat(),
            store=self.store,
            approver=self.approver if interactive() else None,
            approve=settings.approve,
            sandbox=settings.sandbox,
            candidates=settings.candidates,
            limits=Limits(**{name: getattr(settings, name) for name in LIMIT_NAMES}),
            seed=settings.seed,
            learn=settings.learn,
            family=family,
            rules=rules,
            on_event=listener(lambda: self._agent, self.display),
            parent=earlier.run_id if earlier else None,
        )
        if plan_only:
            return drive_plan(self._agent, self.display)
        return drive(self._agent, self.display, self.approver)

    def go_on(self, info: RunInfo, said: Said) -> int:
        """A run taken up again. Returns the exit code."""
        from wornpath.agent import AutoGPT

        if info.status == "running":
            raise UsageError(f"Run {info.run_id} is still running, in process {info.pid}; stop it first.")
        start: dict[str, Any] = {"options": {}}
        for event in self.store.events(
            info.run_id, types=("run.started", "run.resumed")
        ):  # a resume may have changed options
            start |= {**event.data, "options": {**start["options"], **event.data.get("options", {})}}
        waiting = pending(self.store, info.run_id)
        kept = kept_answers.read(self.store, info.run_id)  # given on a page whose server has stopped since
        answers = {id: answer for id, answer in kept.items() if id in waiting} | said.answers(waiting)
        self._agent = AutoGPT.resume(
            info.run_id,
            store=self.store,
            answers=answers,
            model=self._chat(str(start.get("model", ""))),
            approver=self.approver if interactive() else None,
            limits=self._limits(start),
            rules=self.settings.rules if self.loaded.origin("rules").kind == "flag" else None,
            on_event=listener(lambda: self._agent, self.display),
        )
        return drive(self._agent, self.display, self.approver)

    def _chat(self, recorded: str = "") -> Chat:
        from wornpath.cli.model import open_model

        return open_model(self.loaded, yes=self.yes, quiet=not self.display.tips, recorded=recorded)

    def _limits(self, start: Mapping[str, Any]) -> Limits:
        """The limits the run began with, and those given now in their place."""
        from wornpath.guard import Limits

        begun: Mapping[str, Any] = start.get("options", {}).get("limits", {})
        given = {name: getattr(self.settings, name) for name in LIMIT_NAMES if self.loaded.origin(name).kind == "flag"}
        return Limits(**{**{name: begun[name] for name in LIMIT_NAMES if name in begun}, **given})


def continued(text: str, earlier: RunInfo) -> str:
    """The goal of a run that goes on from EARLIER: the new wish first, then what it follows on."""
    from wornpath.cli.text import clip, one_line

    before = f"{text}\n\nThis continues earlier work in the same folder: {clip(one_line(earlier.goal), 400)}"
    return before + (
        f"\nIts outcome ({earlier.status}): {clip(one_line(earlier.summary), 600)}" if earlier.summary else ""
    )
