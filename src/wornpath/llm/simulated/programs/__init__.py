"""The programmer: a program for a goal, by patterns in the goal's words and the beginnings of the files shown.

A skill recognises a goal and writes its program with the places marked where a small model goes wrong: `«right¦wrong»`.
"""

from __future__ import annotations

from collections.abc import Callable

from wornpath.llm.simulated.programs import code, folders, letters, mails, sheets, tables, texts
from wornpath.llm.simulated.reading import View

Skill = Callable[[View], str | None]
"""The marked program for a goal, or None where it is not understood."""

SKILLS: tuple[tuple[Skill, float], ...] = (
    (code.mend, code.HARD),
    (letters.fill, 1.0),
    (mails.sort_by_subject, 1.0),
    (folders.sort_by_extension, 1.0),
    (folders.rename, 1.0),
    (texts.find_and_copy, 1.0),
    (texts.count_levels, 1.0),
    (sheets.extract, 1.0),
    (sheets.free_slots, 1.0),
    (sheets.merge, 1.0),
    (tables.sum_by_month, 1.0),
    (tables.clean, 1.0),
)
"""With each skill, how much harder than its length says it is for a small model."""


def write(view: View) -> tuple[str, float] | None:
    """The marked program for the goal in VIEW, and how hard it is; None where no skill understands it."""
    for skill, hard in SKILLS:
        program = skill(view)
        if program is not None:
            return program, hard
    return None
