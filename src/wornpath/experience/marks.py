"""The signs that today's things are written with: what parts the columns of a table, what stands around a placeholder, what joins the
parts of a name in the goal's example. A program says each of them as a literal of its own, and so they can be lifted like names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    around = [pair for text in texts for pair in _around(text, [*columns])]
    before = posixpath.commonprefix([left[::-1] for left, _ in around])[::-1]
    after = posixpath.commonprefix([right for _, right in around])
    size = min(len(before), len(after))
    if len(around) > 1 and size:
        yield f"{ROLE}before a placeholder", before[-size:]
        yield f"{ROLE}after a placeholder", after[:size]


def marks_of(roles: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """(role, sign) of the marks among ROLES."""
    yield from ((role, values[0]) for role, values in roles.items() if role.startswith(ROLE))


def _around(text: str, columns: list[str]) -> Iterator[tuple[str, str]]:
    """The signs directly around a word of TEXT that is one of COLUMNS, where there are some at both sides."""
    names = "|".join(re.escape(name) for name in sorted(set(columns), key=len, reverse=True) if name)
    if names:
        pattern = rf"({_SIGNS}{{1,{_MOST}}})(?:{names})(?=({_SIGNS}{{1,{_MOST}}}))"
        yield from ((m[1], m[2]) for m in re.finditer(pattern, text))
