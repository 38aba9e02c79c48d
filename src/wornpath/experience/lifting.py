"""Lifting: an action that was done, said in roles, and said again with today's things.

`lift` replaces what the situation explains in an action's arguments by holes; a hole keeps every role that explains its value, and
`agree` keeps those that several successful uses have in common. `fill` puts today's values in. In a program the holes are inside its
literals and column names; a literal that lists what the goal lists (its columns, its groups) is one hole as a whole.
"""

from __future__ import annotations

import ast
import posixpath
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from wornpath.core import Action, canonical, digest
from wornpath.experience.naming import Names
from wornpath.experience.repeats import Item, fitting_element, items, parts
from wornpath.experience.situation import Situation
from wornpath.experience.source import Place, fitting, line_starts, literals, offset

MAX_FILLED = 200
"""So many instances a template has at most, where its roles leave a choice."""
MAX_SHORT_TEXT = 200
COMMANDS = ("command", "cmd", "script", "query", "sql", "expression")
"""Arguments that something interprets: only plain words and paths are put into them."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A place for a value. `roles` are (role, form) pairs that explain it; `was` the value itself while every use had the same; `place`
    what kind of source text it stands in, which decides how a value is written there (`source.fitting`). `sole` are those of the roles that
    nothing else played: each told the value by itself."""

    roles: frozenset[tuple[str, str]] = frozenset()
    was: str | None = None
    place: Place = ""
    sole: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Listing:
    """A place for a literal that lists what the goal lists: `kind` columns or groups, `form` how it is written."""

    kind: str
    form: str


@dataclass(frozen=True, slots=True)
class Element:
    """What is said for one kind of item: `pieces`, in which the item plays a role, and the tags of the items it was said for."""

    pieces: tuple[str | Hole, ...]
    tags: tuple[frozenset[str], ...]

    @property
    def shape(self) -> list[str]:
        return [p if isinstance(p, str) else "Hole" for p in self.pieces]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A place for what is said for each item that the goal lists (`repeats`), with `joint` between."""

    joint: str
    elements: tuple[Element, ...]


Piece = str | Hole | Listing | Repeat


@dataclass(frozen=True, slots=True)
class Template:
    """An action in roles. Arguments are sequences of pieces, or plain values (lists and mappings too) that are the same always; `open` are
    those that a model writes anew each time."""

    tool: str
    arguments: Mapping[str, Any]
    open: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Equal for the same action on other things: it does not depend on what is in the holes."""
        shape = {
            name: [p if isinstance(p, str) else [type(p).__name__, *_shape(p)] for p in v]
            if isinstance(v, tuple)
            else v
            for name, v in self.arguments.items()
        }
        return digest(canonical([self.tool, shape, list(self.open)]))[:12]

    def holes(self) -> Iterator[Hole]:
        for value in self.arguments.values():
            for piece in value if isinstance(value, tuple) else ():
                if isinstance(piece, Hole):
                    yield piece
                elif isinstance(piece, Repeat):
                    yield from (p for e in piece.elements for p in e.pieces if isinstance(p, Hole))

    def as_dict(self) -> dict[str, Any]:
        return {
            "tool": self.tool,
            "open": list(self.open),
            "arguments": {
                n: [_piece_json(p) for p in v] if isinstance(v, tuple) else {"value": v}
                for n, v in self.arguments.items()
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Template:
        arguments: dict[str, Any] = {}
        for name, value in data["arguments"].items():
            arguments[name] = tuple(map(_piece, value)) if isinstance(value, list) else value["value"]
        return cls(data["tool"], arguments, tuple(data["open"]))


def _shape(piece: Hole | Listing | Repeat) -> list[Any]:
    """What of PIECE is the same for other things."""
    if isinstance(piece, Listing):
        return [piece.kind, piece.form]
    return [piece.joint, *(e.shape for e in piece.elements)] if isinstance(piece, Repeat) else []


# -- lifting ---------------------------------------------------------------------------------------


class Lifter:
    """Lifts the actions of one run. SEEN are values by the roles that came up on the way, such as the one file a search found."""

    def __init__(self, situation: Situation, *, roles: bool = True) -> None:
        self.situation = situation
        self.explained: dict[str, set[tuple[str, str]]] = {}
        if roles:
            for role, values in situation.roles.items():
                for value in values:
                    for form, text in _forms(value):
                        self.explained.setdefault(text, set()).add((role, form))
        alone = {role for role, values in situation.roles.items() if len(values) == 1}
        self.sole = {pair for pairs in self.explained.values() for pair in pairs if pair[0] in alone}
        self.names = Names(self.explained)
        self.items = items(situation) if roles else []
        self.roles = roles

    def lift(self, action: Action, texts: Mapping[str, str], seen: Mapping[str, str] | None = None) -> Template:
        """The template of ACTION. TEXTS are the tool's arguments of free text and their kind: programs are lifted, and texts too where they
        are short; others are left open."""
        arguments: dict[str, Any] = {}
        left: list[str] = []
        strings = {n: v for n, v in action.arguments.items() if isinstance(v, str)}
        for name, value in action.arguments.items():
            if not isinstance(value, str):
                arguments[name] = list(value) if isinstance(value, tuple) else value
            elif texts.get(name) == "code":
                arguments[name] = self._code(value)
            elif name in texts and len(value) > MAX_SHORT_TEXT:
                left.append(name)
            else:
                others = {n: v for n, v in strings.items() if n != name and n not in texts}
                pieces = self._text(value, self._extra(others, seen or {}), "sh" if name in COMMANDS else "")
                if name in texts and not _explained(pieces):
                    left.append(name)
                else:
                    arguments[name] = pieces
        return Template(action.tool, arguments, tuple(left))

    def bare(self, action: Action, texts: Mapping[str, str]) -> Template:
        """The template of ACTION with its programs left to be written."""
        code = [n for n in action.arguments if texts.get(n) == "code"]
        lifted = self.lift(Action.of(action.tool, {n: v for n, v in action.arguments.items() if n not in code}), texts)
        return replace(lifted, open=tuple(sorted({*lifted.open, *code})))

    def _extra(self, others: Mapping[str, str], seen: Mapping[str, str]) -> dict[str, set[tuple[str, str]]]:
        """What explains a value besides the situation: what was SEEN, and the OTHER arguments of the same action."""
        out: dict[str, set[tuple[str, str]]] = {}
        if not self.roles:
            return out
        for role, value in [*seen.items(), *((f"same {name}", value) for name, value in others.items())]:
            for form, text in _forms(value):
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
            return Hole(frozenset(known | seen), value, place, frozenset(seen | (known & self.sole)))

        if text and (text in self.explained or text in extra):
            return (hole(text),)
        out: list[Piece] = []
        at = 0
        escapes = place not in ("", "sh", "0", ".") and "r" not in place
        for start, end in self.names.spans(text, Names(extra) if extra else None):
            if escapes and text[max(0, start - 1) : start] == "\\":  # "\new" does not say new
                continue
            out += [text[at:start], hole(text[start:end])]
            at = end
        return _joined([*out, text[at:]])

    def _code(self, code: str) -> tuple[Piece, ...]:
        """CODE with the literals that name things lifted. What does not parse is taken as it is."""
        if "\r" in code.replace("\r\n", "\n"):  # ast ends a line there and tokenize does not
            return (code,)
        try:
            tree = ast.parse(code)
            spans = [*self._listings(tree, code)]
            spans += [s for s in self._repeats(tree, code) if not any(a <= s[0] < b for a, b, _ in spans)]
            taken = [(a, b) for a, b, _ in spans]
            for start, end, place in literals(code):
                if not any(a <= start < b for a, b in taken):
                    text = code[start:end]
                    spans.append((start, end, self._field(text) if place == "." else self._text(text, place=place)))
        except (SyntaxError, ValueError, IndexError, tokenize.TokenError, RecursionError, MemoryError):
            return (code,)
        out: list[Piece] = []
        at = 0
        for start, end, pieces in sorted(spans, key=lambda s: s[0]):
            if start < at:
                continue
            out += [code[at:start], *pieces]
            at = end
        return _joined([*out, code[at:]])

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
        known = {canonical(value): Listing(kind, form) for kind, form, value in _listed(self.situation)}
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


def agree(one: Template, other: Template) -> Template | None:
    """The template of which ONE and OTHER, of the same `id`, are uses: each hole with the roles that both know. None where some hole has
    nothing that explains both."""
    arguments: dict[str, Any] = {}
    for name, value in one.arguments.items():
        theirs = other.arguments.get(name)
        if not isinstance(value, tuple) or not isinstance(theirs, tuple):
            arguments[name] = value
            continue
        merged: list[Piece] = []
        for mine, yours in zip(value, theirs, strict=True):
            if isinstance(mine, Hole) and isinstance(yours, Hole):
                both = _agree_holes(mine, yours)
                if both is None:
                    return None
                merged.append(both)
            elif isinstance(mine, Repeat) and isinstance(yours, Repeat):
                again = _agree_repeats(mine, yours)
                if again is None:
                    return None
                merged.append(again)
            else:
                merged.append(mine)
        arguments[name] = tuple(merged)
    return replace(one, arguments=arguments)


def _agree_holes(mine: Hole, yours: Hole) -> Hole | None:
    """The roles that both know. None where there are none, and where a value was told by some role alone that did not tell the other: then
    they are two ways of saying which value is meant, to be kept apart, so that one odd use does not spoil what many have in common."""
    both, sole = mine.roles & yours.roles, mine.sole & yours.sole
    was = mine.was if mine.was == yours.was else None
    if ((mine.sole or yours.sole) and not sole and was is None) or not (both or was is not None):
        return None
    return Hole(both, was, mine.place or yours.place, sole)


def _agree_repeats(mine: Repeat, yours: Repeat) -> Repeat | None:
    """Elements of the same shape, with the roles that both know and the tags of either."""
    elements = []
    for one, other in zip(mine.elements, yours.elements, strict=True):
        pieces: list[str | Hole] = []
        for a, b in zip(one.pieces, other.pieces, strict=True):
            both = _agree_holes(a, b) if isinstance(a, Hole) and isinstance(b, Hole) else a
            if both is None:
                return None
            pieces.append(both)
        elements.append(Element(tuple(pieces), tuple(dict.fromkeys((*one.tags, *other.tags)))))
    return Repeat(mine.joint, tuple(elements))


# -- filling ---------------------------------------------------------------------------------------


def fill(template: Template, situation: Situation, seen: Mapping[str, str] | None = None) -> list[tuple[Action, float]]:
    """Today's instances of TEMPLATE, best first, at most MAX_FILLED, each with how sure its values are: 1 where nothing else is named by
    any role, 1/2 where another value is as good.

    Nothing where a role has no value today.
    """
    names = list(template.arguments)
    dependent = [n for n in names if _dependent(template.arguments[n])]
    choices: list[list[tuple[Any, float]]] = []
    first = [n for n in names if n not in dependent]
    for name in first:
        found = _argument(template.arguments[name], situation, {**(seen or {})})
        if not found:
            return []
        choices.append(found)
    out: list[tuple[Action, float]] = []
    for combination in product(*choices):
        arguments = {n: value for n, (value, _) in zip(first, combination, strict=True)}
        sure = min((s for _, s in combination), default=1.0)
        known = {**(seen or {}), **{f"same {n}": v for n, v in arguments.items() if isinstance(v, str)}}
        for name in dependent:
            found = _argument(template.arguments[name], situation, known)
            if not found:
                break
            arguments[name] = known[f"same {name}"] = found[0][0]
            sure = min(sure, found[0][1])
        else:
            out.append((Action.of(template.tool, arguments), sure))
        if len(out) >= MAX_FILLED:
            break
    return sorted(out, key=lambda pair: -pair[1])


def _dependent(value: Any) -> bool:
    """Whether an argument follows from the others. One that is a thing of its own leads, although its name is in another argument too."""
    holes = [p for p in value if isinstance(p, Hole)] if isinstance(value, tuple) else []
    if len(holes) == 1 == len(value) and any(f == "=" and not _sibling(r) for r, f in holes[0].roles):
        return False
    return any(_sibling(role) for hole in holes for role, _ in hole.roles)


def _sibling(role: str) -> bool:
    """Whether ROLE is played by another argument of the same action."""
    return role.startswith(("same ", "group of same "))


def _argument(value: Any, situation: Situation, known: Mapping[str, str]) -> list[tuple[Any, float]]:
    """The values an argument can have today, best first, with how sure each is."""
    if not isinstance(value, tuple):
        return [(value, 1.0)]
    parts: list[list[tuple[str, float]]] = []
    for piece in value:
        if isinstance(piece, Repeat):
            found = _said(piece, situation, known)
        else:
            found = [(piece, 1.0)] if isinstance(piece, str) else _values(piece, situation, known)
        if not found:
            return []
        parts.append(found)
    best = "".join(found[0][0] for found in parts)
    sure = min((found[0][1] for found in parts), default=1.0)
    out: list[tuple[Any, float]] = [(best, sure)]
    open_at = [i for i, found in enumerate(parts) if len(found) > 1 and found[1][1] >= found[0][1]]
    if len(open_at) == 1:
        at = open_at[0]
        for text, other in parts[at][1:MAX_FILLED]:
            if other >= parts[at][0][1]:
                out.append(
                    ("".join(text if i == at else found[0][0] for i, found in enumerate(parts)), min(sure, other))
                )
    return out


def _said(piece: Repeat, situation: Situation, known: Mapping[str, str]) -> list[tuple[str, float]]:
    """What PIECE says for today's items; nothing where there are none, or where it is not known what to say for one of them."""
    out: list[str] = []
    sure = 1.0
    for item in items(situation):
        found = fitting_element(item.tags, [element.tags for element in piece.elements])
        if found is None:
            return []
        text = ""
        for part in piece.elements[found[0]].pieces:
            values = [(part, 1.0)] if isinstance(part, str) else _values(part, situation, {**known, **item.values()})
            if not values:
                return []
            text, sure = text + values[0][0], min(sure, values[0][1])
        out.append(text)
        sure = min(sure, found[1])
    return [(piece.joint.join(out), sure)] if out else []


def _values(piece: Hole | Listing, situation: Situation, known: Mapping[str, str]) -> list[tuple[str, float]]:
    """What PIECE stands for today, best first: the value that most of its roles name, with how far it is ahead of the next."""
    if isinstance(piece, Listing):
        found = next(
            (v for k, f, v in _listed(situation) if k == piece.kind and f == piece.form.removesuffix(" tuple")), None
        )
        if found is None:
            return []
        return [(repr(tuple(found)) if piece.form.endswith(" tuple") else repr(found), 1.0)]
    scores: dict[str, float] = {}
    siblings = {(r, f) for r, f in piece.roles if _sibling(r) and _role(r, situation, known)}
    for role, form in sorted(
        siblings or piece.roles
    ):  # what the action itself tells goes before what is like it elsewhere
        formed = (_form(v, form) for v in _role(role, situation, known))
        texts = {t for v in formed if v and (t := fitting(v, piece.place)) is not None}
        weight = 2 if (role, form) in piece.sole else 1
        for text in texts:
            scores[text] = scores.get(text, 0.0) + weight / len(texts)
    if not scores:
        return [(piece.was, 1.0)] if piece.was is not None and not piece.roles else []
    if piece.was in scores:  # it was this one each time, and is there today too
        scores[piece.was] += 0.5
    ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    best, second = ranked[0][1], ranked[1][1] if len(ranked) > 1 else 0.0
    return [(text, score / (score + (second if score == best else best))) for text, score in ranked]


def _role(role: str, situation: Situation, known: Mapping[str, str]) -> tuple[str, ...]:
    if role in known:
        return (known[role],)
    if role.startswith("group of "):
        source = known.get(role.removeprefix("group of "))
        group = group_of(source, situation.groups) if source else None
        return (group,) if group else ()
    return situation.roles.get(role, ())


def group_of(path: str, groups: Mapping[str, Iterable[str]]) -> str | None:
    """The group that the goal puts the file PATH into, by its extension."""
    extension = posixpath.splitext(path)[1].lstrip(".").casefold()
    return next((name for name, members in groups.items() if extension and extension in members), None)


# -- forms -----------------------------------------------------------------------------------------

_FORMS = ("=", "lower", "upper", "capital", "name", "stem", "folder", "extension", "snake")


def _form(value: str, form: str) -> str:
    """VALUE in another FORM."""
    match form:
        case "lower":
            return value.lower()
        case "upper":
            return value.upper()
        case "capital":
            return value[:1].upper() + value[1:]
        case "name":
            return posixpath.basename(value)
        case "stem":
            return posixpath.splitext(posixpath.basename(value))[0]
        case "folder":
            return posixpath.dirname(value)
        case "extension":
            return posixpath.splitext(value)[1].lstrip(".")
        case "snake":
            return re.sub(r"\W+", "_", value.strip()).strip("_").lower()
        case _:
            return value


def _forms(value: str) -> Iterator[tuple[str, str]]:
    """The forms of VALUE that differ from it, the value itself first. Names of one letter explain nothing."""
    met: set[str] = set()
    path = "/" in value or re.search(r"\w\.\w{1,5}$", value) is not None
    for form in _FORMS:
        if form in ("name", "stem", "folder", "extension") and not path:
            continue
        text = _form(value, form)
        if len(text) > 1 and text not in met:
            met.add(text)
            yield form, text


def _listed(situation: Situation) -> Iterator[tuple[str, str, Any]]:
    """What the goal lists, in the ways in which a program writes it."""
    columns = list(situation.roles.get("goal.columns", ()))
    if len(columns) > 1:
        yield "columns", "list", columns
    if situation.groups:
        yield "groups", "lists", {n: list(m) for n, m in situation.groups.items()}
        yield "groups", "dotted lists", {n: [f".{e}" for e in m] for n, m in situation.groups.items()}
        yield "groups", "inverse", {e: n for n, m in situation.groups.items() for e in m}
        yield "groups", "dotted inverse", {f".{e}": n for n, m in situation.groups.items() for e in m}


# -- pieces ----------------------------------------------------------------------------------------


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


def _piece_json(piece: Piece) -> Any:
    if isinstance(piece, str):
        return piece
    if isinstance(piece, Listing):
        return {"kind": piece.kind, "form": piece.form}
    if isinstance(piece, Repeat):
        said = [{"pieces": [*map(_piece_json, e.pieces)], "tags": [sorted(t) for t in e.tags]} for e in piece.elements]
        return {"joint": piece.joint, "elements": said}
    place = {"place": piece.place} if piece.place else {}
    sole = {"sole": sorted(map(list, piece.sole))} if piece.sole else {}
    return {"roles": sorted(map(list, piece.roles)), "was": piece.was, **place, **sole}


def _piece(data: Any) -> Piece:
    if isinstance(data, str):
        return data
    if "kind" in data:
        return Listing(data["kind"], data["form"])
    if "joint" in data:
        elements = []
        for e in data["elements"]:
            pieces = tuple(p for p in map(_piece, e["pieces"]) if isinstance(p, str | Hole))
            elements.append(Element(pieces, tuple(map(frozenset, e["tags"]))))
        return Repeat(data["joint"], tuple(elements))
    roles, sole = (frozenset((r, f) for r, f in data.get(name, ())) for name in ("roles", "sole"))
    return Hole(roles, data["was"], data.get("place", ""), sole)
