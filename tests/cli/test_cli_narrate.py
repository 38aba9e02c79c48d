from __future__ import annotations

import io
from typing import Any

import pytest
import sample_run
from hypothesis import given, settings
from hypothesis import strategies as st

from wornpath.cli.display import JsonLines, Lines, LivePicture
from wornpath.cli.narrate import Marks, Narrator
from wornpath.cli.text import cells
from wornpath.core import EVENT_TYPES, Event


def told(width: int | None = None, marks: Marks | None = None) -> list[str]:
    narrator = Narrator(width=width, marks=marks)
    return [line.plain.rstrip() for event in sample_run.events() for line in narrator.feed(event)]


def test_the_whole_run_is_told_in_order() -> None:
    lines = "\n".join(told())
    parts = [
        "goal",
        "test -s report.md",
        "2 subtasks",
        "1  list_files",
        "error",
        "repeats itself",
        "✓ 1",
        "3  python",
        "asks [q1]",
    ]
    places = [
        lines.index(part)
        for part in [*parts, "allowed by person", "4  write_file", "wrote report.md, 1.2 kB", "✓ 2", "met (check)"]
    ]
    assert places == sorted(places)


def test_a_step_line_has_tool_arguments_result_seconds_and_tokens() -> None:
    line = next(line for line in told() if "python" in line)
    assert "total = 0 for line in open('inbox/a.txt')" in line
    assert line.endswith("ok  1.2 s  441 tok")


def test_a_step_that_no_model_was_asked_for_says_so() -> None:
    assert any(line.endswith("error  0.0 s  no model") for line in told())


def test_control_characters_never_come_through() -> None:
    text = "\n".join(told())
    assert "\x1b" not in text
    assert "\\x1b[2J" in text


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_lines_fit_the_terminal(width: int) -> None:
    wide = [line for line in told(width) if cells(line) > max(width, 61)]
    assert not wide


def test_columns_line_up_with_chinese_in_them() -> None:
    steps = [line for line in told(100) if "tok" in line or "no model" in line]
    steps = [line for line in steps if line.strip()[0].isdigit()]
    assert len({cells(line) for line in steps}) == 1
    assert any("发票" in line for line in steps)


def test_marks_are_ascii_where_the_encoding_is_small() -> None:
    text = "\n".join(told(marks=Marks.fitting("gbk")))
    assert not set("○●✓✗→…·") & set(text)
    assert "+ 1  Read the invoices" in text


def test_progress_is_kept() -> None:
    narrator = Narrator()
    for event in sample_run.events():
        narrator.feed(event)
    now = narrator.now
    assert (now.step, now.tokens, now.calls) == (4, 1451 + 273, 4)
    assert {status for _, status in now.subtasks.values()} == {"done"}
    assert now.finished is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


KEYS = [
    "goal",
    "plan",
    "subtasks",
    "subtask",
    "id",
    "usage",
    "prompt",
    "action",
    "tool",
    "arguments",
    "observation",
    "parts",
    "seconds",
]
KEYS += [
    "decision",
    "candidates",
    "chosen",
    "scope",
    "evaluation",
    "bytes",
    "limit",
    "length",
    "status",
    "checks",
    "result",
]


@settings(max_examples=200)
@given(
    st.sampled_from(EVENT_TYPES),
    st.dictionaries(st.sampled_from(KEYS), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3) | JSON, max_size=4),
)
def test_unknown_data_is_no_reason_to_fall_over(type: Any, data: dict[str, Any]) -> None:
    for line in Narrator(width=80).feed(Event(1, "r", 0.0, 1, type, data)):
        assert "\n" not in line.plain


def test_a_limit_of_one_is_told_in_the_singular() -> None:
    def told(kind: str, limit: float) -> str:
        data = {"kind": kind, "value": limit, "limit": limit}
        return " ".join(line.plain.strip() for line in Narrator().feed(Event(1, "r", 0.0, 1, "budget.reached", data)))

    assert told("steps", 1).endswith("limit of 1 step reached")
    assert told("cost_usd", 1.0).endswith("limit of 1 US dollar reached")
    assert told("seconds", 2).endswith("limit of 2 seconds reached")


def test_a_program_that_repeats_itself_is_cut_where_there_is_no_terminal() -> None:
    action = {"tool": "python", "arguments": {"code": "print('again')\n" * 50}}
    (line,) = Narrator().feed(Event(1, "r", 0.0, 1, "loop.found", {"length": 1, "action": action}))
    assert line.plain.rstrip().endswith("…")
    assert len(line.plain) < 140


def test_plain_lines_where_there_is_no_terminal() -> None:
    err = io.StringIO()
    with Lines(err) as display:
        for event in sample_run.events():
            display.event(event)
    assert "list_files  inbox  ok  0.1 s" in err.getvalue()
    assert "\x1b" not in err.getvalue()


def test_json_lines_are_events() -> None:
    import json

    out = io.StringIO()
    with JsonLines(out, io.StringIO()) as display:
        for event in sample_run.events():
            display.event(event)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["type"] for line in lines] == [e.type for e in sample_run.events()]
    assert set(lines[0]) == {"v", "seq", "run_id", "time", "step", "type", "data"}


def test_the_live_picture_shows_plan_activity_tokens_and_what_is_written() -> None:
    from rich.console import Console

    console = Console(file=io.StringIO(), force_terminal=True, width=90, height=24, color_system=None)
    picture = LivePicture(console)
    for event in sample_run.events()[:12]:
        picture.narrator.feed(event)
    picture.text("argument", "total = 报告\x1b[31m")
    with console.capture() as captured:
        console.print(picture._picture())
    shown = captured.get()
    assert "● 1  Read the invoices" in shown
    assert "○ 2  Write their total" in shown
    assert "writing" in shown
    assert "报告\\x1b[31m" in shown
    assert "823 tok" in shown


def test_a_failed_call_is_told_once() -> None:
    def event(type: Any, **data: Any) -> Event:
        return Event(1, "r", 0.0, 1, type, data)

    failed, last = event("model.called", error="No network."), event("run.finished", result={"summary": "No network."})
    narrator = Narrator()
    assert narrator.feed(failed) == [] and narrator.feed(last) == [], "the end of the run says it"
    assert narrator.feed(failed) == []
    (line,) = narrator.feed(event("run.resumed"))[:1]
    assert line.plain.endswith("the model failed: No network.")


def test_a_narrow_step_line_leaves_the_seconds_out() -> None:
    line = next(line for line in told(60) if "python" in line)
    assert " s " not in line and line.endswith("ok   441 tok") and cells(line) == 60
