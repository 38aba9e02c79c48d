"""Free text: programs, texts and messages, which candidates leave open. Each is written by one call after the choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from wornpath import material
from wornpath.core import Action
from wornpath.guard import Session
from wornpath.judge import predicates
from wornpath.model_calls import ModelCalls
from wornpath.programs import is_program, self_contained, shown, unfenced
from wornpath.tools import Tool, Workspace
from wornpath.writer import Writer


@dataclass(slots=True)
class FreeText:
    """Has the texts of a run's actions written. ON_TEXT is told `argument` and each piece as it comes."""

    session: Session
    model: ModelCalls
    writer: Writer
    workspace: Workspace
    on_text: Callable[[str, str], None] | None = None
    _clings: bool = False
    """The model wrote a program again as it had been shown: it is not shown another."""

    async def fill(self, tool: Tool, action: Action) -> Action:
        """ACTION with its arguments of free text written, one call each; a program that comes out as it was run before, or as prose, is
        asked for once more."""
        tracker, workspace = self.session.tracker, self.workspace
        for name in (n for n in tool.text if n not in action.arguments):
            kind = tool.text[name]
            wrong = (p for p in predicates.still_open(tracker, workspace) if not predicates.holds(p, workspace))
            lacking = list(dict.fromkeys(predicates.lacking(p, workspace, tracker.changed) for p in wrong))
            files = material.telling_files(tracker, workspace)
            about = material.about(tracker, workspace, files, self.model.chat.sizes, self.session.provenance.glimpse)
            stream = partial(self.on_text, "argument") if self.on_text else None
            for seen in (False,) if self._clings else (True, False):
                self.session.check()
                problem = material.problem(tracker, tool, kind, lacking, shown=seen)
                messages = self.writer.messages(tool, name, action, tracker, about, files, problem)
                tries = 0 if not problem else 1 if seen else 2
                completion = await self.model.ask(
                    "argument", messages, self.writer.write(messages, tries=tries, on_text=stream)
                )
                text = unfenced(completion.text, kind)
                if kind == "code":
                    text = self_contained(text, tracker.programs(), shown(str(messages[0]["content"])))
                    text = material.spelled(text, tracker.active.outputs if tracker.active else [], workspace)
                written = Action.of(action.tool, {**action.arguments, name: text})
                self._clings |= bool(problem) and written.key in tracker.tried
                if not (problem and kind == "code") or (written.key not in tracker.tried and is_program(text)):
                    break
            action = written
        return action
