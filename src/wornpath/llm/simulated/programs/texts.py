"""Programs that read texts: search, logs."""

from __future__ import annotations

import re

from wornpath.llm.simulated.programs.parts import imports, lines, make_parent, quoted, save_rows, site
from wornpath.llm.simulated.reading import View, named_columns

_LAYOUTS = (
    (r"\S+ \S+ (\w+) \[(\w+)\]", 1, 2),
    (r"\S+ (\w+) (\w+):", 2, 1),
    (r".*level=(\w+) service=(\w+)", 1, 2),
    (r"(\w+)\|[^|]*\|(\w+)\|", 1, 2),
)
_COMPANY = r"[A-Z][\w&]*(?: (?:& )?[A-Z][\w&]*)*"
_WANTED = (
    rf"[Ff]ind the (?P<what>[a-z ]+?) with (?P<who>{_COMPANY})",
    rf"is an? (?P<what>[a-z ]+?) that names (?P<who>{_COMPANY})",
    rf"(?:the|need the|for the) (?P<what>[a-z ]+?) (?:of|with) (?P<who>{_COMPANY})",
    rf"与 (?P<who>{_COMPANY}) 有关的 (?P<what>[a-z ]+[a-z])",
    rf"查找 (?P<who>{_COMPANY}) 的 (?P<what>[a-z ]+[a-z])",
)


def wanted(goal: str) -> tuple[str, str] | None:
    """(what, who) of a goal that looks for one document."""
    for pattern in _WANTED:
        if match := re.search(pattern, goal):
            return match["what"].strip(), match["who"].strip()
    return None


def find_and_copy(view: View) -> str | None:
    """The one file that names two things, copied."""
    found = wanted(view.goal)
    if found is None or not view.outputs:
        return None
    what, who = found
    test = site(f"{quoted(who)} in text and {quoted(what)} in text.lower()", f"{quoted(who)} in text")
    return lines(
        "import os",
        "import shutil",
        "from pathlib import Path",
        "",
        'for path in sorted(Path(".").rglob("*.*")):',
        '    text = path.read_text(encoding="utf-8", errors="replace")',
        f"    if {test}:",
        [f"        {line}" for line in make_parent(view.outputs[0])],
        f"        shutil.copy(path, {quoted(view.outputs[0])})",
        "        print(path)",
        "        break",
    )


def count_levels(view: View) -> str | None:
    """How often each service logged a level, over the logs of a folder."""
    level = re.search(r"\b(ERROR|WARN|FATAL|CRITICAL)", view.goal)
    columns = named_columns(view.goal)
    if level is None or len(columns) != 2 or not view.folder or not view.outputs:
        return None
    ending = view.extension(view.folder)
    first = next((line for path in view.shown for line in view.beginning(path) if path.startswith(view.folder)), "")
    pattern, at_level, at_service = next((x for x in _LAYOUTS if re.match(x[0], first)), _LAYOUTS[0])
    other = next((x[0] for x in _LAYOUTS if x[0] != pattern), pattern)
    test = f"match and match.group({at_level}) == {quoted(level[1])}"
    some = next((p for p in view.shown if p.startswith(view.folder)), f"{view.folder}/app.log")
    expression = site(f'r"{pattern}"', f'r"{other}"')
    every = site(f"glob.glob({quoted(f'{view.folder}/*.{ending}')})", f"[{quoted(some)}]")
    return lines(
        imports("csv", "glob", "os", "re"),
        "from collections import Counter",
        "",
        "counts = Counter()",
        f"for path in sorted({every}):",
        '    for line in open(path, encoding="utf-8"):',
        f"        match = re.match({expression}, line)",
        f"        if {site(test, f'match and {quoted(level[1])} in line')}:",
        f"            counts[match.group({at_service})] += 1",
        save_rows(
            view.outputs[0],
            f"[{quoted(columns[0])}, {site(quoted(columns[1]), quoted('count'))}]",
            "for name, number in sorted(counts.items()):",
            "[name, number]",
        ),
        "print(dict(counts))",
    )
