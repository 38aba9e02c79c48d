"""Programs as a model writes them: taken out of its answer, and made to stand by themselves."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Sequence
from importlib import import_module

SHORT = {"pd": "pandas", "np": "numpy", "plt": "matplotlib.pyplot"}
MODULES = re.compile(
    "base64|calendar|collections|copy|csv|datetime|decimal|difflib|functools|glob|gzip|hashlib|heapq|io|itertools|json|math|operator|os|random"
    "|re|shutil|sqlite3|statistics|string|sys|tarfile|tempfile|textwrap|time|unicodedata|zipfile"
)
MEMBERS = {
    **dict.fromkeys(("Counter", "OrderedDict", "defaultdict", "deque", "namedtuple"), "collections"),
    **dict.fromkeys(("date", "datetime", "timedelta"), "datetime"),
    **dict.fromkeys(("chain", "groupby", "product"), "itertools"),
    **dict.fromkeys(("mean", "median"), "statistics"),
    **{
        "Decimal": "decimal",
        "Path": "pathlib",
        "StringIO": "io",
        "deepcopy": "copy",
        "glob": "glob",
        "reduce": "functools",
    },
    "itemgetter": "operator",
}
"""Of which module what is imported by itself."""


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


def self_contained(code: str, earlier: Sequence[str]) -> str:
    """CODE with the functions, classes and imports before it that it uses and lacks: those of EARLIER programs, the last of them first,
    then what everybody means by the name, such as `csv` or `defaultdict`. The kernel of a run keeps them, that of a later run has not,
    where CODE is done again."""
    there: dict[str, ast.stmt] = {}
    for tree in map(_parsed, earlier):
        for statement in tree.body:
            there.update(dict.fromkeys(_defined(statement), statement))
    tree = _parsed(code)
    lacking, taken = _lacking(tree), set[str]()
    for name in sorted(lacking - there.keys()):
        if meant := _meant(name, tree):
            there[name] = meant
    lacking &= there.keys()
    while lacking - taken:
        name = min(lacking - taken)
        taken.add(name)
        lacking |= _lacking(there[name]) & there.keys()
    needed = {id(there[name]): there[name] for name in there if name in taken}
    return "\n\n".join([*map(ast.unparse, needed.values()), code]) if needed else code


def _meant(name: str, tree: ast.AST) -> ast.stmt | None:
    """The import that TREE forgot, where NAME, which it uses, can hardly mean anything else."""
    asked = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and _is(n.value, name)}
    if asked and name in SHORT:
        return ast.Import([ast.alias(SHORT[name], name)])
    if asked and MODULES.fullmatch(name) and all(hasattr(import_module(name), attribute) for attribute in asked):
        return ast.Import([ast.alias(name)])
    return ast.ImportFrom(MEMBERS[name], [ast.alias(name)], 0) if name in MEMBERS else None


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _parsed(code: str) -> ast.Module:
    return ast.parse(code) if is_program(code) else ast.Module([], [])


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
