"""The programmer: a program for a goal, by patterns in the goal's words and the beginnings of the files shown.

A skill recognises a goal and writes its program with the places marked where a small model goes wrong: `«right¦wrong»`.
"""

from __future__ import annotations

from collections.abc import Callable

from wornpath.llm.simulated.programs import folders, mails, tables, texts
from wornpath.llm.simulated.reading import View

Skill = Callable[[View], str | None]
"""The marked program for a goal, or None where it is not understood."""

SKILLS: tuple[Skill, ...] = (
    mails.sort_by_subject,
    folders.sort_by_extension,
    texts.find_and_copy,
    texts.count_levels,
    tables.sum_by_month,
    tables.clean,
)


def write(view: View) -> str | None:
    """The marked program for the goal in VIEW; None where no skill understands it."""
    for skill in SKILLS:
        program = skill(view)
        if program is not None:
            return program
    return None
