"""What a program is written from: how the lines of a log are taken apart, and what is said of an earlier program."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.core import Action, Goal
from wornpath.experience import Tracker
from wornpath.llm.chat import Sizes
from wornpath.llm.tokens import count
from wornpath.material import about, absent_folders, fields, problem, spelled, telling_files
from wornpath.tools import Workspace
from wornpath.tools.registry import standard_tools
from wornpath.writer import (
    BY_TEXT,
    FROM_LINES,
    FROM_MAILS,
    FROM_SHEETS,
    FROM_TABLES,
    FROM_TEXTS,
    MENDING,
    TAKEN_APART,
    TO_JSON,
    WITH_FILES,
    _example,
)

BARS = "DEBUG|2026-04-03 08:00:12|billing|queue is empty\nERROR|2026-04-03 08:07:22|orders|down\nINFO|2026-04-03 08:09:22|mailer|up\nERR"
SPACES = """\
2026-01-19T08:00:31Z gateway WARN: request took 812 ms
2026-01-19T08:07:37Z auth WARN: started
2026-01-19T08:14:50Z mailer INFO: queue is empty
2026-01-19T08:21"""
MARKED = """\
2026-01-08 08:00:32 level=WARN service=mailer msg=started
2026-01-08 08:07:32 level=INFO service=auth msg=could not parse header
2026-01-08 08:09:32 level=INFO service=auth msg=disk at 91 %
2026-01-08 08:11:32 level=INFO service=auth msg=up
"""


def taken_apart(said: str, line: str) -> list[str]:
    """What the expression in SAID makes of LINE."""
    expression = re.fullmatch(rf"{TAKEN_APART} (\[.*?\)\]) has \d+ parts; .*", said)
    assert expression is not None, said
    parts: list[str] = eval(expression[1], {"line": line})
    return parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (BARS, ["DEBUG", "2026-04-03 08:00:12", "billing", "queue is empty"]),
        (SPACES, ["2026-01-19T08:00:31Z", "gateway", "WARN", "request took 812 ms"]),
        (MARKED, ["2026-01-08", "08:00:32", "WARN", "mailer", "started"]),
    ],
)
def test_lines_of_a_log_are_taken_apart(text: str, parts: list[str]) -> None:
    said = fields(text, "logs/a.log")
    assert said.endswith(f"has {len(parts)} parts; name all of them in this order: {json.dumps(parts)}")
    assert taken_apart(said, text.splitlines()[0]) == parts
    assert all(len(taken_apart(said, line)) == len(parts) for line in text.splitlines()[:3])


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Dear Ms Novak,\nthank you for your letter.\nYours\nClara", "letter.txt"),
        ("Station: Hill Top\nRain: 3.5 mm\nDay: 3\nBy: Ann", "a.txt"),
        ("day;sum\n2026-01-01;3\n2026-01-02;4\n2026-01-03;5\n", "table.csv"),
        ("08:00:12 only\n08:00:13 two\n", "short.log"),
        ("", "empty.log"),
    ],
)
def test_other_texts_are_not(text: str, path: str) -> None:
    assert fields(text, path) == ""


@given(st.lists(st.text(alphabet='ab|;=: \t[]19-漢"\\', max_size=30), max_size=8), st.booleans())
def test_what_is_said_of_a_line_is_so(lines: list[str], moments: bool) -> None:
    lines = [f"12:30 {line}" if moments else line for line in lines]
    said = fields("\n".join(lines), "x.log")
    if said:
        first = next(line.strip() for line in lines if line.strip())
        assert taken_apart(said, first) == json.loads(said.partition(" order: ")[2])
        assert "\n" not in said


def test_a_program_that_was_refused_twice_is_not_shown_again() -> None:
    python = next(tool for tool in standard_tools() if tool.name == "python")
    tracker = Tracker(
        checks="failed", failures=1, last_code="print(1)", last_text="1", last=Action.of("python", code="print(1)")
    )
    tracker.last_result = "ok"
    assert "print(1)" in problem(tracker, python, "code")
    tracker.failures = 2
    said = problem(tracker, python, "code")
    assert "print(1)" not in said and "wrong" in said and "no rows" not in said
    tracker.last_text = "{}\n[made counts.csv: 17 bytes, csv 2 columns: component,count, 0 rows]\n  component,count"
    assert "counts.csv has no rows" in problem(tracker, python, "code")


def test_the_example_for_lines_is_for_work_that_is_mostly_on_such_files() -> None:
    line = f"\n{TAKEN_APART} ..."
    two, three = (
        f"a.log begins:\nx{line}\nb.log begins:\nx{line}",
        f"a.txt begins:\nx\nc.log begins:\nx{line}",
    )
    assert _example("compute", "Count", ["a.log", "b.log"], two) is FROM_LINES
    assert _example("compute", "Count", ["a.txt", "b.txt", "c.log"], three) is FROM_TEXTS
    assert _example("organise", "Sort", ["a.log"], line) is WITH_FILES


@pytest.mark.parametrize(
    ("kind", "files", "example"),
    [
        ("organise", ["in/a.eml", "in/b.eml"], FROM_MAILS),
        ("compute", ["in/a.eml", "x.txt", "in/b.eml"], FROM_MAILS),
        ("compute", ["lib.py", "test_lib.py", "notes.txt"], MENDING),
        ("code", ["a.txt"], MENDING),
        ("organise", ["in/a.text", "in/b.text"], BY_TEXT),
        ("organise", ["in/a.txt", "in/b.png"], WITH_FILES),
        ("compute", ["in/a.csv", "in/b.csv"], FROM_SHEETS),
        ("compute", ["in/a.csv", "out/b.csv"], FROM_TABLES),
        ("compute", ["in/named.csv", "in/b.csv"], FROM_TABLES),
    ],
)
def test_the_example_is_of_the_same_kind_of_files(kind: str, files: list[str], example: str) -> None:
    shown = "\n".join(f"{file} begins:\nTown: Bern" for file in files)
    assert _example(kind, "Work on named.csv", files, shown) is example


@pytest.mark.parametrize(("result", "checks"), [("error", "unknown"), ("ok", "failed")])
def test_what_went_wrong_is_told_in_few_words(result: str, checks: str) -> None:
    python = next(tool for tool in standard_tools() if tool.name == "python")
    code = "\n".join(f"print({n})" for n in range(2000))
    text = "\n".join(f"row {n}" for n in range(2000)) + "\nValueError: 1"
    tracker = Tracker(last_code=code, last_text=text, last=Action.of("python", code=code), checks=checks)
    tracker.last_result, tracker.subtask_steps = result, 1
    said = problem(tracker, python, "code")
    assert count(said) < 10 * tracker.result_tokens and "ValueError: 1" in said and "print(0)" in said


def test_the_material_is_within_its_room(tmp_path: Path) -> None:
    for name in ("api.txt", "auth.txt", "mail.txt"):
        rows = (
            f"2026-03-{n % 28 + 1:02d} 10:{n % 60:02d} WARN [{n}] request {n * 37} of 10.0.{n}.{n} took {n * 13}ms"
            for n in range(400)
        )
        (tmp_path / name).write_text("\n".join(rows))
    last = Action.of("shell", command="cat")
    tracker = Tracker(goal=Goal("Count"), last=last, last_text="1 2 3 4\n" * 2000, last_result="ok")
    workspace, sizes = Workspace(tmp_path), Sizes(argument_context=210)
    made = about(tracker, workspace, telling_files(tracker, workspace), sizes, lambda text, path: None)
    assert sizes.argument_context < count(made) <= sizes.argument_context * 4 / 3


@pytest.mark.parametrize("result", ["error", "ok"])
def test_what_went_wrong_can_be_said_without_the_program(result: str) -> None:
    python = next(tool for tool in standard_tools() if tool.name == "python")
    tracker = Tracker(last_code="print(1)", last_text="ValueError: 1", last=Action.of("python", code="print(1)"))
    tracker.last_result, tracker.subtask_steps, tracker.checks = result, 1, "failed"
    shown, hidden = (problem(tracker, python, "code", shown=shown) for shown in (True, False))
    assert "print(1)" in shown and "print(1)" not in hidden and "ValueError: 1" in hidden


@pytest.mark.parametrize(
    ("goal", "absent"),
    [
        ("Save a letter for each row of data/m.csv in letters/ as <number>.txt", ["letters/"]),
        ("Write out/2026/sums.csv from data/m.csv", ["out/2026/"]),
        ("把结果存到letters/里", ["letters/"]),
        ("See https://example.org/a/b.html and/or data/ on 2026/01/02, not ../etc/x.txt or /abs/y.txt", []),
    ],
)
def test_folders_that_the_goal_names_and_that_are_not_there_are_told(
    tmp_path: Path, goal: str, absent: list[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "m.csv").write_text("number\n1\n")
    workspace, tracker = Workspace(tmp_path), Tracker(goal=Goal(goal, workspace=str(tmp_path)))
    assert absent_folders(goal, workspace) == absent
    told = about(tracker, workspace, [], Sizes(), lambda text, path: None)
    assert ("to be made first: " + ", ".join(absent) in told) == bool(absent)


def test_named_files_are_shown_in_the_order_of_the_goal(tmp_path: Path) -> None:
    for name in ("test_tools.py", "tools.py", "a.txt"):
        (tmp_path / name).write_text("x\n")
    goal = Goal("Mend compute in tools.py, so that test_tools.py passes", workspace=str(tmp_path))
    assert telling_files(Tracker(goal=goal), Workspace(tmp_path)) == ["tools.py", "test_tools.py", "a.txt"]


@pytest.mark.parametrize(
    ("code", "after"),
    [
        ("t.to_csv('sums.csv'); p('other.csv')", "t.to_csv('out/sums.csv'); p('other.csv')"),
        ('open("sums.csv", "w")', 'open("out/sums.csv", "w")'),
        ("Path('out') / 'sums.csv'", "Path('out') / 'sums.csv'"),
        ("open('out/sums.csv'); print('sums.csv')", "open('out/sums.csv'); print('sums.csv')"),
        ("open('xsums.csv'); open('there.csv')", "open('xsums.csv'); open('there.csv')"),
    ],
)
def test_a_program_names_its_outputs_with_their_folder(tmp_path: Path, code: str, after: str) -> None:
    (tmp_path / "there.csv").write_text("x")
    assert spelled(code, ["out/sums.csv", "out/there.csv", "plain.csv"], Workspace(tmp_path)) == after


def test_the_example_is_of_the_same_kind_of_output() -> None:
    assert _example("compute", "Write sums.json", ["in/a.txt"], "in/a.txt begins:\nSum: 3") is TO_JSON
    assert _example("compute", "Write sums.csv", ["in/a.txt"], "in/a.txt begins:\nSum: 3") is FROM_TEXTS
