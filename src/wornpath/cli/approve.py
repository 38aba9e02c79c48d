"""The approver at the terminal: shows the real thing, and takes yes (and for how long), no, an edit, or a comment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wornpath.cli import text as t
from wornpath.cli.display import Display
from wornpath.cli.terminal import interactive, read_line

if TYPE_CHECKING:
    from rich.text import Text

    from wornpath.core import Action, ApprovalScope
    from wornpath.guard import ApprovalAnswer, ApprovalRequest

PREVIEW_LINES = 60
YES = ("y", "yes", "ok", "okay", "allow", "是", "好", "好的", "可以")
NO = ("n", "no", "deny", "否", "不", "不行", "不可以")


class TerminalApprover:
    """Asks on stderr and reads from stdin. Answers None, for nobody, where either is no terminal, at Ctrl-D and when `stop` is set."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self.stop = asyncio.Event()

    async def __call__(self, request: ApprovalRequest) -> ApprovalAnswer | None:
        if not interactive():
            return None
        with self.display.paused():
            _show(request)
            return await (self._question() if request.kind == "question" else self._approval(request))

    async def _question(self) -> ApprovalAnswer | None:
        from wornpath.guard import ApprovalAnswer

        while (said := await read_line("answer> ", stop=self.stop)) is not None:
            if said.strip():
                return ApprovalAnswer("answer", said.strip())
        return None

    async def _approval(self, request: ApprovalRequest) -> ApprovalAnswer | None:
        from wornpath.guard import ApprovalAnswer

        scopes: Mapping[str, ApprovalScope] = {"r": "run", "f": "folder", "a": "always"} if request.rule else {}
        longer = ", yes for this [r]un, this [f]older, [a]lways" if scopes else ""
        prompt = f"allow? [y]es, [n]o, [e]dit{longer}, or say why not> "
        while (said := await read_line(prompt, stop=self.stop)) is not None:
            word = said.strip()
            if word.lower() in YES:
                return ApprovalAnswer("allow")
            if word.lower() in scopes:
                return ApprovalAnswer("allow", scope=scopes[word.lower()])
            if word.lower() in ("e", "edit"):
                edited = await asyncio.to_thread(edit, request.action)
                if edited is not None:
                    return ApprovalAnswer("allow", arguments=edited)
                continue
            if word.lower() in NO:
                return ApprovalAnswer("deny")
            if len(word) > 1:  # a comment is a denial that says why; a single stray key is neither
                return ApprovalAnswer("deny", word)
        return None


def _show(request: ApprovalRequest) -> None:
    import sys

    from rich.text import Text

    from wornpath.cli.output import console
    from wornpath.guard.permissions import usual_reason

    screen = console(sys.stderr)
    screen.print()
    if request.kind == "question":
        screen.print(
            Text.assemble(("question ", "bold yellow"), t.visible(request.reason or request.preview)), soft_wrap=True
        )
        return
    screen.print(
        Text.assemble(("approve? ", "bold yellow"), (request.action.tool, "bold"), f"  risk: {request.risk}"),
        soft_wrap=True,
    )
    if request.reason and request.reason != usual_reason(request.action.tool, request.risk):
        screen.print(Text("  " + t.visible(request.reason), style="dim"), soft_wrap=True)
    for line in preview(request):
        screen.print(line, soft_wrap=True)
    if request.rule:
        screen.print(Text("  for longer: " + t.visible(request.rule), style="dim"), soft_wrap=True)


def preview(request: ApprovalRequest) -> list[Text]:
    """The lines of what is to be approved, coloured where they are a diff; see `wornpath.guard.preview`."""
    from rich.text import Text

    shown = request.preview
    lines = t.visible(shown.strip("\n")).split("\n")
    diff = any(line.startswith("@@") for line in lines)
    styled = [Text("  | " + line, style=diff_style(line) if diff else "") for line in lines[:PREVIEW_LINES]]
    if len(lines) > PREVIEW_LINES:
        styled.append(Text(f"  | … {len(lines) - PREVIEW_LINES:,} more lines", style="dim"))
    return styled


def edit(action: Action) -> dict[str, Any] | None:
    """ACTION's arguments as a person left them in the editor (VISUAL, EDITOR); None where nothing was changed or it is no JSON.

    An argument of several lines is edited as it is, others as JSON.
    """
    import json
    import sys

    from wornpath.cli.editor import edited

    arguments = dict(action.arguments)
    texts = [name for name, value in arguments.items() if isinstance(value, str) and "\n" in value]
    before = str(arguments[texts[0]]) if len(texts) == 1 else json.dumps(arguments, ensure_ascii=False, indent=2)
    try:
        after = edited(before, ".txt" if len(texts) == 1 else ".json")
        if after.rstrip("\n") == before.rstrip("\n"):  # many editors end a file with a line feed by themselves
            sys.stderr.write("Nothing was changed.\n")
            return None
        if len(texts) == 1:
            return {**arguments, texts[0]: after}
        data = json.loads(after)
        if isinstance(data, dict):
            return data
        sys.stderr.write("The arguments are a JSON object, by name.\n")
    except ValueError as error:
        sys.stderr.write(f"That cannot be used: {t.one_line(str(error))}\n")
    return None


def diff_style(line: str) -> str:
    """The colour of a line of a unified diff."""
    if line.startswith("@@"):
        return "cyan"
    if line.startswith(("---", "+++")):
        return "bold"
    return {"+": "green", "-": "red"}.get(line[:1], "")
