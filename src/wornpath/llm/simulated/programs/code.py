"""Mending small functions: what a small model sees in the code, and what it takes for the mistake."""

from __future__ import annotations

import re

from wornpath.llm.simulated.programs.parts import lines, quoted, site
from wornpath.llm.simulated.reading import View

HARD = 10.0
"""How much harder mending is than writing as much anew: a small model does not see why the code is wrong."""
_MENDS = (
    (r"/ \(len\((\w+)\) - 1\)", r"/ len(\1)"),
    (r"\[1:(\w+)\]", r"[:\1]"),
    (r">= 0:", "> 0:"),
    (r"\* (\w+) / 100", r"* (100 - \1) / 100"),
    (r"\[:-1\]", "[::-1]"),
    (r"if item in (\w+)\]", r"if \1 in item]"),
    (r"% 2 == 1", "% 2 == 0"),
    (r"hours \* 60\b", "hours * 3600"),
)
"""What looks wrong to the model, and what it would write there."""


def mend(view: View) -> str | None:
    """A replacement in the file that the goal names, beside its test."""
    files = [p for p in view.paths if p.endswith(".py") and not p.rsplit("/", 1)[-1].startswith("test_")]
    if not files or not re.search(r"fix|mend|repair|修复", view.goal, re.I):
        return None
    found = replacement(view, files[0])
    if found is None:
        return None
    old, new, wrong = found
    return lines(
        "from pathlib import Path",
        "",
        f"path = Path({quoted(files[0])})",
        'text = path.read_text(encoding="utf-8")',
        f"text = text.replace({quoted(old)}, {site(quoted(new), quoted(wrong))})",
        'path.write_text(text, encoding="utf-8")',
        "print(text)",
    )


def replacement(view: View, file: str) -> tuple[str, str, str] | None:
    """(what stands in FILE, what should, what the model writes when it does not see why)."""
    for line in view.shown.get(file, "").splitlines():
        old = line.strip()
        for pattern, mended in _MENDS:
            new = re.sub(pattern, mended, old, count=1)
            if new != old:
                return (
                    old,
                    new,
                    old.replace("return ", "return 1 * ", 1) if old.startswith("return") else old + "  # fixed",
                )
        if old == "best = 0" and (argument := re.search(r"def \w+\((\w+)", view.shown[file])):
            return old, f"best = {argument[1]}[0]", "best = 1"
    return None
