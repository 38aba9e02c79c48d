"""The grounds on which a known program does: what it takes for granted of the goal and the files, so far as that can be seen.

Its literals say words and signs that are in the files, too; where one of them is lacking today, it reads something else than what it was
written for. Where it used all the columns that the goal named, or all labels, or all values, and today's goal names one that it does not
use, more is asked for than it does. And what it says nothing of, such as what parts the columns of a table, has to be as it was then.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wornpath.core import Action
from wornpath.experience.forms import forms
from wornpath.experience.marks import marks_of

if TYPE_CHECKING:
    from wornpath.experience.situation import Situation

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


@dataclass(frozen=True, slots=True)
class Grounds:
    """`says` are tokens that its literals and the files had in common, `uses` the kinds of things of which it used all that the goal named,
    and `signs` the (role, sign) that it did not say."""

    says: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    signs: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, action: Action, said: Iterable[str], lifted: Iterable[str], situation: Situation) -> Grounds:
        """Those of ACTION in SITUATION: its literals say SAID besides names, and the roles LIFTED in it are said anew each time."""
        signs = frozenset(marks_of(situation.roles))
        known = frozenset(lifted)
        says = frozenset(said) & situation.said
        return cls(says, used(action, situation), frozenset(pair for pair in signs if pair[0] not in known))

    def agree(self, other: Grounds) -> Grounds:
        """What is left where it did on the grounds of both."""
        return Grounds(self.says & other.says, self.uses & other.uses, self.signs | other.signs)

    def hold(self, action: Action, situation: Situation) -> bool:
        """Whether they hold for ACTION, the program with today's things in it, in SITUATION."""
        known = {role for role, _ in self.signs}
        alike = all(role not in known or (role, sign) in self.signs for role, sign in marks_of(situation.roles))
        return alike and self.says <= situation.said and self.uses <= used(action, situation)

    def as_dict(self) -> dict[str, Any]:
        return {"says": sorted(self.says), "uses": sorted(self.uses), "signs": sorted(map(list, self.signs))}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Grounds:
        return cls(frozenset(data["says"]), frozenset(data["uses"]), frozenset((r, v) for r, v in data["signs"]))


def used(action: Action, situation: Situation) -> frozenset[str]:
    """The kinds of things that the goal names, of which ACTION uses all."""
    text = "\n".join(str(value) for value in action.arguments.values())
    named = {kind: [v for role in roles for v in situation.roles.get(role, ())] for kind, roles in NAMED.items()}
    return frozenset(
        kind
        for kind, values in named.items()
        if all(any(form in text for _, form in forms(v)) for v in values if len(v) > 1)
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
