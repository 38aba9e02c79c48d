"""What a program takes for granted of the files: the words and signs in its literals that are in the files too. Where one of them is lacking
today, the program reads something else than what it was written for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

MAX_TOKENS = 600
_WORD = re.compile(r"[A-Za-z]{3,40}|[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]+")
_SIGN = re.compile(r"[^\w\s\"'\\]")
_CODINGS = re.compile(r"(?:utf-?8(?:-sig)?|utf-?16|ascii|gbk|gb18030|latin-?1|cp\d+|ignore|replace|strict|[rwxab]\+?[bt]?)?", re.I)
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
