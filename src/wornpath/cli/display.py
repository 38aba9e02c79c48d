"""What a person sees while a run goes on: a live picture on a terminal, plain lines elsewhere, JSON Lines, or nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from wornpath.cli import text as t
from wornpath.cli.narrate import PURPOSES, STATUS_STYLES, Marks, Narrator, fitting

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from wornpath.core import Event


class Display(Protocol):
    """Told of events and of text being written. `tips`: whether to suggest what one could do next."""

    tips: bool

    def event(self, event: Event) -> None: ...

    def text(self, purpose: str, piece: str) -> None: ...

    def say(self, message: str) -> None:
        """A line from the command line itself, not from the run."""
        ...

    def paused(self) -> Any:
        """A context in which the terminal is free for questions."""
        ...

    def __enter__(self) -> Display: ...

    def __exit__(self, *exc: object) -> None: ...


class Silent:
    """Shows nothing of the run. What a person must know still goes to standard error."""

    tips = False

    def __init__(self, err: TextIO) -> None:
        self.err = err

    def event(self, event: Event) -> None:
        pass

    def text(self, purpose: str, piece: str) -> None:
        pass

    def say(self, message: str) -> None:
        from wornpath.cli.output import say

        say(message, self.err)

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class JsonLines(Silent):
    """Every event as one line of JSON on standard output."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        super().__init__(err)
        self.out = out

    def event(self, event: Event) -> None:
        from wornpath.cli.output import json_line

        json_line(event.as_dict(), self.out)


class Lines(Silent):
    """Lines one after another, for logs, pipes and `wornpath show`; in columns on a terminal."""

    tips = True

    def __init__(self, stream: TextIO) -> None:
        from wornpath.cli.output import console

        super().__init__(stream)
        self.console = console(stream)
        self.narrator = Narrator(
            width=self.console.width if stream.isatty() else None, marks=Marks.fitting(stream.encoding)
        )

    def event(self, event: Event) -> None:
        for line in self.narrator.feed(event):
            line.rstrip()
            self.console.print(line, soft_wrap=True)
        self.err.flush()


class LivePicture:
    """Finished steps scroll by; below them stand the plan, what is going on now, tokens and time."""

    tips = True

    def __init__(self, console: Console) -> None:
        self.console = console
        self.narrator = Narrator(width=console.width, marks=Marks.fitting(console.encoding))
        self.started = time.monotonic()
        self._writing, self._written = "", ""
        self._live = self._fresh()

    def _fresh(self) -> Live:
        """A picture that has drawn nothing yet: one that was stopped would erase what was printed since."""
        from rich.live import Live

        return Live(
            get_renderable=self._picture,
            console=self.console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
        )

    def event(self, event: Event) -> None:
        self.narrator.width = fitting(self.console.width)
        if event.type in ("model.called", "action.started", "action.finished"):
            self._writing, self._written = "", ""
        lines = self.narrator.feed(event)
        if event.type in ("plan.made", "plan.changed"):
            lines = lines[:1]  # the plan itself stands in the picture
        elif event.type == "approval.requested":
            lines = []  # the approver shows the whole of it
        for line in lines:
            self.console.print(line, no_wrap=True, overflow="ellipsis", highlight=False)
        if event.type in ("plan.made", "plan.changed", "subtask.started"):
            self._live.refresh()  # what changes the picture's shape shows at once, however quick the step is

    def text(self, purpose: str, piece: str) -> None:
        if purpose != self._writing:
            self._writing, self._written = purpose, ""
        self._written = (self._written + piece)[-2000:]

    def say(self, message: str) -> None:
        self.console.print(t.visible(message), style="yellow", markup=False, highlight=False)

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._live.stop()
        try:
            yield
        finally:
            self._live = self._fresh()
            self._live.start()

    def __enter__(self) -> LivePicture:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()
        self.console.print()

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        room = max(0, self.console.height - 4)  # a picture taller than the screen would scroll at every refresh
        return Group(Text(), *self.narrator.plan_lines()[:room], self._now())

    def _now(self) -> RenderableType:
        from rich.spinner import Spinner
        from rich.text import Text

        now, dot = self.narrator.now, self.narrator.marks.dot
        activity = PURPOSES.get(self._writing, self._writing) if self._writing else now.activity
        facts = [t.duration(time.monotonic() - self.started)]
        if now.tokens:
            facts.insert(0, t.tokens(now.tokens))
        if now.cost_usd:
            facts.insert(1, t.money(now.cost_usd))
        if now.step:
            facts.insert(0, t.plural(now.step, "step"))
        tail = f"  {f' {dot} '.join(facts)}"
        room = self.console.width - 11 - t.cells(tail)
        line = Text.assemble((t.clip(activity, room, end=self.narrator.marks.end), STATUS_STYLES["active"]))
        room -= line.cell_len + 2
        if self._written and room > 8:
            line.append("  " + _tail(t.one_line(self._written), room), style="dim italic")
        line.append(tail, style="dim")
        # rich's Spinner draws the sign and one space; the indentation lines it up with the marks of the plan
        spinner = Spinner(self.narrator.marks.spinner, text=line, style="cyan")
        from rich.padding import Padding

        return Padding(spinner, (0, 0, 0, 8))


def _tail(text: str, width: int) -> str:
    """The end of TEXT that fits in WIDTH columns."""
    while t.cells(text) > width:
        text = text[max(1, (t.cells(text) - width) // 2) :]
    return text


def choose(*, json: bool, quiet: bool, out: TextIO, err: TextIO) -> Display:
    """The display that fits the options and the terminal."""
    if json:
        return JsonLines(out, err)
    if quiet:
        return Silent(err)
    from wornpath.cli.output import console

    screen = console(err)
    return LivePicture(screen) if err.isatty() and not screen.is_dumb_terminal else Lines(err)
