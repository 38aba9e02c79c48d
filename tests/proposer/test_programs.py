"""Programs: what is taken out of a model's answer, and what they need to run by themselves."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.programs import self_contained, shown, unfenced

PROGRAM = "import os\n\nfor name in os.listdir():\n    print(name)"


@pytest.mark.parametrize(
    "answer",
    [
        PROGRAM,
        f"```python\n{PROGRAM}\n```",
        f"```python\n{PROGRAM}",
        f"Here it is:\n\n```python\n{PROGRAM}\n```\n\nIt lists the files.",
        f"Here it is:\n```\n{PROGRAM}\n```",
        f"{PROGRAM}\n```",
        f"{PROGRAM}\n```\n\nThis program lists the files of the folder, one a line, by their names.",
        f"First:\n```\npip install x\n```\nThen:\n```python\n{PROGRAM}\n```",
    ],
)
def test_the_program_of_an_answer(answer: str) -> None:
    assert unfenced(answer, "code") == PROGRAM + "\n"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Dear Ann,\n\nthank you.", "Dear Ann,\n\nthank you.\n"),
        ("```\nDear Ann\n```", "Dear Ann\n"),
        ("# Notes\n\n```sh\nls\n```\n\nDone.", "# Notes\n\n```sh\nls\n```\n\nDone.\n"),
        ("  \n", ""),
    ],
)
def test_a_text_keeps_the_blocks_that_are_in_it(answer: str, text: str) -> None:
    assert unfenced(answer, "text") == text


@given(st.text(alphabet="ab`\n =():'#", max_size=80))
def test_any_answer_gives_a_text_that_is_in_it(answer: str) -> None:
    for kind in ("code", "text"):
        made = unfenced(answer, kind)
        assert made.strip("\n") in answer and (made == "" or made.endswith("\n"))


@given(st.sampled_from(["", "```", "```python"]), st.sampled_from(["", "```", "```\nIt prints a number."]))
def test_a_program_comes_out_however_it_is_fenced(opened: str, closed: str) -> None:
    answer = "\n".join(filter(None, [opened, "print(6 * 7)", closed if opened or closed else ""]))
    assert ast.parse(unfenced(answer, "code")) and unfenced(answer, "code") == "print(6 * 7)\n"


NUMBER = "import re\n\ndef number(text):\n    return float(re.sub(r'[^0-9.]', '', text))"


@pytest.mark.parametrize(
    ("code", "begins"),
    [
        ("print(number('$1,003.50'))", "import re\n\ndef number"),
        (
            "def total(texts):\n    return sum(number(t) for t in texts)\nprint(total(['$1']))",
            "import re\n\ndef number",
        ),
        ("number = int\nprint(number('1'))", "number = int"),
        (f"{NUMBER}\nprint(number('1'))", "import re\n\ndef number"),
        ("print(len('1'))", "print"),
        ("for number in range(3):\n    print(number)", "for"),
    ],
)
def test_a_program_gets_what_it_uses_of_earlier_ones(code: str, begins: str) -> None:
    whole = self_contained(code, ["no program", NUMBER, "import os\nrows = number('5')\nprint(rows)"])
    assert whole.startswith(begins) and whole.endswith(code)
    exec(whole, {})
    assert whole.count("def number") <= 1 and "import os" not in whole and self_contained(whole, [NUMBER]) == whole


def test_the_example_in_the_prompt_lends_its_functions() -> None:
    """A small model calls `number`, which only its worked example defines."""
    prompt = f"You write programs.\nExample. Task: x\n```python\n{NUMBER}\nprint(1)\n```\nmore\n```\nnot this\n```"
    assert shown(prompt) == [f"{NUMBER}\nprint(1)"]
    whole = self_contained("print(number('$2'))", [], shown(prompt))
    assert whole.startswith("import re\n\ndef number") and "print(1)" not in whole


@pytest.mark.parametrize(
    ("code", "earlier", "example"),
    [
        ("print(round(number, 2))", ["number = 4.5"], NUMBER),  # a variable of the run is no function of the example
        (
            "print(glob('*.txt'))",
            [],
            "import csv, glob, re\nprint(glob.glob('*'))",
        ),  # its imports are for its functions
        ("from __future__ import annotations\nprint(number('5'))", [], NUMBER),  # which must stay first
    ],
)
def test_what_an_example_does_not_lend(code: str, earlier: list[str], example: str) -> None:
    assert self_contained(code, earlier, [example]) == code


def test_what_is_defined_anew_comes_where_it_was_last_defined() -> None:
    earlier = ["def a():\n    return 1", "class U:\n    x = 2\ndef a(u=U.x):\n    return u"]
    made: dict[str, object] = {}
    exec(self_contained("b = a()", earlier), made)
    assert made["b"] == 2


def test_the_latest_definition_is_taken_and_prose_stays_as_it_is() -> None:
    assert "2" in self_contained("print(two())", ["def two():\n    return 3", "def two():\n    return 2"])
    assert self_contained("This is no program of two()", ["def two():\n    return 2"]) == "This is no program of two()"
