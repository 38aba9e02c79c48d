"""Lines that many programs share. `«right¦wrong»` marks where a small model goes wrong, and how."""

from __future__ import annotations

import json
from collections.abc import Iterable


def site(right: str, wrong: str) -> str:
    """A place where WRONG may stand instead of RIGHT."""
    return f"«{right}¦{wrong}»"


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def make_parent(path: str) -> list[str]:
    """The folder above an output; forgotten, the program fails."""
    if "/" not in path:
        return []
    return [site(f"os.makedirs({quoted(path.rsplit('/', 1)[0])}, exist_ok=True)", "pass")]


def imports(*names: str) -> str:
    return "import " + ", ".join(sorted(names))


def lines(*parts: str | Iterable[str]) -> str:
    """A program out of lines and lists of lines."""
    out: list[str] = []
    for part in parts:
        out += [part] if isinstance(part, str) else part
    return "\n".join(out) + "\n"


def save_rows(path: str, header: str, loop: str, row: str) -> list[str]:
    """Write a table: HEADER a list as Python has it, LOOP the head of a loop, ROW the row of each turn."""
    return [
        *make_parent(path),
        f'with open({quoted(path)}, "w", newline="", encoding="utf-8") as file:',
        "    writer = csv.writer(file)",
        f"    writer.writerow({header})",
        f"    {loop}",
        f"        writer.writerow({row})",
    ]
