"""Whether a change that was cut off was made: for each file tool, what it notes beforehand, and how that is compared with the disk.

A check gives the result of the change when it was made, False when it was not, and None when that cannot be told, because it was made in
part or somebody else changed the same thing meanwhile.
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
from typing import Any, cast

from wornpath.core import Entity, Observation, ToolError
from wornpath.tools import intents
from wornpath.tools.beneath import clear_leftovers
from wornpath.tools.contents import to_copy
from wornpath.tools.documents import describe
from wornpath.tools.files import size_words
from wornpath.tools.tool import ToolContext
from wornpath.tools.workspace import Workspace

Outcome = Observation | bool | None
_LARGE = 256 << 20


def changed(workspace: Workspace, text: str, name: str, *gone: str, fact: str = "") -> Observation:
    """What was done, with NAME as it is now."""
    info = workspace.stat(name)
    folder = workspace.is_folder(name)
    about = "folder" if folder else f"{size_words(info.st_size if info else 0)}, {describe(name, workspace)}"
    facts = tuple(f for f in (fact, "" if folder else f"{name}: {about}") if f) or (f"{name} is a folder",)
    return Observation.of(
        text,
        facts=facts,
        changed=(*gone, name),
        entities=(Entity(name, "folder" if folder else "file", detail="" if folder else about),),
    )


# -- a file whose content is replaced: write_file, edit_file, copy_file of one file ----------------


def note_content(context: ToolContext, path: str, data: bytes | None) -> None:
    """PATH is about to have DATA as its content (None: the content of a file that is copied)."""
    after = hashlib.sha256(data).hexdigest() if data is not None else ""
    intents.note(context, path=context.workspace.relative(path), before=content(context.workspace, path), after=after)


def replaced(context: ToolContext, path: str, **arguments: Any) -> Outcome:
    """Whether PATH has the content that it was to have, or still the one before."""
    marks = intents.noted(context)
    if marks is None:
        return False
    name, now = context.workspace.relative(path), content(context.workspace, path)
    clear_leftovers(context.workspace.root / posixpath.dirname(name))
    if now == marks.get("after"):
        return changed(context.workspace, f"Wrote {name}.", name)
    return False if now == marks.get("before") else None


def content(workspace: Workspace, path: str) -> str:
    """The SHA-256 of the file at PATH, of a very large one what tells its versions apart; or why there is none."""
    info = workspace.stat(path)
    if info is None:
        return "absent"
    if info.st_size > _LARGE:
        return f"{info.st_size}:{info.st_mtime_ns}:{info.st_ino}"
    try:
        with workspace.open_read(path) as file:
            return hashlib.file_digest(cast(io.BufferedReader, file), "sha256").hexdigest()
    except (OSError, ToolError):
        return "unreadable"


# -- append_file -----------------------------------------------------------------------------------


def note_appended(context: ToolContext, path: str, data: bytes) -> None:
    """DATA is about to be added at the end of PATH."""
    info = context.workspace.stat(path)
    size = info.st_size if info else 0
    intents.note(context, size=size, length=len(data), added=hashlib.sha256(data).hexdigest())


def appended(context: ToolContext, path: str, **arguments: Any) -> Outcome:
    """Whether what was to be added stands in PATH where the file ended before."""
    marks = intents.noted(context)
    info = context.workspace.stat(path)
    if marks is None or (info.st_size if info else 0) == marks.get("size"):
        return False
    if info is None:
        return None
    name = context.workspace.relative(path)
    with context.workspace.open_read(path) as file:
        file.seek(marks["size"])
        added = file.read(marks["length"])
    if hashlib.sha256(added).hexdigest() != marks.get("added"):
        return None
    return changed(context.workspace, f"Added {marks['length']:,} bytes to {name}.", name)


# -- move_file and delete_file ---------------------------------------------------------------------


def note_moved(context: ToolContext, old: str, new: str) -> None:
    """OLD is about to get the path NEW."""
    intents.note(context, old=old, new=new, what=identity(context.workspace, old))


def moved(context: ToolContext, **arguments: Any) -> Outcome:
    """A rename keeps the file: it is at its new path, or still at the old one."""
    marks, workspace = intents.noted(context), context.workspace
    if marks is None:
        return False
    old, new = marks["old"], marks["new"]
    if identity(workspace, new) == marks["what"]:
        return changed(workspace, f"Moved {old} to {new}.", new, old, fact=f"{old} is now {new}")
    return False if identity(workspace, old) == marks["what"] else None


def note_deleted(context: ToolContext, path: str) -> None:
    """PATH is about to be removed."""
    intents.note(context, what=identity(context.workspace, path))


def deleted(context: ToolContext, path: str, **arguments: Any) -> Outcome:
    """Whether PATH is gone. A folder that is still there, perhaps without some of its files, is not."""
    marks = intents.noted(context)
    if marks is None:
        return False
    now = identity(context.workspace, path)
    if not now:
        return gone(context.workspace.relative(path))
    return False if now == marks["what"] else None


def gone(name: str) -> Observation:
    return Observation.of(f"Deleted {name}.", facts=(f"{name} was deleted",), changed=(name,))


def identity(workspace: Workspace, path: str) -> list[int]:
    """What tells the thing at PATH from any other on the machine; empty where nothing is."""
    parts = workspace.writable_parts(path)
    try:
        info = os.lstat(workspace.root.joinpath(*parts))
    except OSError:
        return []
    return [info.st_dev, info.st_ino]


# -- copy_file -------------------------------------------------------------------------------------


def note_copied(context: ToolContext, old: str, new: str) -> None:
    """OLD is about to be copied to NEW."""
    intents.note(context, old=old, new=new, before=content(context.workspace, new))


def copied(context: ToolContext, **arguments: Any) -> Outcome:
    """Whether all is at its new path as it is at the old one. What was copied in part may be copied again, if nobody changed it."""
    marks, workspace = intents.noted(context), context.workspace
    if marks is None:
        return False
    old, new = marks["old"], marks["new"]
    if not workspace.is_folder(old):
        clear_leftovers(workspace.root / posixpath.dirname(new))
        now = content(workspace, new)
        if now == content(workspace, old):
            return changed(workspace, f"Copied {old} to {new}.", new)
        return False if now == marks["before"] else None
    if not workspace.is_folder(new):
        return False if content(workspace, new) == marks["before"] else None
    wanted, there = to_copy(workspace, old), to_copy(workspace, new)
    for folder in {posixpath.dirname(name) for name in there.files if _leftover(name)}:
        clear_leftovers(workspace.root / new / folder)
    copies = {name for name in there.files if not _leftover(name)}
    if any(content(workspace, f"{new}/{n}") != content(workspace, f"{old}/{n}") for n in copies):
        return None
    if copies == set(wanted.files) and set(wanted.folders) <= set(there.folders):
        return changed(workspace, f"Copied {old} with {len(copies):,} files to {new}.", new)
    return False


def begun_copy(context: ToolContext) -> str:
    """The path that this very action had begun to copy to, where nothing was before; empty when it had not."""
    marks = intents.noted(context)
    return str(marks["new"]) if marks is not None and marks.get("before") == "absent" else ""


def _leftover(path: str) -> bool:
    return posixpath.basename(path).startswith(".wornpath-")


# -- python and shell ------------------------------------------------------------------------------


def note_code(context: ToolContext, state: str) -> None:
    """Code is about to run on a workspace whose files are in STATE, a digest of their sizes, times and inodes."""
    intents.note(context, state=state)


def code_ran(context: ToolContext, state: str) -> Outcome:
    """Sandboxed code reaches nothing but the workspace: where that is as it was, nothing was done that could be done twice."""
    marks = intents.noted(context)
    if marks is None:
        return False
    confined = context.sandbox is not None and context.sandbox.name != "none"
    return False if confined and state == marks.get("state") else None
