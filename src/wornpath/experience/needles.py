"""What a program looks for in a file that it edits: the first argument of `text.replace("...", ...)`. A known edit whose texts are not in
today's files would change nothing."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

LONG_ENOUGH = 8
"""Characters. What is shorter may be lacking: `replace(",", "")` tidies what there is of it."""


def nothing_to_edit(code: str, read: Callable[[str], bytes | None]) -> bool:
    """Whether CODE would replace texts of which none is in the files that it names, or in its own. READ gives a file's content, None where
    there is no such file. Where CODE names no file, one that is no UTF-8 text, or nothing long enough, nobody can say."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    edits = list(_edits(tree))
    if not edits:
        return False
    needles = {old for old, _, _ in edits}
    in_edits = {id(node) for _, *nodes in edits for node in nodes}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in in_edits)
    own = {node.value for node in constants if isinstance(node.value, str)}
    files = [data for data in map(read, sorted(own)) if data is not None]
    try:
        texts = [data.decode("utf-8").replace("\r\n", "\n") for data in files]
    except UnicodeDecodeError:
        return False
    return bool(texts) and not any(needle in text for needle in needles for text in (*texts, *own))


def _edits(tree: ast.AST) -> Iterator[tuple[str, ast.expr, ast.expr]]:
    """What is replaced, as text and as part of TREE, and by what."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "replace":
            old = node.args[0] if len(node.args) >= 2 else None
            if isinstance(old, ast.Constant) and isinstance(old.value, str) and len(old.value) >= LONG_ENOUGH:
                yield old.value, old, node.args[1]
