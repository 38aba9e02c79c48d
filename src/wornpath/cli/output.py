"""Standard output and error: streams that never die on a character, tables, and the result of a run."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from wornpath.cli import text as t

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from wornpath.core import Result

STATUS_STYLES = {"met": "bold green", "unmet": "bold red", "error": "bold red"}
MEANING = {
    "met": "goal met",
    "unmet": "goal not met",
    "unverified": "done, but nothing verified it",
    "needs_person": "needs a person",
    "budget": "limit reached",
    "paused": "paused",
    "cancelled": "cancelled",
    "error": "failed",
}


def prepare_streams() -> None:
    """Make stdout and stderr take any text. The C locale says ASCII because nobody said anything, so UTF-8 is used there; any other
    encoding is kept, and characters it lacks are written as escapes. Raises UsageError where standard output is closed."""
    without_output = sys.stdout is None
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        if (stream.encoding or "ascii").lower() in ("ascii", "us-ascii", "ansi_x3.4-1968") and not os.environ.get(
            "PYTHONIOENCODING"
        ):
            reconfigure(encoding="utf-8", errors="backslashreplace")
        else:
            reconfigure(errors="backslashreplace")
    if without_output:
        from wornpath.core import UsageError

        raise UsageError("Standard output is closed; send it to a file, or to /dev/null.")


def _open_closed() -> None:
    """Put /dev/null in the place of standard streams that are closed: a file opened later would take their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            os.set_inheritable(null, True)
            setattr(sys, name, os.fdopen(null, mode, encoding="utf-8"))


def console(stream: TextIO) -> Console:
    """A rich console on STREAM. Rich itself heeds NO_COLOR, FORCE_COLOR and TERM=dumb, but ends the process at a closed pipe; this one
    raises BrokenPipeError."""
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Plain(file=stream, highlight=False, emoji=False, markup=False)


def json_line(data: Mapping[str, Any], out: TextIO | None = None) -> None:
    """DATA as one line of JSON. Lone surrogates, which no encoding can write, become escapes."""
    stream = out or sys.stdout
    line = json.dumps(data, ensure_ascii=not _is_utf8(stream))
    stream.write(line.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")
    stream.flush()


def _is_utf8(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def hanging(screen: Console, head: Text, words: str, *, indent: int) -> None:
    """HEAD and WORDS on one line; where a terminal is too narrow, the WORDS go on below, INDENT columns in, and no word is broken."""
    from rich.text import Text

    line = head + Text(words)
    if not screen.is_terminal or line.cell_len <= screen.width:
        screen.print(line, soft_wrap=True)
        return
    first, *more = line.wrap(screen, screen.width)
    below = Text(" ").join(more).wrap(screen, max(20, screen.width - indent))
    for part in (first, *(Text(" " * indent) + rest for rest in below)):
        part.rstrip()
        screen.print(part, soft_wrap=True)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    flexible: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """A table on stdout, in full elsewhere but cut to the width of a terminal: the FLEXIBLE columns give way, the widest first, and where
    that is not enough the SPARE ones are left out, in that order. RIGHT names the columns that are aligned to the right."""
    from rich.text import Text

    screen = console(sys.stdout)
    cleaned = [[t.one_line(cell) for cell in row] for row in rows]
    widths = [max([t.cells(name), *(t.cells(row[i]) for row in cleaned)]) for i, name in enumerate(columns)]
    if sys.stdout.isatty():
        for name in [*spare, None]:
            _squeeze(widths, [i for i, one in enumerate(columns) if one in flexible], screen.width)
            if name is None or _total(widths) <= screen.width:
                break
            at = list(columns).index(name)
            columns = [*columns[:at], *columns[at + 1 :]]
            cleaned = [[*row[:at], *row[at + 1 :]] for row in cleaned]
            widths = [max([t.cells(one), *(t.cells(row[i]) for row in cleaned)]) for i, one in enumerate(columns)]
    end = "…" if _is_utf8(sys.stdout) else "..."
    for number, row in enumerate([list(columns), *cleaned]):
        parts = [
            t.pad(t.clip(cell, width, end=end), width, right=name in right)
            for cell, width, name in zip(row, widths, columns, strict=True)
        ]
        screen.print(Text("  ".join(parts).rstrip(), style="bold" if number == 0 else ""), soft_wrap=True)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _squeeze(widths: list[int], flexible: Sequence[int], room: int) -> None:
    """Narrow the FLEXIBLE columns, by place, until all fit in ROOM columns or they are 10 wide."""
    while flexible and _total(widths) > room:
        widest = max(flexible, key=widths.__getitem__)
        if widths[widest] <= 10:
            return
        widths[widest] -= 1


def print_result(result: Result) -> None:
    """The answer, then how it went: status and its source, steps, tokens, time, artefacts."""
    from rich.text import Text

    screen = console(sys.stdout)
    if result.summary:
        screen.print(Text(t.visible(result.summary.strip())), soft_wrap=True)
        screen.print()
    source = f" ({result.verdict_source})" if result.verdict_source else ""
    used = result.tokens.get("prompt", 0) + result.tokens.get("completion", 0)
    calls = t.plural(result.llm_calls, "model call")
    if result.skipped_llm_calls:
        calls += f" ({result.skipped_llm_calls:,} skipped)"
    facts = [t.plural(result.steps, "step"), calls, t.tokens(used), t.duration(result.seconds)]
    if result.cost_usd:
        facts.append(t.money(result.cost_usd))
    screen.print(
        Text.assemble(
            (MEANING.get(result.status, result.status) + source, STATUS_STYLES.get(result.status, "bold yellow"))
        )
        + Text("  " + "  ".join(facts), style="dim" if screen.is_terminal else ""),
        soft_wrap=True,
    )
    for artifact in result.artifacts:
        screen.print(Text(f"  {t.visible(artifact.path)}  {t.size(artifact.bytes)}"), soft_wrap=True)


def note(message: str) -> None:
    """A line for people on stderr. Where it cannot be written, nothing ends for that."""
    say(message, sys.stderr)


def say(message: str, stream: TextIO) -> None:
    """The same on STREAM."""
    with contextlib.suppress(OSError):
        stream.write(t.visible(message) + "\n")
        stream.flush()
