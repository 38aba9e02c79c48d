"""Finding known names in a text: whole words only, the longest of those that begin at one place.

One pass over the text with a dictionary of first words: thousands of names (a workspace of many files) cost no more than a few. A regular
expression of as many alternatives would take seconds to compile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_PIECE = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9]")


class Names:
    """The NAMES that `spans` looks for."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_piece: dict[str, list[str]] = {}
        for name in {n for n in names if n}:
            first = _PIECE.match(name)
            assert first is not None
            self._by_piece.setdefault(first[0], []).append(name)
        for found in self._by_piece.values():
            found.sort(key=lambda n: (-len(n), n))

    def spans(self, text: str, more: Names | None = None) -> Iterator[tuple[int, int]]:
        """Where names of this or MORE stand in TEXT as whole words: (start, end), in order, not overlapping.

        A word ends where no Latin letter or digit follows, and no underscore with one: `total` is not in `total_2` or `subtotal`.
        """
        at = 0
        for piece in _PIECE.finditer(text):
            start = piece.start()
            if start < at:
                continue
            known = self._by_piece.get(piece[0], ())
            if more is not None and piece[0] in more._by_piece:
                known = sorted({*known, *more._by_piece[piece[0]]}, key=lambda n: (-len(n), n))
            for name in known:
                end = start + len(name)
                if text.startswith(name, start) and _begins(text, start) and _ends(text, end):
                    yield start, end
                    at = end
                    break


def _plain(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _begins(text: str, at: int) -> bool:
    if not _plain(text[at]):
        return True
    return not (_plain(text[at - 1 : at]) or (text[at - 1 : at] == "_" and _plain(text[max(0, at - 2) : at - 1])))


def _ends(text: str, at: int) -> bool:
    if not _plain(text[at - 1]):
        return True
    return not (_plain(text[at : at + 1]) or (text[at : at + 1] == "_" and _plain(text[at + 1 : at + 2])))
