"""Templates: actions said in roles. A value that plays a role is a hole; a literal that lists what the goal lists, and a part of a
program that says one thing for each item of that list, are pieces of their own. Two uses `agree` in what both have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wornpath.core import canonical, digest
from wornpath.experience.grounds import Grounds
from wornpath.experience.source import Place


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
    those that a model writes anew each time, `grounds` what its programs take for granted."""

    tool: str
    arguments: Mapping[str, Any]
    open: tuple[str, ...] = ()
    grounds: Grounds = Grounds()

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
            **({"grounds": self.grounds.as_dict()} if self.grounds != Grounds() else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Template:
        arguments: dict[str, Any] = {}
        for name, value in data["arguments"].items():
            arguments[name] = tuple(map(_piece, value)) if isinstance(value, list) else value["value"]
        grounds = Grounds.from_dict(data["grounds"]) if "grounds" in data else Grounds()
        return cls(data["tool"], arguments, tuple(data["open"]), grounds)


def _shape(piece: Hole | Listing | Repeat) -> list[Any]:
    """What of PIECE is the same for other things."""
    if isinstance(piece, Listing):
        return [piece.kind, piece.form]
    return [piece.joint, *(e.shape for e in piece.elements)] if isinstance(piece, Repeat) else []


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
    return replace(one, arguments=arguments, grounds=one.grounds.agree(other.grounds))


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
