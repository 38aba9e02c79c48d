"""The signs that today's things are written with: what parts the columns of a table, what stands around a placeholder, what joins the parts of
a name in the goal's example. A program says each of them as a literal of its own, and so they can be lifted like names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

ROLE = "mark "
"""What the roles of marks begin with."""
_SIGNS = r"(?:[^\w\s]|_)"
_AFTER_DATE = re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}({_SIGNS}{{1,3}})(?=[^\W\d_])")
_BETWEEN = re.compile(rf"[>}}\]]({_SIGNS}{{1,3}})(?=[<{{\[])")
_MOST = 4
"""Signs around a placeholder, at each side."""


def marks(
    goal: str, separators: Iterable[str], texts: Iterable[str], columns: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """(role, sign) of what is written in one way today: in GOAL, in tables with the given SEPARATORS, and in TEXTS, where COLUMNS are
    placeholders."""
    for role, found in (
        ("after a date", _AFTER_DATE.findall(goal)),
        ("between placeholders", _BETWEEN.findall(goal)),
        ("between columns", list(separators)),
    ):
        if len(set(found)) == 1:
            yield ROLE + role, found[0]
    around = Counter(pair for text in texts for pair in _around(text, [*columns]))
    best = around.most_common(2)
    if best and best[0][1] > 1 and (len(best) == 1 or best[0][1] > best[1][1]):
        before, after = best[0][0]
        yield f"{ROLE}before a placeholder", before
        yield f"{ROLE}after a placeholder", after


def _around(text: str, columns: list[str]) -> Iterator[tuple[str, str]]:
    """The signs directly around a word of TEXT that is one of COLUMNS, where there are some at both sides."""
    names = "|".join(re.escape(name) for name in sorted(set(columns), key=len, reverse=True) if name)
    if names:
        pattern = rf"({_SIGNS}{{1,{_MOST}}})(?:{names})({_SIGNS}{{1,{_MOST}}})"
        yield from ((m[1], m[2]) for m in re.finditer(pattern, text))
