"""A run told in lines, from its events alone: the live display and `wornpath show` say the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wornpath.cli import text as t
from wornpath.core.errors import of_limit

if TYPE_CHECKING:
    from rich.text import Text

    from wornpath.core import Event

RESULT_STYLES = {"ok": "green", "empty": "yellow", "error": "red", "denied": "magenta", "timeout": "red"}
PURPOSES = {
    "plan": "planning",
    "replan": "planning again",
    "propose": "choosing an action",
    "argument": "writing",
    "answer": "answering",
    "judge": "judging the result",
}
_RIGHT = 27  # columns of result class, seconds and tokens
_NARROW = 72  # below so many columns the seconds are left out, and the arguments have their place


@dataclass(frozen=True, slots=True)
class Marks:
    """The signs in front of a line: Unicode where the terminal can show it, else ASCII."""

    pending: str = "○"
    active: str = "●"
    done: str = "✓"
    failed: str = "✗"
    arrow: str = "→"
    dot: str = "·"
    end: str = "…"
    spinner: str = "dots"

    @classmethod
    def fitting(cls, encoding: str | None) -> Marks:
        if (encoding or "").lower().replace("-", "").startswith("utf"):
            return cls()
        return cls("-", "*", "+", "x", "->", "|", "...", "line")

    def of(self, status: str) -> str:
        return str(getattr(self, status, self.pending))


STATUS_STYLES = {"pending": "dim", "active": "bold cyan", "done": "green", "failed": "red"}


@dataclass(slots=True)
class Progress:
    """Where a run stands, as far as its events tell."""

    run_id: str = ""
    goal: str = ""
    workspace: str = ""
    model: str = ""
    subtasks: dict[int, tuple[str, str]] = field(default_factory=dict)  # id → description, status
    step: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    unreported: int = 0
    """Tokens used since the last line that told them."""
    by: str = ""
    activity: str = "starting"
    finished: Mapping[str, Any] | None = None

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


WIDEST = 120


def fitting(width: int | None) -> int | None:
    """The width to use of a terminal: on a very wide one the columns would be too far apart to read as a line."""
    return None if width is None else min(width, WIDEST)


class Narrator:
    """Turns events into lines. `width` is the terminal's, for columns; None gives plain lines with two spaces between the parts."""

    def __init__(self, *, width: int | None = None, marks: Marks | None = None) -> None:
        self.width, self.marks, self.now = fitting(width), marks or Marks(), Progress()
        self._running: Mapping[str, Any] | None = None
        self._held: list[Text] = []  # what an action did before its own line is told
        self._failed = ""  # why the last call of the model failed, until it is known whether the run ended with that
        self._tell: dict[str, Callable[[Mapping[str, Any], Event], list[Text]]] = {
            name.removeprefix("_on_").replace("_", ".", 1): getattr(self, name)
            for name in dir(self)
            if name.startswith("_on_")
        }

    def feed(self, event: Event) -> list[Text]:
        """The lines that EVENT adds; `now` is up to date afterwards."""
        self.now.run_id = event.run_id or self.now.run_id
        self.now.step = max(self.now.step, event.step)
        tell = self._tell.get(event.type)
        failed, self._failed = self._failed, ""
        try:
            lines = tell(event.data, event) if tell else []
            if failed and (event.data.get("result") or {}).get("summary") != failed:  # else it is told as the run's end
                lines = [self._remark(f"the model failed: {failed}", "red"), *lines]
            return lines
        except (TypeError, ValueError, AttributeError, LookupError):  # written by another version, or by hand
            return [self._remark(f"{event.type}, with data of another form", "dim")]

    def plan_lines(self) -> list[Text]:
        """The plan with the status of every subtask."""
        return [self._subtask(number, *subtask) for number, subtask in self.now.subtasks.items()]

    # One method an event type; the name is the type with its dot as an underscore.

    def _on_run_started(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        self.now.model = str(data.get("model", ""))
        self.now.activity = "planning"
        return [self._pair("run", t.one_line(f"{event.run_id}  {self.marks.dot} {self.now.model}"), dim=True)]

    def _on_goal_set(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        goal = data.get("goal", {})
        self.now.goal, self.now.workspace = str(goal.get("text", "")), str(goal.get("workspace", "."))
        lines = [self._pair("goal", t.one_line(self.now.goal))]
        lines.append(self._pair("in", t.one_line(self.now.workspace), dim=True))
        lines += [self._pair("check", t.one_line(check), dim=True) for check in goal.get("checks", ())]
        return lines

    def _on_plan_made(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        return self._plan(data, "plan")

    def _on_plan_changed(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        return self._plan(data, "new plan")

    def _plan(self, data: Mapping[str, Any], word: str) -> list[Text]:
        plan = data.get("plan", {})
        self.now.subtasks = {
            int(s["id"]): (str(s.get("description", "")), str(s.get("status", "pending")))
            for s in plan.get("subtasks", ())
        }
        self.now.activity = "choosing an action"
        reason = str(data.get("reason") or plan.get("reason") or "")
        more = f"  {self.marks.dot} {t.one_line(reason)}" if reason and word != "plan" else ""
        head = self._pair(word, f"{t.plural(len(self.now.subtasks), 'subtask')}{self._spent()}{more}")
        return [head, *self.plan_lines()]

    def _on_subtask_started(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        self._set_status(data.get("subtask"), "active")
        return []

    def _on_subtask_finished(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        number = data.get("subtask")
        self._set_status(number, str(data.get("status", "done")))
        if number not in self.now.subtasks:
            return []
        why = t.one_line(str(data.get("why") or ""))
        return [self._subtask(int(number), *self.now.subtasks[number], why=why)]

    def _on_model_called(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        usage = data.get("usage", {})
        prompt, completion = int(usage.get("prompt", 0)), int(usage.get("completion", 0))
        self.now.prompt_tokens += prompt
        self.now.completion_tokens += completion
        self.now.unreported += prompt + completion
        self.now.calls += int(usage.get("calls", 1))
        self.now.cost_usd += float(usage.get("cost_usd", 0.0))
        self._failed = str(data.get("error") or "")
        return []

    def _on_action_decided(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        decision = data.get("decision", {})
        self.now.by = str(decision.get("by", "llm"))
        action = _chosen(decision)
        self.now.activity = f"preparing {t.one_line(str(action.get('tool', '')))}"
        return []

    def _on_approval_requested(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        self.now.activity = "waiting for a person"
        action = data.get("action", {})
        what = str(data.get("reason") or "") if data.get("kind") == "question" else _call(action)
        return [self._remark(f"asks [{data.get('id', '')}]  {what}", "yellow")]

    def _on_approval_answered(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        words = {"allow": "allowed", "deny": "denied", "answer": "answered"}
        comment = f": {data['comment']}" if data.get("comment") else ""
        return [
            self._remark(
                f"{words.get(str(data.get('answer')), 'answered')} by {data.get('by', 'person')}{comment}", "yellow"
            )
        ]

    def _on_action_started(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        self.now.activity = f"running {t.one_line(_call(data.get('action', {})))}"
        self._running = dict(data.get("action", {}))
        return []

    def _on_action_finished(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        self.now.activity = "choosing an action"
        observation = data.get("observation", {})
        result = str(observation.get("result", "ok"))
        spent, self.now.unreported = self.now.unreported, 0
        lines = [self._step(event.step, self._running or {}, result, float(data.get("seconds", 0.0)), spent)]
        if result in ("error", "denied", "timeout"):
            said = "\n".join(
                str(p.get("text", "")) for p in observation.get("parts", ()) if p.get("kind", "text") == "text"
            )
            telling = [line for line in said.splitlines() if line.strip()]
            if telling:  # a traceback says what happened in its last line, everything else in its first
                lines.append(self._remark(telling[-1] if "Traceback" in telling[0] else telling[0], "red"))
        lines, self._held, self._running = [*lines, *self._held], [], None
        return lines

    def _with_its_step(self, line: Text) -> list[Text]:
        """LINE at once, or after the line of the action that is running."""
        if self._running is None:
            return [line]
        self._held.append(line)
        return []

    def _on_evaluation_made(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        if data.get("scope") != "run":
            return []
        evaluation = data.get("evaluation", {})
        verdict, source = str(evaluation.get("verdict", "unverified")), str(evaluation.get("source", "environment"))
        style = {"met": "green", "unmet": "red"}.get(verdict, "yellow")
        comment = f": {evaluation['comment']}" if evaluation.get("comment") else ""
        return [self._pair("verdict", t.one_line(f"{verdict} ({source}){comment}{self._spent()}"), style=style)]

    def _on_note_added(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        return self._with_its_step(self._remark(f"note: {data.get('text', '')}", "cyan"))

    def _on_budget_reached(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        kind, limit = str(data.get("kind", "")).replace("cost_usd", "US dollars"), data.get("limit", 0)
        return [self._remark(f"limit of {of_limit(limit, kind)} reached", "yellow")]

    def _on_loop_found(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        length = int(data.get("length", 1))
        what = "repeats itself" if length == 1 else f"goes round in a circle of {length} steps"
        return [self._remark(f"{what}: {t.clip(_call(data.get('action', {})), 100, end=self.marks.end)}", "yellow")]

    def _on_artifact_written(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        wrote = f"wrote {data.get('path', '')}, {t.size(int(data.get('bytes', 0)))}"
        return self._with_its_step(self._remark(wrote, "dim"))

    def _on_person_said(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        said = f"rated {data.get('rating', '')}" if data.get("kind") == "rating" else str(data.get("kind", "said"))
        more = f": {data['text']}" if data.get("text") else ""
        return [self._remark(f"person {said}{more}", "cyan")]

    def _on_run_paused(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        reason = str(data.get("reason") or "").partition(";")[0]  # the command line itself says how to go on
        usual = not reason or reason.startswith("Stopped after step")
        return [self._remark("paused" if usual else f"paused: {reason}", "yellow")]

    def _on_run_resumed(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        self.now.activity = "choosing an action"
        return [self._remark("resumed", "cyan")]

    def _on_run_finished(self, data: Mapping[str, Any], event: Event) -> list[Text]:
        self.now.finished = data.get("result", {})
        return []

    # Layout

    def _set_status(self, number: Any, status: str) -> None:
        if number in self.now.subtasks:
            self.now.subtasks[number] = (self.now.subtasks[number][0], status)

    def _spent(self) -> str:
        spent, self.now.unreported = self.now.unreported, 0
        return f"  {self.marks.dot} {t.tokens(spent)}" if spent else ""

    def _pair(self, name: str, value: str, *, dim: bool = False, style: str = "") -> Text:
        from rich.text import Text

        width = self.width and self.width - 10
        return Text.assemble(
            (t.pad(name, 8, right=True), "bold" if not dim else "dim"),
            "  ",
            (t.clip(value, width, end=self.marks.end) if width else value, "dim" if dim else style),
        )

    def _subtask(self, number: int, description: str, status: str, why: str = "") -> Text:
        from rich.text import Text

        line = t.one_line(description) + (f"  ({why})" if why and status == "failed" else "")
        style = STATUS_STYLES.get(status, "")
        width = self.width and self.width - 14
        return Text.assemble(
            " " * 8,
            (self.marks.of(status), style),
            f" {number}  ",
            (
                t.clip(line, width, end=self.marks.end) if width else line,
                style if status in ("active", "failed") else "",
            ),
        )

    def _step(self, number: int, action: Mapping[str, Any], result: str, seconds: float, spent: int) -> Text:
        from rich.text import Text

        tool, detail = t.one_line(str(action.get("tool", "?"))), t.arguments(action.get("arguments", {}))
        cost = t.tokens(spent) if spent else ("no model" if self.now.by != "llm" else t.tokens(0))
        style = RESULT_STYLES.get(result, "")
        if self.width is None:
            return Text(
                f"{number:>8}  {tool}  {t.clip(detail, 100, end=self.marks.end)}  {result}  {t.seconds(seconds)}  {cost}"
            )
        name = t.pad(t.clip(tool, 14, end=self.marks.end), max(12, min(14, t.cells(tool))))
        took = "" if self.width < _NARROW else t.pad(t.seconds(seconds), 8, right=True)
        room = max(8, self.width - 10 - t.cells(name) - 2 - (_RIGHT if took else _RIGHT - 8))
        return Text.assemble(
            (f"{number:>8}  ", "dim"),
            (name, "bold"),
            "  ",
            t.pad(t.clip(detail, room, end=self.marks.end), room),
            (t.pad(result, 9, right=True), style),
            (took, "dim"),
            (t.pad(cost, 10, right=True), "dim"),
        )

    def _remark(self, said: str, style: str) -> Text:
        from rich.text import Text

        said, width = t.one_line(said), self.width and self.width - 13
        return Text.assemble(
            " " * 10,
            (self.marks.arrow, style),
            " ",
            (t.clip(said, width, end=self.marks.end) if width else said, style),
        )


def _chosen(decision: Mapping[str, Any]) -> Mapping[str, Any]:
    candidates, chosen = decision.get("candidates", ()), int(decision.get("chosen", 0))
    action: Mapping[str, Any] = candidates[chosen].get("action", {}) if chosen < len(candidates) else {}
    return action


def _call(action: Mapping[str, Any]) -> str:
    """An action as people read it: the tool, then its arguments."""
    return f"{action.get('tool', '')} {t.arguments(action.get('arguments', {}))}".strip()
