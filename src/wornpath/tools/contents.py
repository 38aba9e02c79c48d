"""All that a folder holds, hidden or not, as far as it can be copied."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from wornpath.core import ToolError
from wornpath.store.trees import walk
from wornpath.tools.workspace import MAX_DEPTH, SKIPPED_FOLDERS, Workspace, spelling

MAX_COPIED = 2000
"""The most files one copy of a folder makes."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a copy of a folder takes along, as paths below it, folders before what is in them; and what it cannot, each with why."""

    files: tuple[str, ...]
    folders: tuple[str, ...]
    left_out: tuple[str, ...]


def to_copy(workspace: Workspace, path: str) -> Contents:
    """All that is in the folder PATH. Where that is too much, version control, caches and virtual environments are left out.

    A link to a file of the workspace counts as that file; no other link is followed. Raises ToolError where it is too much even so.
    """
    found = _below(workspace, path, frozenset()) or _below(workspace, path, SKIPPED_FOLDERS)
    if found is None:
        name = workspace.relative(path)
        raise ToolError(f"{name} has more than {MAX_COPIED:,} files; copy its parts one by one.")
    return found


def _below(workspace: Workspace, path: str, without: frozenset[str]) -> Contents | None:
    """What is in the folder PATH, but for the folders WITHOUT; None where there are more than MAX_COPIED files."""
    files: dict[str, None] = {}
    folders: dict[str, None] = {}
    left_out: list[str] = []
    rel = os.path.relpath(os.path.realpath(workspace.resolve(path)), workspace.root)
    rel = "" if rel == "." else rel

    def named(place: str) -> str:
        return spelling(place[len(rel) :].lstrip("/"))

    def skip(place: str) -> bool:
        why = "too deep" if place.count("/") >= MAX_DEPTH else ""
        if place.rpartition("/")[2] in without and (workspace.root / place).is_dir():
            why = "too many files with it"
        left_out.extend([f"{named(place)} ({why})"] if why else [])
        return bool(why)

    try:
        for place, info, at, entry in walk(
            workspace.root, rel, skip, lambda place: left_out.append(f"{named(place)} (may not be read)")
        ):
            name = named(place)
            if stat.S_ISDIR(info.st_mode):
                folders[name] = None
            elif why := _hindrance(workspace, place, info) or ("named as another" if name in files else ""):
                left_out.append(f"{name} ({why})")
            elif not os.access(entry, os.R_OK, dir_fd=at):
                left_out.append(f"{name} (may not be read)")
            else:
                files[name] = None
            if len(files) > MAX_COPIED:
                return None
    except OSError as error:
        raise workspace.error(error, path) from None
    return Contents(tuple(files), tuple(folders), tuple(left_out))


def _hindrance(workspace: Workspace, place: str, info: os.stat_result) -> str:
    """Why what is at PLACE of the disk is no file to copy; empty where it is one."""
    if stat.S_ISREG(info.st_mode):
        return ""
    if not stat.S_ISLNK(info.st_mode):
        return "no regular file"
    real = Path(os.path.realpath(workspace.root / place))
    return "" if real.is_relative_to(workspace.root) and real.is_file() else "a link"
