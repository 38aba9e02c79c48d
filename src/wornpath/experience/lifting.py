"""Lifting: an action that was done, said in roles.

`lift` replaces what the situation explains in an action's arguments by holes; a hole keeps every role that explains its value. In a
program the holes are inside its literals and column names. `filling` puts today's values in.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from wornpath.core import Action, canonical
from wornpath.experience.forms import forms, group_of, listed
from wornpath.experience.grounds import Grounds, said, silent
from wornpath.experience.marks import ROLE, marks_of
from wornpath.experience.naming import Names
from wornpath.experience.repeats import Item, items, parts
from wornpath.experience.situation import Situation
from wornpath.experience.source import Place, is_text, line_starts, literals, offset
from wornpath.experience.template import Element, Hole, Listing, Piece, Repeat, Template

MAX_SHORT_TEXT = 200
COMMANDS = ("command", "cmd", "script", "query", "sql", "expression")
"""Arguments that something interprets: only plain words and paths are put into them."""


class Lifter:
    """Lifts the actions of one run. SEEN are values by the roles that came up on the way, such as the one file a search found."""

    def __init__(self, situation: Situation, *, roles: bool = True) -> None:
        self.situation = situation
        self.explained: dict[str, set[tuple[str, str]]] = {}
        if roles:
            for role, values in situation.roles.items():
                for value in values if not role.startswith(ROLE) else ():
                    for form, text in forms(value):
                        self.explained.setdefault(text, set()).add((role, form))
        self.marks: dict[str, set[tuple[str, str]]] = {}
        """Signs, which explain a literal that says nothing else."""
        for role, value in marks_of(situation.roles) if roles else ():
            self.marks.setdefault(value if value.isprintable() else repr(value)[1:-1], set()).add((role, "="))
        alone = {role for role, values in situation.roles.items() if len(values) == 1}
        self.sole = {pair for pairs in self.explained.values() for pair in pairs if pair[0] in alone}
        self.sole |= {pair for pairs in self.marks.values() for pair in pairs}
        self.names = Names(self.explained)
        self.items = items(situation) if roles else []
        self.roles = roles

    def lift(self, action: Action, texts: Mapping[str, str], seen: Mapping[str, str] | None = None) -> Template:
        """The template of ACTION. TEXTS are the tool's arguments of free text and their kind: programs are lifted, and texts too where they
        are short; others are left open."""
        arguments: dict[str, Any] = {}
        left: list[str] = []
        says: set[str] = set()
        strings = {n: v for n, v in action.arguments.items() if isinstance(v, str)}
        for name, value in action.arguments.items():
            if not isinstance(value, str):
                arguments[name] = list(value) if isinstance(value, tuple) else value
            elif texts.get(name) == "code":
                arguments[name], said_here = self._code(value)
                says |= said_here
            elif name in texts and len(value) > MAX_SHORT_TEXT:
                left.append(name)
            else:
                others = {n: v for n, v in strings.items() if n != name and n not in texts}
                pieces = self._text(value, self._extra(others, seen or {}), "sh" if name in COMMANDS else "")
                if name in texts and not _explained(pieces):
                    left.append(name)
                else:
                    arguments[name] = pieces
        made = Template(action.tool, arguments, tuple(left))
        if "code" not in texts.values():
            return made
        lifted = {role for hole in made.holes() for role, _ in hole.roles}
        return replace(made, grounds=Grounds.of(action, says, lifted, self.situation))

    def bare(self, action: Action, texts: Mapping[str, str]) -> Template:
        """The template of ACTION with its programs left to be written."""
        code = [n for n in action.arguments if texts.get(n) == "code"]
        lifted = self.lift(Action.of(action.tool, {n: v for n, v in action.arguments.items() if n not in code}), texts)
        return replace(lifted, open=tuple(sorted({*lifted.open, *code})), grounds=Grounds())

    def _extra(self, others: Mapping[str, str], seen: Mapping[str, str]) -> dict[str, set[tuple[str, str]]]:
        """What explains a value besides the situation: what was SEEN, and the OTHER arguments of the same action."""
        out: dict[str, set[tuple[str, str]]] = {}
        if not self.roles:
            return out
        for role, value in [*seen.items(), *((f"same {name}", value) for name, value in others.items())]:
            for form, text in forms(value):
                if form == "=" and role.startswith("same "):
                    if "/" in value:
                        continue
                    form = "name"  # of a file in no folder, which is the whole of its path
                out.setdefault(text, set()).add((role, form))
            group = group_of(value, self.situation.groups)
            if group:
                out.setdefault(group, set()).add((f"group of {role}", "="))
        return out

    def _text(
        self, text: str, extra: Mapping[str, set[tuple[str, str]]] | None = None, place: Place = ""
    ) -> tuple[Piece, ...]:
        extra = extra or {}

        def hole(value: str) -> Hole:
            known, seen = self.explained.get(value, set()), extra.get(value, set())
            if is_text(place):
                known = known | self.marks.get(value, set())
            return Hole(frozenset(known | seen), value, place, frozenset(seen | (known & self.sole)))

        sign = is_text(place) and text in self.marks and not (set(place) & {"f", "t"} and set(text) & {"{", "}"})
        if text and (text in self.explained or text in extra or sign):
            return (hole(text),)
        out: list[Piece] = []
        at = 0
        escapes = is_text(place) and "r" not in place
        for start, end in self.names.spans(text, Names(extra) if extra else None):
            if escapes and text[max(0, start - 1) : start] == "\\":  # "\new" does not say new
                continue
            out += [text[at:start], hole(text[start:end])]
            at = end
        return _joined([*out, text[at:]])

    def _code(self, code: str) -> tuple[tuple[Piece, ...], set[str]]:
        """CODE with the literals that name things lifted, and what words and signs they say besides. What does not parse is taken as it
        is."""
        says: set[str] = set()
        if "\r" in code.replace("\r\n", "\n"):  # ast ends a line there and tokenize does not
            return (code,), says
        try:
            tree = ast.parse(code)
            spans = [*self._listings(tree, code)]
            spans += [s for s in self._repeats(tree, code) if not any(a <= s[0] < b for a, b, _ in spans)]
            taken = [(a, b) for a, b, _ in spans]
            starts = line_starts(code)
            shown = [(offset(code, starts, a, b), offset(code, starts, c, d)) for a, b, c, d in silent(tree)]
            for start, end, place in literals(code):
                if any(a <= start < b for a, b in taken):
                    continue
                text = code[start:end]
                pieces = self._field(text) if place == "." else self._text(text, place=place)
                spans.append((start, end, pieces))
                if is_text(place) and not any(a <= start < b for a, b in shown):
                    says.update(*(said(p, place) for p in pieces if isinstance(p, str)))
        except (SyntaxError, ValueError, IndexError, tokenize.TokenError, RecursionError, MemoryError):
            return (code,), set()
        out: list[Piece] = []
        at = 0
        for start, end, pieces in sorted(spans, key=lambda s: s[0]):
            if start < at:
                continue
            out += [code[at:start], *pieces]
            at = end
        return _joined([*out, code[at:]]), says

    def _repeats(self, tree: ast.AST, code: str) -> Iterator[tuple[int, int, tuple[Piece, ...]]]:
        """The parts of CODE that say something for each item that the goal lists."""
        for part in parts(tree, code, self.items) if self.items else ():
            joints = {" ".join(code[a:b].split()) for (_, a), (b, _) in zip(part.spans, part.spans[1:], strict=False)}
            if len(joints) != 1:
                continue
            known: dict[tuple[str | Hole, ...], list[frozenset[str]]] = {}
            for item, (start, end) in zip(self.items, part.spans, strict=True):
                known.setdefault(self._element(code[start:end], item), []).append(item.tags)
            elements = (Element(pieces, tuple(dict.fromkeys(tags))) for pieces, tags in known.items())
            ordered = tuple(sorted(elements, key=lambda e: e.shape))
            if len({canonical(e.shape) for e in ordered}) == len(ordered):
                yield part.start, part.end, (Repeat(code[part.spans[0][1] : part.spans[1][0]], ordered),)

    def _element(self, text: str, item: Item) -> tuple[str | Hole, ...]:
        """The source TEXT of what is said for ITEM, with the item lifted, and all else that plays a role."""
        values = {value: role for role, value in reversed(item.values().items())}
        out: list[Piece] = []
        at = 0
        for start, end, place in literals(text):
            said = text[start:end]
            roles = frozenset({(values[said], "=")}) if said in values else None
            inside = (
                (Hole(roles, None, place, roles),)
                if roles
                else self._field(said)
                if place == "."
                else self._text(said, place=place)
            )
            out += [text[at:start], *inside]
            at = end
        return tuple(p for p in _joined([*out, text[at:]]) if isinstance(p, str | Hole))

    def _field(self, name: str) -> tuple[Piece, ...]:
        """NAME after a dot: a column of the data, or the program's own."""
        roles = {
            (r, f) for r, f in self.explained.get(name, ()) if r.startswith(("column", "goal.columns")) and f == "="
        }
        return (Hole(frozenset(roles), name, ".", frozenset(roles & self.sole)),) if roles else (name,)

    def _listings(self, tree: ast.AST, code: str) -> Iterator[tuple[int, int, tuple[Piece, ...]]]:
        """The literals in TREE that are the goal's columns or groups."""
        if not self.roles:
            return
        known = {canonical(value): Listing(kind, form) for kind, form, value in listed(self.situation)}
        if not known:
            return
        starts = line_starts(code)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Dict, ast.List, ast.Tuple, ast.Set)) and node.end_lineno is not None:
                try:
                    value = ast.literal_eval(node)
                except (ValueError, TypeError, SyntaxError):
                    continue
                kept = list(value) if isinstance(value, (tuple, set)) else value
                found = known.get(_canonical(kept))
                if found is not None and not isinstance(node, ast.Set):
                    wrapped = Listing(found.kind, f"{found.form} tuple") if isinstance(node, ast.Tuple) else found
                    start = offset(code, starts, node.lineno, node.col_offset)
                    end = offset(code, starts, node.end_lineno, node.end_col_offset or 0)
                    if _says(code[start:end], value):  # until Python 3.11 the places inside f-strings are wrong
                        yield start, end, (wrapped,)


def _says(text: str, value: Any) -> bool:
    """Whether TEXT is a literal of VALUE."""
    try:
        return bool(ast.literal_eval(text) == value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False


def _canonical(value: Any) -> str:
    try:
        return canonical(value)
    except (TypeError, ValueError):
        return ""


def _explained(pieces: tuple[Piece, ...]) -> bool:
    """Whether PIECES hold nothing but holes and what stands between words."""
    return any(not isinstance(p, str) for p in pieces) and all(
        not isinstance(p, str) or not re.search(r"\w", p) for p in pieces
    )


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """PIECES with neighbouring texts put together."""
    out: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and out and isinstance(out[-1], str):
            out[-1] += piece
        elif piece != "":
            out.append(piece)
    return tuple(out)
