"""What a person is shown before approving: the change itself, as a diff, and everything else in full, nothing hidden."""

from __future__ import annotations

import difflib
import json
import posixpath
import stat
from collections.abc import Callable, Mapping
from typing import Any

from wornpath.core import Action, ToolError
from wornpath.core.visible import visible
from wornpath.store.trees import walk
from wornpath.tools import Tool, Workspace
from wornpath.tools.changes import replaced, target_of
from wornpath.tools.readers import decode
from wornpath.tools.workspace import spelling

MAX_BYTES = 1 << 20
MAX_LINES = 4000
"""Of a file that is compared: difflib takes quadratic time."""
MAX_LISTED = 200


def preview(tool: Tool | None, action: Action, workspace: Workspace) -> str:
    """The real thing that is to be approved: for changes of files a unified diff, else all arguments in full; control characters visible.

    A change that would fail is shown as its arguments, with why it would fail.
    """
    arguments = dict(action.arguments)
    make = _PREVIEWS.get(action.tool) if tool is not None and tool.paths else None
    shown = ""
    if make is not None and not set(tool.text if tool else ()) - arguments.keys():
        try:
            shown = make(workspace, arguments)
        except (ToolError, OSError) as error:
            shown = f"{in_full(arguments)}\n(It would fail: {error})"
    return visible(shown or in_full(arguments))


def in_full(arguments: Mapping[str, Any]) -> str:
    """ARGUMENTS one after another; a text of several lines stands below its name."""
    out = []
    for name, value in arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        out.append(f"{name}:\n{text}" if "\n" in text else f"{name}: {text}")
    return "\n".join(out)


def _write(workspace: Workspace, given: Mapping[str, Any]) -> str:
    return _diff(workspace, given["path"], str(given["content"]))


def _append(workspace: Workspace, given: Mapping[str, Any]) -> str:
    old = _text(workspace, given["path"])
    if old is None:
        return ""
    gap = "\n" if old and not old.endswith("\n") else ""
    return _diff(workspace, given["path"], old + gap + str(given["content"]))


def _edit(workspace: Workspace, given: Mapping[str, Any]) -> str:
    path, old = given["path"], _text(workspace, given["path"])
    if old is None:
        return ""
    return _diff(workspace, path, replaced(old, given["old"], given["new"], bool(given.get("replace_all")), path)[0])


def _move(workspace: Workspace, given: Mapping[str, Any]) -> str:
    old, new = workspace.relative(given["source"]), target_of(workspace, given["source"], given["destination"])
    lost = ""
    if given.get("overwrite") and workspace.stat(new) is not None and not workspace.is_folder(new):
        lost = "\nIt replaces what is there:\n" + _diff(workspace, new, None)
    return f"{old} -> {new}{lost}"


def _delete(workspace: Workspace, given: Mapping[str, Any]) -> str:
    path = workspace.relative(given["path"])
    if workspace.stat(path) is None:
        raise ToolError(f"There is no file or folder {path}.")
    if not workspace.is_folder(path):
        return _diff(workspace, path, None)
    place = workspace.root.joinpath(*workspace.writable_parts(path))
    if place.is_symlink():
        return f"The link {path} goes; what it leads to stays."
    lines: list[str] = []
    more = 0
    rel = place.relative_to(workspace.root).as_posix()
    for found, info, _, _ in walk(workspace.root, "" if rel == "." else rel):
        size = "/" if stat.S_ISDIR(info.st_mode) else f" ({info.st_size:,} bytes)"
        if len(lines) < MAX_LISTED:
            lines.append(f"\n  {spelling(found)}{size}")
        else:
            more += 1
    rest = f"\n  ... and {more:,} more" if more else ""
    return f"Folder {path} goes, with all that is in it:{''.join(lines) or ' it is empty'}{rest}"


_PREVIEWS: Mapping[str, Callable[[Workspace, Mapping[str, Any]], str]] = {
    "write_file": _write,
    "append_file": _append,
    "edit_file": _edit,
    "move_file": _move,
    "copy_file": _move,
    "delete_file": _delete,
}


def _text(workspace: Workspace, path: str) -> str | None:
    """What is in the file at PATH; empty where there is none, None where it is no text or too large to be compared."""
    info = workspace.stat(path)
    if info is None:
        return ""
    if info.st_size > MAX_BYTES or workspace.is_folder(path):
        return None
    with workspace.open_read(path) as file:
        data = file.read(MAX_BYTES + 1)
    try:
        text, _ = decode(data, path)
    except ToolError:
        return None
    return text if text.count("\n") <= MAX_LINES and "\0" not in text else None


def _diff(workspace: Workspace, path: str, new: str | None) -> str:
    """What changes in the file at PATH when NEW becomes its text, or when it goes (None)."""
    name, there = workspace.relative(path), workspace.stat(path) is not None
    old = _text(workspace, path)
    if old is None or (new or "").count("\n") > MAX_LINES:
        info = workspace.stat(path)
        size = f"{info.st_size if info else 0:,} bytes"
        return f"{name}: binary or large, {size}" + (" removed" if new is None else f"; it becomes:\n{new}")
    before, after = f"a/{name}" if there else "/dev/null", "/dev/null" if new is None else f"b/{name}"
    lines = list(difflib.unified_diff(_lines(old), _lines(new or ""), before, after))
    body = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    if body:
        return body.rstrip("\n")
    return f"{name}: removed, it is empty" if new is None else f"{posixpath.normpath(name)}: nothing changes"


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
