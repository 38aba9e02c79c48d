"""Programs as a model writes them: taken out of its answer, and made to stand by themselves."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Sequence


def unfenced(text: str, kind: str) -> str:
    """The program or text in a model's answer: the inside of a fenced block where the answer is one, or holds a program's."""
    blocks = re.findall(r"^[ \t]*```[\w+-]*[ \t]*\n(.*?)(?:\n[ \t]*```|\Z)", text, re.DOTALL | re.MULTILINE)
    head = re.split(r"^[ \t]*```[ \t]*$", text, maxsplit=1, flags=re.MULTILINE)[0].strip("\n")
    if kind == "code" and head.strip() and head != text.strip("\n") and is_program(head):
        return head + "\n"  # the fence was closed, and never opened
    if kind == "code" and blocks:
        return str(max(blocks, key=len)).strip("\n") + "\n"
    stripped = text.strip()
    if len(blocks) == 1 and stripped.startswith("```") and (stripped.endswith("```") or stripped.count("```") == 1):
        return str(blocks[0]).strip("\n") + "\n"
    return stripped + "\n" if stripped else ""


def is_program(text: str) -> bool:
    """Whether TEXT can be read as Python."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def shown(prompt: str) -> list[str]:
    """The programs in PROMPT, which a small model leans on as if they had been run: it calls a function of its example."""
    return re.findall(r"^```python\n(.*?)\n```", prompt, re.DOTALL | re.MULTILINE)


def self_contained(code: str, earlier: Sequence[str], examples: Sequence[str] = ()) -> str:
    """CODE with the functions, classes and imports of EARLIER programs before it that it uses and lacks, and the functions and classes of
    EXAMPLES that no earlier one has a name for. The kernel of a run keeps what its programs defined, that of a later run has not, where
    CODE is done again. Plain imports that were forgotten are made where the program runs."""
    lent, own = _bound(examples), _bound(earlier)
    bound = {name: defined for name, defined in lent.items() if name not in own} | own
    there = {name: defined for name, defined in bound.items() if defined is not None}
    imports = {name for name in lent.keys() - own.keys() if isinstance(lent[name], (ast.Import, ast.ImportFrom))}
    lacking, taken = (_lacking(_parsed(code)) & there.keys()) - imports, set[str]()
    while lacking - taken:
        name = min(lacking - taken)
        taken.add(name)
        lacking |= _lacking(there[name]) & there.keys()
    whole = "\n\n".join([*(ast.unparse(there[name]) for name in there if name in taken), code])
    return whole if taken and _compiles(whole) else code


def _parsed(code: str) -> ast.Module:
    return ast.parse(code) if is_program(code) else ast.Module([], [])


def _bound(programs: Sequence[str]) -> dict[str, ast.stmt | None]:
    """The names that PROGRAMS leave behind, in the order in which they got their last meaning: a definition or import, or None."""
    out: dict[str, ast.stmt | None] = {}
    for tree in map(_parsed, programs):
        for statement in tree.body:
            for name, defined in _definitions(statement):
                out.pop(name, None)
                out[name] = defined
    return out


def _definitions(statement: ast.stmt) -> Iterator[tuple[str, ast.stmt | None]]:
    """What STATEMENT gives a name to, with the definition or import where it is one."""
    match statement:
        case ast.Import(names=names):
            yield from ((name, ast.Import([alias])) for name, alias in zip(_defined(statement), names, strict=True))
        case ast.ImportFrom(module=module, names=names, level=level):
            yield from (
                (name, ast.ImportFrom(module, [alias], level))
                for name, alias in zip(_defined(statement), names, strict=True)
            )
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield statement.name, statement
        case _:
            stored = (n for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
            yield from ((n.id, None) for n in stored)


def _compiles(code: str) -> bool:
    try:
        compile(code, "<program>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _defined(statement: ast.stmt) -> list[str]:
    """What STATEMENT gives a name to, where it is a definition or an import."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [statement.name]
        case ast.Import() | ast.ImportFrom():
            return [(alias.asname or alias.name).split(".")[0] for alias in statement.names]
    return []


def _lacking(tree: ast.AST) -> set[str]:
    """The names that TREE uses and nothing in it defines."""
    used, bound = set[str](), set(vars(builtins))
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.stmt():
                bound.update(_defined(node))
    return used - bound
