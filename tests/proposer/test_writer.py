"""The writer: what is taken out of a model's answer."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.writer import unfenced

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
