"""Programs that fill templates."""

from __future__ import annotations

import re

from wornpath.llm.simulated.programs.parts import imports, lines, quoted, site
from wornpath.llm.simulated.programs.tables import reading
from wornpath.llm.simulated.reading import View

_STYLES = (("{{", "}}"), ("[", "]"), ("<", ">"), ("$", "$"))


def fill(view: View) -> str | None:
    """A letter for each row of a table, named by a column: `folder/<column>.txt`."""
    named = re.search(r"<(\w+)>(\.\w+)", view.goal, re.ASCII)
    folder = re.search(r"((?:[\w-]+/)*[\w-]+)/(?=<|\s|$)", view.goal, re.ASCII)
    sources = [p for p in view.paths if p.endswith(".csv")]
    templates = [p for p in view.paths if p.endswith((".txt", ".md"))]
    if named is None or folder is None or not sources or not templates:
        return None
    delimiter, head, _ = view.table(sources[0])
    text = view.shown.get(templates[0], "")
    before, after = next((s for s in _STYLES if any(f"{s[0]}{c}{s[1]}" in text for c in head)), _STYLES[0])
    other = next(s for s in _STYLES if s[0] != before)
    slot = site(f"{quoted(before)} + name + {quoted(after)}", f"{quoted(other[0])} + name + {quoted(other[1])}")
    key = site(quoted(named[1]), quoted(next((c for c in head if c != named[1]), "name")))
    return lines(
        imports("csv", "os"),
        "from pathlib import Path",
        "",
        f'template = Path({quoted(templates[0])}).read_text(encoding="utf-8")',
        site(f"os.makedirs({quoted(folder[1])}, exist_ok=True)", f"os.mkdir({quoted(folder[1] + '/letters')})"),
        f"for row in {reading(sources[0], delimiter)}:",
        f"    text = {site('template', 'template.strip().splitlines()[0]')}",
        "    for name, value in row.items():",
        f"        text = text.replace({slot}, value)",
        f"    path = Path({quoted(folder[1])}, row[{key}] + {quoted(named[2])})",
        '    path.write_text(text, encoding="utf-8")',
        "    print(path)",
    )
