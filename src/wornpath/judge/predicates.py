"""Acceptance predicates: facts about the workspace that tell how far a subtask is. They guide and replan; they never reward."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable

from wornpath.core import Predicate, ToolError
from wornpath.tools.workspace import Workspace

MAX_BYTES = 4 << 20


def holds(predicate: Predicate, workspace: Workspace) -> bool:
    """Whether PREDICATE is true of WORKSPACE now. A path outside it, or a file that cannot be read, makes it false."""
    try:
        path = workspace.resolve(predicate.path)
        if predicate.kind == "gone":
            return not path.exists()
        if path.is_dir():
            return predicate.kind == "exists" and any(path.iterdir())
        if not path.is_file() or path.stat().st_size == 0:
            return False
        if predicate.kind == "exists":
            return True
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode("utf-8-sig", "replace")
    except (OSError, ToolError):
        return False
    if not text.strip():
        return False
    if predicate.kind in ("columns", "header"):
        return _has_columns(text, predicate.values, ordered=predicate.kind == "header")
    if predicate.kind == "json":
        return _has_keys(text, predicate.values)
    folded = text.casefold()
    return all(value.casefold() in folded for value in predicate.values)


def evaluate(predicates: Iterable[Predicate], workspace: Workspace) -> dict[Predicate, bool]:
    return {predicate: holds(predicate, workspace) for predicate in predicates}


def lacking(predicate: Predicate) -> str:
    """What a file that does not fulfil PREDICATE has to be told, in words."""
    values = ", ".join(predicate.values)
    match predicate.kind:
        case "exists":
            return f"{predicate.path} is not there"
        case "gone":
            return f"{predicate.path} is still there"
        case "header":
            return f"{predicate.path} does not have the columns {values} in this order"
        case "columns":
            return f"{predicate.path} does not have the columns {values}"
        case "json":
            return f"{predicate.path} is no JSON" + (f" with the keys {values}" if values else "")
        case _:
            return f"{predicate.path} does not contain {values}"


def _has_columns(text: str, names: Iterable[str], *, ordered: bool) -> bool:
    first = text.lstrip("\n").partition("\n")[0]
    try:
        header = next(csv.reader(io.StringIO(text), delimiter=max(",;\t|", key=first.count)))
    except (StopIteration, csv.Error):
        return False
    present = [name.strip().casefold() for name in header]
    wanted = [name.strip().casefold() for name in names]
    if not ordered:
        return set(wanted) <= set(present)
    return [name for name in present if name in wanted] == wanted


def _has_keys(text: str, names: Iterable[str]) -> bool:
    try:
        data = json.loads(text)
    except ValueError:
        return False
    if isinstance(data, list) and data:
        data = data[0]
    return isinstance(data, dict) and all(name in data for name in names) if tuple(names) else True
