"""The forms in which a program or command writes what a situation offers: in lower case, without its folder, as the stem of a name; and
what the goal lists, as a list or a mapping."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wornpath.experience.situation import Situation

FORMS = ("=", "lower", "upper", "capital", "name", "stem", "folder", "extension", "snake")


def formed(value: str, form: str) -> str:
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


def forms(value: str) -> Iterator[tuple[str, str]]:
    """The forms of VALUE that differ from it, the value itself first. Names of one letter explain nothing."""
    met: set[str] = set()
    path = "/" in value or re.search(r"\w\.\w{1,5}$", value) is not None
    for form in FORMS:
        if form in ("name", "stem", "folder", "extension") and not path:
            continue
        text = formed(value, form)
        if len(text) > 1 and text not in met:
            met.add(text)
            yield form, text


def listed(situation: Situation) -> Iterator[tuple[str, str, Any]]:
    """What the goal lists, in the ways in which a program writes it."""
    columns = list(situation.roles.get("goal.columns", ()))
    if len(columns) > 1:
        yield "columns", "list", columns
    if situation.groups:
        yield "groups", "lists", {n: list(m) for n, m in situation.groups.items()}
        yield "groups", "dotted lists", {n: [f".{e}" for e in m] for n, m in situation.groups.items()}
        yield "groups", "inverse", {e: n for n, m in situation.groups.items() for e in m}
        yield "groups", "dotted inverse", {f".{e}": n for n, m in situation.groups.items() for e in m}


def group_of(path: str, groups: Mapping[str, Iterable[str]]) -> str | None:
    """The group that the goal puts the file PATH into, by its extension."""
    extension = posixpath.splitext(path)[1].lstrip(".").casefold()
    return next((name for name, members in groups.items() if extension and extension in members), None)
