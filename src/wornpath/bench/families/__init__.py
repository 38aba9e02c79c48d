"""Families of everyday work that comes again: each call draws a fresh task, with new names, numbers, layouts and wording.

`FAMILIES[name](seed)` is the task, `DRAWS[name](seed)` the draw with its solver and its wrong results. Nothing in the agent knows them.
"""

from __future__ import annotations

from collections.abc import Callable

from wornpath.bench.families import (
    clean_csv,
    fill_letter,
    find_file,
    fix_function,
    invoice_fields,
    meeting_slots,
    merge_sheets,
    monthly_report,
    rename_by_content,
    sort_mail,
    tidy,
    triage_log,
)
from wornpath.bench.families.common import TEST_SEED, Draw
from wornpath.core import Task

DRAWS: dict[str, Callable[[int], Draw]] = {
    "find_file": find_file.draw,
    "tidy": tidy.draw,
    "clean_csv": clean_csv.draw,
    "monthly_report": monthly_report.draw,
    "triage_log": triage_log.draw,
    "sort_mail": sort_mail.draw,
    "merge_sheets": merge_sheets.draw,
    "invoice_fields": invoice_fields.draw,
    "rename_by_content": rename_by_content.draw,
    "fix_function": fix_function.draw,
    "meeting_slots": meeting_slots.draw,
    "fill_letter": fill_letter.draw,
}


def _task(draw: Callable[[int], Draw]) -> Callable[[int], Task]:
    return lambda seed: draw(seed).task


FAMILIES: dict[str, Callable[[int], Task]] = {name: _task(draw) for name, draw in DRAWS.items()}

__all__ = ["DRAWS", "FAMILIES", "TEST_SEED", "Draw"]
