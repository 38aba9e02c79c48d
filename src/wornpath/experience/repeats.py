"""Parts of a program that say one thing for each item of a list in the goal: `[row["date"], row["name"], float(row["sum"])]` for the
columns date, name and sum.

Such a part is lifted as a whole: one piece of source for each kind of item, so that it can be said again for other items and for more or
fewer of them. An item is told by its *tags*: whether the files have it, what stands under it, whether the goal names it again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wornpath.experience.situation import Situation
from wornpath.experience.source import line_starts, offset

ITEM, LABEL = "item", "item label"
"""The roles of an item's name and of what the goal says it stands for."""
KINDS = ("numbers", "dates", "text")


@dataclass(frozen=True, slots=True)
class Item:
    """One of what the goal lists. `label` is empty where it gives none."""

    name: str
    label: str
    tags: frozenset[str]

    def values(self) -> dict[str, str]:
        return {ITEM: self.name, **({LABEL: self.label} if self.label else {})}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a program from `start` to `end`: the spans of what it says for each item, in order."""

    start: int
    end: int
    spans: tuple[tuple[int, int], ...]


def items(situation: Situation) -> list[Item]:
    """What the goal lists, in its order: the columns, or the names with their labels."""
    again = set(situation.roles.get("goal.columns named again", ()))
    pairs = situation.pairs or tuple((name, "") for name in situation.roles.get("goal.columns", ()))
    out = []
    for name, label in pairs:
        known = label or name
        tags = {"named again"} if name in again else set()
        for what in ("column", "label"):
            tags |= {k for k in KINDS if known in situation.roles.get(f"{what} of {k}", ())}
            tags |= {"in the files"} if known in situation.roles.get(what, ()) else set()
        out.append(Item(name, label, frozenset(tags)))
    return out if len(out) > 1 else []


def parts(tree: ast.AST, code: str, listed: Sequence[Item]) -> Iterator[Part]:
    """The parts of CODE, parsed as TREE, that say one thing for each of the items LISTED, the outermost first."""
    starts = line_starts(code)
    for node in ast.walk(tree):
        match node:
            case ast.List(elts=nodes) | ast.Tuple(elts=nodes):
                pairs: list[tuple[ast.AST, ast.AST]] = [(n, n) for n in nodes]
            case ast.Call(args=nodes) if not node.keywords:
                pairs = [(n, n) for n in nodes]
            case ast.Dict(keys=keys, values=values) if all(keys):
                pairs = [(k, v) for k, v in zip(keys, values, strict=True) if k is not None]
            case _:
                continue
        if len(pairs) != len(listed) or not _each_its_own(pairs, listed):
            continue
        spans = tuple((_start(code, starts, a), _end(code, starts, b)) for a, b in pairs)
        if all(_says(code[start:end], a, b) for (start, end), (a, b) in zip(spans, pairs, strict=True)):
            yield Part(spans[0][0], spans[-1][1], spans)


def _each_its_own(pairs: Sequence[tuple[ast.AST, ast.AST]], listed: Sequence[Item]) -> bool:
    """Whether each of PAIRS names the item in its place, or none, and more than one does."""
    own = 0
    for (first, last), item in zip(pairs, listed, strict=True):
        nodes = [n for at in (first, last) for n in ast.walk(at)]
        said = {n.value for n in nodes if isinstance(n, ast.Constant)} | {
            n.attr for n in nodes if isinstance(n, ast.Attribute)
        }
        if any(other is not item and {other.name, other.label or other.name} & said for other in listed):
            return False
        own += bool({item.name, item.label or item.name} & said)
    return own > 1


def _start(code: str, starts: list[int], node: ast.AST) -> int:
    assert isinstance(node, ast.expr)
    return offset(code, starts, node.lineno, node.col_offset)


def _end(code: str, starts: list[int], node: ast.AST) -> int:
    assert isinstance(node, ast.expr) and node.end_lineno is not None
    return offset(code, starts, node.end_lineno, node.end_col_offset or 0)


def _says(text: str, first: ast.AST, last: ast.AST) -> bool:
    """Whether TEXT is the source of FIRST, or of FIRST: LAST. Places inside f-strings are wrong until Python 3.11."""
    try:
        parsed = ast.parse(f"{{{text}}}" if first is not last else f"[{text}]", mode="eval").body
    except (SyntaxError, ValueError):
        return False
    inner = [*parsed.keys, *parsed.values] if isinstance(parsed, ast.Dict) else getattr(parsed, "elts", [])
    wanted = [first, last] if first is not last else [first]
    return [ast.dump(n) for n in inner if n is not None] == [ast.dump(n) for n in wanted]


def fitting_element(tags: frozenset[str], known: Sequence[Sequence[frozenset[str]]]) -> tuple[int, float] | None:
    """Which of the elements, each KNOWN for items with some tags, is for an item with TAGS, and how sure: 1 where it was used for such an
    item and no other was. None where nothing tells."""
    scores = [max((_alike(tags, seen) for seen in each), default=0.0) for each in known]
    best = max(scores, default=0.0)
    if len(known) == 1:
        return 0, 1.0 if best == 1 else 0.75
    if best == 0 or scores.count(best) > 1:
        return None
    return scores.index(best), 1.0 if best == 1 else 0.6


def _alike(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 1.0
