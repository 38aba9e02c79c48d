"""Python source as text: where a program names things, and how a value is written there.

What is put into a program comes from a user's files: a column may be called `x"); import os; ...`. `fitting` writes a value so that it
stays the text, number or name that it stands for, or refuses it; a program keeps its form whatever is put in.
"""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from collections.abc import Iterator

Place = str
"""What a value stands in: "" plain text, "sh" a command, "0" a number, "." a name after a dot, else the prefix and quotes of a string
literal, such as `rf'` or `\"\"\"`."""

_WORD = re.compile(r"[\w@%+=:,./\-]+")
_NUMBER = re.compile(r"(0|[1-9]\d*)(\.\d+)?")
_OPENING = re.compile(r"([A-Za-z]*)(\"\"\"|'''|\"|')")
_BEGIN = {getattr(tokenize, name, -1) for name in ("FSTRING_START", "TSTRING_START")} - {-1}
_MIDDLE = {getattr(tokenize, name, -1) for name in ("FSTRING_MIDDLE", "TSTRING_MIDDLE")} - {-1}
_END = {getattr(tokenize, name, -1) for name in ("FSTRING_END", "TSTRING_END")} - {-1}


def is_text(place: Place) -> bool:
    """Whether PLACE is the inside of a string literal."""
    return place not in ("", "sh", "0", ".")


def fitting(value: str, place: Place) -> str | None:
    """VALUE as it is written in PLACE; None where it cannot stand there."""
    match place:
        case "":
            return value
        case "sh":
            return value if _WORD.fullmatch(value) and not value.startswith("-") else None
        case "0":
            return value if _NUMBER.fullmatch(value) and value.isascii() else None
        case ".":
            return value if value.isidentifier() and not keyword.iskeyword(value) and value[:1] != "_" else None
        case _:
            return _quoted(value, place)


def _quoted(value: str, place: Place) -> str | None:
    """VALUE inside the string literal that begins with PLACE."""
    opening = _OPENING.fullmatch(place)
    if opening is None:
        return None
    prefix, quote = opening[1].lower(), opening[2][0]
    if "b" in prefix and not value.isascii():
        return None
    if "r" in prefix:
        if quote in value or "\\" in value or not all(c.isprintable() for c in value):
            return None
        written = value
    else:
        written = "".join(_escaped(c, quote) for c in value)
    return written.replace("{", "{{").replace("}", "}}") if set(prefix) & {"f", "t"} else written


def _escaped(char: str, quote: str) -> str:
    if char in ("\\", quote):
        return "\\" + char
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def literals(code: str) -> Iterator[tuple[int, int, Place]]:
    """Where CODE names things, as (start, end, place): the insides of its string literals (of f-strings what is outside the braces), its
    numbers, and names after a dot that are not called.

    Raises tokenize.TokenError or SyntaxError for what is no Python.
    """
    starts = line_starts(code)
    before = ""
    open_strings: list[tuple[Place, int]] = []
    """The f-strings around the token, from Python 3.12 on: what begins them, and how many braces are open inside."""
    for token in tokenize.generate_tokens(io.StringIO(code, newline="\n").readline):
        start = starts[token.start[0] - 1] + token.start[1]
        end = starts[token.end[0] - 1] + token.end[1]
        if token.type in _BEGIN:
            open_strings.append((token.string, 0))
        elif token.type in _END:
            open_strings.pop()
        elif token.type in _MIDDLE:
            if open_strings and open_strings[-1][1] == 0:
                yield start, end, open_strings[-1][0]
        elif token.type == tokenize.OP and token.string in "{}" and open_strings:
            place, depth = open_strings[-1]
            open_strings[-1] = (place, depth + (1 if token.string == "{" else -1))
        elif token.type == tokenize.STRING:
            yield from _inside(code, start, end, token.string)
        elif token.type == tokenize.NUMBER:
            yield start, end, "0"
        elif token.type == tokenize.NAME and before == "." and not code[end:].lstrip(" ").startswith("("):
            yield start, end, "."
        before = token.string


def _inside(code: str, start: int, end: int, text: str) -> Iterator[tuple[int, int, Place]]:
    """The inside of the string literal TEXT, which is CODE from START to END."""
    opening = _OPENING.match(text)
    assert opening is not None
    start, end = start + len(opening[0]), end - len(opening[2])
    inside = _outside_braces(code, start, end) if "f" in opening[1].lower() else iter([(start, end)])
    yield from ((a, b, opening[0]) for a, b in inside if b > a)


def _outside_braces(code: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """What is outside the braces of an f-string; until Python 3.11 it is one token."""
    depth, begin = 0, start
    for at in range(start, end):
        if code[at] == "{":
            if depth == 0 and at > begin:
                yield begin, at
            depth += 1
        elif code[at] == "}" and depth:
            depth -= 1
            begin = at + 1
    if depth == 0 and begin < end:
        yield begin, end


def line_starts(code: str) -> list[int]:
    """Where the lines of CODE begin, as `tokenize` and `ast` count them: what else `str.splitlines` takes for the end of a line (a form
    feed, a Unicode separator) is text like any other."""
    out = [0]
    for line in code.split("\n"):
        out.append(out[-1] + len(line) + 1)
    return out


def offset(code: str, starts: list[int], line: int, column: int) -> int:
    """The index in CODE of what `ast` gives as a LINE and a COLUMN in UTF-8 bytes."""
    start = starts[line - 1]
    text = code[start : starts[line]] if line < len(starts) else code[start:]
    return start + len(text.encode()[:column].decode(errors="ignore"))
