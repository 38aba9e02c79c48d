"""Acceptance predicates: facts about the workspace that tell how far a subtask is. They guide and replan; they never reward."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Iterable

from wornpath.core import Predicate, ToolError
from wornpath.experience import Tracker
from wornpath.tools.workspace import Workspace

MAX_BYTES = 4 << 20
MAX_HEADER = 4096


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


def still_open(tracker: Tracker, workspace: Workspace) -> list[Predicate]:
    """Those of the active subtask that do not hold, or hold only because of a file that was there before."""
    wanted = tracker.active.predicates if tracker.active else ()
    return [p for p in wanted if not (holds(p, workspace) and (p.kind == "gone" or tracker.made(p.path)))]


def lacking(predicate: Predicate, workspace: Workspace, made: Iterable[str] = ()) -> str:
    """Why WORKSPACE does not fulfil PREDICATE, in words. MADE are the files that were written, perhaps in another's place."""
    values, path = ", ".join(predicate.values), predicate.path
    if predicate.kind != "gone" and not holds(Predicate("exists", path), workspace):
        name = posixpath.basename(path)
        instead = next((p for p in made if p != path and posixpath.basename(p) == name), "")
        return f"{path} is not there" + (f": {instead} was written in its place" if instead else "")
    match predicate.kind:
        case "gone":
            return f"{path} is still there"
        case "header" | "columns":
            order = " in this order" if predicate.kind == "header" else ""
            found = _columns_at(path, workspace)
            has = f": it has {', '.join(found)}" if found else ""
            return f"{path} does not have the columns {values}{order}{has}"
        case "json":
            return f"{path} is no JSON" + (f" with the keys {values}" if values else "")
        case _:
            return f"{path} does not contain {values}"


def _columns_at(path: str, workspace: Workspace) -> list[str]:
    """The names of the columns of the table at PATH; none where there is no such table."""
    try:
        place = workspace.resolve(path)
        if not place.is_file():
            return []
        with place.open("rb") as file:
            return _header(file.read(MAX_HEADER).decode("utf-8-sig", "replace"))
    except (OSError, ToolError):
        return []


def _header(text: str) -> list[str]:
    first = text.lstrip("\n").partition("\n")[0]
    try:
        return [name.strip() for name in next(csv.reader(io.StringIO(text), delimiter=max(",;\t|", key=first.count)))]
    except (StopIteration, csv.Error):
        return []


def _has_columns(text: str, names: Iterable[str], *, ordered: bool) -> bool:
    present = [name.casefold() for name in _header(text)]
    wanted = [name.strip().casefold() for name in names]
    if not present:
        return False
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
