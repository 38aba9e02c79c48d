"""Filling: a template said again with today's things."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from wornpath.core import Action
from wornpath.experience.forms import formed, group_of, listed
from wornpath.experience.repeats import fitting_element, items
from wornpath.experience.situation import Situation
from wornpath.experience.source import fitting
from wornpath.experience.template import Hole, Listing, Repeat, Template

SURE = 0.5
"""Above this a hole's best value is ahead of every other one."""
MAX_FILLED = 200
"""So many instances a template has at most, where its roles leave a choice."""


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
            (v for k, f, v in listed(situation) if k == piece.kind and f == piece.form.removesuffix(" tuple")), None
        )
        if found is None:
            return []
        return [(repr(tuple(found)) if piece.form.endswith(" tuple") else repr(found), 1.0)]
    scores: dict[str, float] = {}
    siblings = {(r, f) for r, f in piece.roles if _sibling(r) and _role(r, situation, known)}
    for role, form in sorted(
        siblings or piece.roles
    ):  # what the action itself tells goes before what is like it elsewhere
        said = (formed(v, form) for v in _role(role, situation, known))
        texts = {t for v in said if v and (t := fitting(v, piece.place)) is not None}
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
