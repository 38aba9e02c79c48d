"""Matching lines of text: plain words regardless of case and width, or a regular expression that cannot run away."""

from __future__ import annotations

import re
import time
import unicodedata
import warnings
from collections.abc import Callable
from typing import Any

from wornpath.core import ToolError

Matcher = Callable[[str], int | None]
"""Where a line matches, as an index into it; None where it does not."""
_WINDOWS = (8000, 4000, 300, 100)
"""So many characters are matched at once, by the number of long repetitions."""
_LONG = 20
_SECONDS = 5.0
"""So much processor time may one line take, which is matched window by window."""
_LOOKS_ON = re.compile(r"\$|\\[bBZ]|\(\?[=!]")
"""In the source of an expression: what a match may owe to the text after it, or to there being none."""


def matcher(query: str) -> Matcher:
    """What finds QUERY in a line: plain text whatever its case, or a regular expression where it is written `/so/`.

    Raises ToolError for an empty query, a regular expression that is none, and one that could take forever: matching holds the
    interpreter, so not even a time limit could end it. The matcher raises TimeoutError where a long line takes too long even so.
    """
    if not query.strip():
        raise ToolError("The query is empty; give the words to look for.")
    if len(query) > 2 and query.startswith("/") and query.endswith("/"):
        return _regex(query[1:-1])
    forms = (query, unicodedata.normalize("NFC", query), unicodedata.normalize("NFD", query))  # as files may have it
    wanted = {form.casefold() for form in forms}

    def find(line: str) -> int | None:
        folded = line.casefold()
        return min((at for words in wanted if (at := folded.find(words)) >= 0), default=None)

    return find


def _regex(source: str) -> Matcher:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pattern = re.compile(source, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ToolError(f"/{source}/ is no regular expression: {error}.") from None
    degree = _degree(source)
    if degree is None:
        raise ToolError(
            f"/{source}/ repeats a repetition, which may take forever; write it simpler, or search for plain words."
        )

    window, looks_on = _WINDOWS[degree], _LOOKS_ON.search(source) is not None

    def find(line: str) -> int | None:
        ends = time.thread_time() + _SECONDS
        for start in range(0, max(len(line) - window // 2, 1), window // 2):  # half over each other
            found = pattern.search(line, start, start + window)
            if found is not None and not (looks_on and found.end() == start + window < len(line)):
                return found.start()
            if time.thread_time() > ends:
                raise TimeoutError(
                    f"The regular expression takes too long on a line of {len(line):,} characters; write it simpler, or "
                    "search for plain words."
                )
        return None

    return find


def _degree(source: str) -> int | None:
    """How many long repetitions there are, so that matching takes the length of a line to that power and one more; None where a repetition
    holds another one or a choice, or more than three are long: what makes backtracking explode."""
    from re import _parser  # type: ignore[attr-defined]

    total = 0

    def visit(node: Any, inside: bool) -> bool:
        nonlocal total
        for operation, argument in node:
            name = str(operation)
            if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
                _, most, body = argument
                many = int(most) > 1
                total += int(most) > _LONG
                if (many and inside) or total > 3 or visit(body, inside or many):
                    return True
            elif name == "BRANCH":
                if inside or any(visit(branch, inside) for branch in argument[1]):
                    return True
            elif name in ("SUBPATTERN", "ATOMIC_GROUP", "ASSERT", "ASSERT_NOT"):
                body = argument[-1] if name != "ATOMIC_GROUP" else argument
                if visit(body, inside):
                    return True
            elif name in ("GROUPREF", "GROUPREF_EXISTS"):
                return True
        return False

    return None if visit(_parser.parse(source), False) else total
