"""Whether a known program is about today's goal and files.

Its anchors are the words and signs in its literals that are in the files, too: where one of them is lacking today, it reads something else
than what it was written for. And where it used all the columns that the goal names, or all labels, or all values, and today's goal names one
that it does not use, more is asked for than it does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence

from wornpath.core import Action
from wornpath.experience.forms import forms

MAX_TOKENS = 600
NAMED = {
    "columns": ("goal.columns", "column named in the goal"),
    "labels": ("goal.labels", "label named in the goal"),
    "groups": ("goal.group",),
    "values": ("goal.quoted", "goal.date", "goal.time", "goal.number"),
    "files": ("goal.file.new", "goal.file.old"),
    "folders": ("goal.folder.new", "goal.folder.old"),
}
"""Kind → the roles of the things of that kind that a goal names."""
_WORD = re.compile(r"[A-Za-z]{3,40}|[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]+")
_SIGN = re.compile(r"[^\w\s\"'\\]")
_CODINGS = re.compile(
    r"(?:utf-?8(?:-sig)?|utf-?16|ascii|gbk|gb18030|latin-?1|cp\d+|ignore|replace|strict|[rwxab]\+?[bt]?)?", re.I
)
_META = re.compile(r"\\[A-Za-z0-9]|(?<!\\)[()\[\]{}*+?.^$|]")
"""What a pattern says without meaning itself."""


def tokens(texts: Iterable[str]) -> frozenset[str]:
    """The words of TEXTS in lower case, pairs of Chinese characters, and signs: the first MAX_TOKENS different ones."""
    out: dict[str, None] = {}
    for text in texts:
        for word in _WORD.findall(text):
            pieces = [word.lower()] if word.isascii() else [word[i : i + 2] for i in range(max(1, len(word) - 1))]
            out.update(dict.fromkeys(pieces))
        out.update(dict.fromkeys(_SIGN.findall(text)))
        if len(out) >= MAX_TOKENS:
            break
    return frozenset(list(out)[:MAX_TOKENS])


def said(literal: str, place: str) -> frozenset[str]:
    """The tokens of LITERAL, the inside of a string that begins with PLACE, as it is written in a program. A raw string is a pattern."""
    if _CODINGS.fullmatch(literal):
        return frozenset()
    plain = _META.sub(" ", literal) if "r" in place.lower() else re.sub(r"\\.", " ", literal)
    return tokens([plain])


def used(action: Action, roles: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The kinds of things that the goal names by ROLES, of which ACTION uses all."""
    text = "\n".join(str(value) for value in action.arguments.values())
    return frozenset(
        kind
        for kind, names in NAMED.items()
        if all(any(form in text for _, form in forms(v)) for role in names for v in roles.get(role, ()) if len(v) > 1)
    )


def silent(tree: ast.AST) -> list[tuple[int, int, int, int]]:
    """Where the program TREE says something to people alone: what it prints, and texts that stand by themselves. (line, column) of the
    beginning and the end, columns in UTF-8 bytes."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.append(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            found.append(node)
    return [(n.lineno, n.col_offset, n.end_lineno or n.lineno, n.end_col_offset or 0) for n in found]
