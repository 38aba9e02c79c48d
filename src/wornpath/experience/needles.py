"""Programs that edit a file by replacing one text with another: `text.replace("...", ...)`. A known edit whose texts are not in today's
files would change nothing."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

LONG_ENOUGH = 8
"""Characters. What is shorter may be lacking: `replace(",", "")` tidies what there is of it."""
LONGEST_PATH = 300
EDITING = frozenset(
    ["Path", "open", "read_text", "read", "replace", "write_text", "write", "print", "strip", "count", "len"]
)
"""What a program that only edits calls. Whatever else it calls, nobody can say that it does nothing."""


def nothing_to_edit(code: str, read: Callable[[str], bytes | None]) -> bool:
    """Whether CODE only edits, and would replace texts of which none is in the files that it names, or in its own. READ gives a file's
    content, None where there is no such file. Where CODE does anything else, names no file, one that is no UTF-8 text, or nothing long
    enough, nobody can say."""
    if ".replace(" not in code:
        return False
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    edits = list(_edits(tree)) if all(map(_edits_only, ast.walk(tree))) else []
    if not edits:
        return False
    needles = {old.replace("\r\n", "\n") for old, _, _ in edits}
    in_edits = {id(node) for _, *nodes in edits for node in nodes}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in in_edits)
    own = {node.value for node in constants if isinstance(node.value, str)} - needles
    files = [data for data in map(read, sorted(filter(_is_path, own))) if data is not None]
    try:
        texts = [data.decode("utf-8").replace("\r\n", "\n") for data in files]
    except UnicodeDecodeError:
        return False
    return bool(texts) and not any(needle in text for needle in needles for text in (*texts, *own))


def _edits_only(node: ast.AST) -> bool:
    """Whether NODE is no call, one of EDITING, or the definition of nothing."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        return False
    if not isinstance(node, ast.Call):
        return True
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    plain = name != "replace" or (
        not node.keywords and isinstance(node.func, ast.Attribute) and _is_text(node.func.value)
    )
    return name in EDITING and plain


def _is_text(node: ast.expr) -> bool:
    """Whether NODE may be a file's text: a name, what was read, or an edit of either; not a file's name, nor a column."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("read", "read_text", "replace")
    return isinstance(node, ast.Name)


def _is_path(text: str) -> bool:
    return len(text) <= LONGEST_PATH and "\n" not in text and ("." in text or "/" in text)


def _edits(tree: ast.AST) -> Iterator[tuple[str, ast.expr, ast.expr]]:
    """What is replaced, as text and as part of TREE, and by what."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "replace":
            old = node.args[0] if len(node.args) >= 2 else None
            if isinstance(old, ast.Constant) and isinstance(old.value, str) and len(old.value) >= LONG_ENOUGH:
                yield old.value, old, node.args[1]
