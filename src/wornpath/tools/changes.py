"""Changing files: write, append, edit, move, copy, delete, make a folder. Each says beforehand what it is about to change, for `undo`."""

from __future__ import annotations

import difflib
import json
import os
import posixpath
from collections.abc import Iterator
from typing import Annotated

from wornpath.core import Observation, ToolError
from wornpath.tools import outcomes
from wornpath.tools.contents import to_copy
from wornpath.tools.decorator import tool
from wornpath.tools.encoding import is_guess, looks_like, sniff
from wornpath.tools.files import need
from wornpath.tools.formats import MAX_BYTES
from wornpath.tools.outcomes import changed as _changed
from wornpath.tools.schema import Limit
from wornpath.tools.tool import Text, ToolContext, WorkspacePath
from wornpath.tools.workspace import Workspace

_NAMED = 12
"""So many of the things that a copy leaves out are named."""
_MARK = "\ufeff"


class Destination(WorkspacePath):
    """A path whose trailing slash says that it is a folder to put something into."""

    keeps_slash = True


@tool(risk="write", kinds=("write", "code", "other"), idempotent=True, verify=outcomes.replaced)
def write_file(context: ToolContext, path: Annotated[str, WorkspacePath], content: Annotated[str, Text]) -> Observation:
    """Write a text file, replacing what was in it."""
    workspace = context.workspace
    old = _about_to_change(context, path, file=True)
    data = content.encode("utf-8", "replace")
    outcomes.note_content(context, path, data)
    workspace.write_bytes(path, data)
    name = workspace.relative(path)
    lines = content.count("\n") + (not content.endswith("\n") and bool(content))
    verb = "Replaced" if old else "Wrote"
    return _changed(
        workspace, f"{verb} {name}, {lines:,} line{'s' if lines != 1 else ''}.{_remark(name, content)}", name
    )


@tool(risk="write", kinds=("write",), idempotent=False, verify=outcomes.appended)
def append_file(
    context: ToolContext, path: Annotated[str, WorkspacePath], content: Annotated[str, Text]
) -> Observation:
    """Add text at the end of a file, on a new line."""
    workspace = context.workspace
    if not content:
        raise ToolError("There is nothing to append: the content is empty.")
    old, name = _about_to_change(context, path, file=True), workspace.relative(path)
    encoding, before, size = "utf-8", b"", 0
    if old:
        with workspace.open_read(path) as file:
            head = file.read(MAX_BYTES)
            size = file.seek(0, os.SEEK_END)
            file.seek(-min(4, size), os.SEEK_END)
            before = file.read()
        encoding = _encoding(head, name, whole=len(head) == size)
    newline = "\n".encode(encoding)
    if size % len(newline):
        raise ToolError(f"{name} is not clean {encoding} text, so adding to it would damage it.")
    if not before or before.endswith(newline):
        newline = b""
    try:
        data = content.encode(encoding)
    except UnicodeEncodeError:
        raise ToolError(f"{name} is {encoding} text, which cannot hold some of these characters.") from None
    outcomes.note_appended(context, path, newline + data)
    workspace.append_bytes(path, newline + data)
    lines = len(content.splitlines())
    return _changed(workspace, f"Added {lines:,} line{'s' if lines != 1 else ''} to {name}.", name)


@tool(risk="write", kinds=("write", "code"), idempotent=False, verify=outcomes.replaced)
def edit_file(
    context: ToolContext,
    path: Annotated[str, WorkspacePath],
    old: Annotated[str, Limit(600)],
    new: Annotated[str, Limit(600)],
    replace_all: bool = False,
) -> Observation:
    """Replace a piece of text in a file.

    Args:
        old: the text as it stands in the file, exactly once
        new: what to put in its place
    """
    workspace = context.workspace
    need(workspace, path)
    name = workspace.relative(path)
    with workspace.open_read(path) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ToolError(f"{name} has more than {MAX_BYTES >> 20} MB, too much to edit; use a program to change it.")
    text, encoding = _opened(data, name)
    text, count = replaced(text, old, new.encode("utf-8", "replace").decode(), replace_all, name)
    changed, remark = _closed(text, encoding, name)
    _about_to_change(context, path, file=True)
    outcomes.note_content(context, path, changed)
    workspace.write_bytes(path, changed)
    places = f"{count} places" if count > 1 else "1 place"
    return _changed(workspace, f"Changed {places} in {name}.{remark}{_remark(name, text.removeprefix(_MARK))}", name)


@tool(risk="write", kinds=("organise",), idempotent=False, verify=outcomes.moved)
def move_file(
    context: ToolContext,
    source: Annotated[str, WorkspacePath],
    destination: Annotated[str, Destination],
    overwrite: bool = False,
) -> Observation:
    """Move or rename a file or folder.

    Args:
        destination: the new path, or a folder to move it into
    """
    workspace = context.workspace
    need(workspace, source)
    old, new = workspace.relative(source), target_of(workspace, source, destination)
    if old == new:
        return Observation.of(f"{old} is already there.")
    _check_target(workspace, old, new, overwrite or context.made(new))
    _about_to_change(context, old)
    _about_to_change(context, new)
    outcomes.note_moved(context, old, new)
    workspace.move(old, new)
    return _changed(workspace, f"Moved {old} to {new}.", new, old, fact=f"{old} is now {new}")


@tool(risk="write", kinds=("organise",), idempotent=True, verify=outcomes.copied)
def copy_file(
    context: ToolContext,
    source: Annotated[str, WorkspacePath],
    destination: Annotated[str, Destination],
    overwrite: bool = False,
) -> Observation:
    """Copy a file or folder.

    Args:
        destination: the new path, or a folder to copy it into
    """
    workspace = context.workspace
    need(workspace, source)
    old, begun = workspace.relative(source), outcomes.begun_copy(context)
    new = begun or target_of(workspace, source, destination)
    if old == new:
        raise ToolError(f"{old} cannot be copied onto itself; give another destination.")
    if not begun:  # else what is there was made by this action, before a crash
        _check_target(workspace, old, new, overwrite or context.made(new))
        outcomes.note_copied(context, old, new)
    _about_to_change(context, new)
    if not workspace.is_folder(old):
        _copy(workspace, old, new)
        return _changed(workspace, f"Copied {old} to {new}.", new)
    found = to_copy(workspace, old)
    for folder in ("", *found.folders):
        workspace.make_folder(posixpath.join(new, folder))
    for name in found.files:
        one, other = f"{old}/{name}", f"{new}/{name}"
        if not (begun and outcomes.content(workspace, one) == outcomes.content(workspace, other)):
            _copy(workspace, one, other)
    text = f"Copied {old} with {len(found.files):,} files to {new}."
    if found.left_out:
        more = len(found.left_out) - _NAMED
        text += f" Left out: {', '.join(found.left_out[:_NAMED])}" + (f" and {more:,} more." if more > 0 else ".")
    return _changed(workspace, text, new)


@tool(risk="delete", kinds=("organise",), idempotent=False, verify=outcomes.deleted)
def delete_file(context: ToolContext, path: Annotated[str, WorkspacePath], recursive: bool = False) -> Observation:
    """Delete a file or an empty folder.

    Args:
        recursive: delete a folder with all that is in it
    """
    workspace = context.workspace
    need(workspace, path)
    name = workspace.relative(path)
    if workspace.is_folder(path) and not recursive and any(workspace.resolve(path).iterdir()):
        raise ToolError(f"The folder {name} is not empty; delete it with recursive=true only if all in it should go.")
    _about_to_change(context, path)
    outcomes.note_deleted(context, path)
    workspace.remove(path, recursive=recursive)
    return outcomes.gone(name)


@tool(risk="write", kinds=("organise",), idempotent=True)
def make_folder(context: ToolContext, path: Annotated[str, WorkspacePath]) -> Observation:
    """Make a folder, and those above it where they are missing."""
    workspace = context.workspace
    if workspace.is_folder(path):
        return Observation.of(f"The folder {workspace.relative(path)} is there already.")
    _about_to_change(context, path)
    workspace.make_folder(path)
    name = workspace.relative(path)
    return _changed(workspace, f"Made the folder {name}.", name)


CHANGING = (write_file, append_file, edit_file, move_file, copy_file, delete_file, make_folder)


def _about_to_change(context: ToolContext, path: str, *, file: bool = False) -> bool:
    """Tell the snapshot; whether something is at PATH now. With FILE, PATH must not be a folder.

    Raises ToolError before anything is kept where the change cannot be made.
    """
    workspace = context.workspace
    parts = workspace.writable_parts(path)
    there = workspace.stat(path)
    if file and (not parts or path.endswith("/") or workspace.is_folder(path)):
        raise ToolError(f"{workspace.relative(path)} is a folder; name a file in it.")
    context.before_write("/".join(parts) or ".")  # the name as it is on disk, which may be in another Unicode form
    return there is not None


def target_of(workspace: Workspace, source: str, destination: str) -> str:
    """The path that SOURCE gets: DESTINATION, or its own name in DESTINATION where that is a folder, or reads like one: a name that has
    no ending and is not the source's own without it."""
    old, new = workspace.relative(source), workspace.relative(destination)
    stem, ending = posixpath.splitext(posixpath.basename(old))
    bare = not posixpath.splitext(new)[1] and posixpath.basename(new) != stem
    unmade = ending and bare and workspace.stat(destination) is None and not workspace.is_folder(source)
    if destination.endswith("/") or workspace.is_folder(destination) or unmade:
        new = posixpath.normpath(posixpath.join(new, posixpath.basename(old)))
    return new


def _check_target(workspace: Workspace, old: str, new: str, overwrite: bool) -> None:
    if old == "." or (new + "/").startswith(old + "/"):
        raise ToolError(f"{old} cannot go into itself; give a destination outside it.")
    if not os.path.lexists(workspace.resolve(new)) and workspace.stat(new) is None:
        return
    before, after = workspace.stat(old), workspace.stat(new)
    if (
        before and after and os.path.samestat(before, after) and old.casefold() == new.casefold()
    ):  # another spelling of its own name, on a disk that ignores case
        return
    if not overwrite:
        raise ToolError(
            f"There is already something at {new}; choose another name, or say overwrite=true to replace it."
        )
    if workspace.is_folder(new) or workspace.is_folder(old):
        raise ToolError(f"A folder is not replaced; move or delete {new} first.")


def _copy(workspace: Workspace, old: str, new: str) -> None:
    with workspace.open_read(old) as file:
        mode = os.fstat(file.fileno()).st_mode
        pieces: Iterator[bytes] = iter(lambda: file.read(1 << 20), b"")
        workspace.write_bytes(new, pieces, mode)


def replaced(text: str, old: str, new: str, every: bool, name: str) -> tuple[str, int]:
    """TEXT with OLD replaced by NEW, and how often. Line ends in OLD and NEW become those of the file."""
    if not old:
        raise ToolError("The text to replace is empty; give a piece of the file as it stands there.")
    if old == new:
        raise ToolError("The old and the new text are the same; nothing was changed.")
    if "\r\n" in text and "\r\n" not in old and text.count("\r\n") == text.count("\n"):
        old, new = old.replace("\n", "\r\n"), new.replace("\r\n", "\n").replace("\n", "\r\n")
    count = text.count(old)
    if count == 0:
        raise ToolError(f"That text is not in {name}; nothing was changed. {_nearest(text, old)}")
    if count > 1 and not every:
        lines = [str(text.count("\n", 0, at) + 1) for at in _places(text, old)]
        shown = ", ".join(lines[:8]) + (" …" if len(lines) > 8 else "")
        raise ToolError(
            f"That text is {count} times in {name} (lines {shown}); give more of the text around it, or say replace_all=true."
        )
    return text.replace(old, new), count


def _places(text: str, piece: str) -> Iterator[int]:
    at = text.find(piece)
    while at >= 0:
        yield at
        at = text.find(piece, at + len(piece))


def _nearest(text: str, old: str) -> str:
    """The lines of TEXT most like the first telling line of OLD, as they stand there."""
    lines = text.splitlines()[:20000]
    wanted = next((line.strip() for line in old.splitlines() if line.strip()), "")[:200]
    inside = [i for i, line in enumerate(lines) if wanted and wanted.casefold() in line.casefold()]
    if not inside:
        stripped = [line.strip()[:200] for line in lines[:4000]]
        close = difflib.get_close_matches(wanted, stripped, 1, 0.5)
        inside = [stripped.index(close[0])] if close else []
    if not inside:
        return "Nothing in it is like it; read the file first."
    first = max(0, inside[0] - 1)
    shown = "\n".join(line[:160] for line in lines[first : first + max(3, min(old.count("\n") + 2, 8))])
    return f"The nearest lines are, from line {first + 1}:\n{shown}"


def _encoding(data: bytes, name: str, *, whole: bool) -> str:
    """The encoding of the file NAME that begins with DATA, in the one form for its middle: with the byte order that its mark tells, and
    without the mark itself. Raises ToolError where it is no text."""
    encoding = sniff(data, whole=whole)
    if encoding is None:
        raise ToolError(f"{name} is a binary file ({looks_like(data) or 'of no known type'}), not text.")
    if encoding in ("utf-16", "utf-32"):
        return encoding + ("-be" if data[:2] in (b"\xfe\xff", b"\0\0") else "-le")
    return "utf-8" if encoding == "utf-8-sig" else encoding


def _opened(data: bytes, name: str) -> tuple[str, str]:
    """All of the file NAME's DATA as text that is DATA again when encoded, and the encoding: a byte order mark is the first character, and
    the bad bytes of UTF-8 are lone surrogates. Raises ToolError where there is no such text."""
    encoding = _encoding(data, name, whole=True)
    errors = "surrogateescape" if encoding == "utf-8" else "strict"
    try:
        text = data.decode(encoding, errors)
        same = text.encode(encoding, errors) == data  # in some encodings a character has two forms
    except UnicodeError:
        same = False
    if not same:
        raise ToolError(f"{name} is not clean {encoding} text, so changing it would damage it.")
    return text, encoding


def _closed(text: str, encoding: str, name: str) -> tuple[bytes, str]:
    """TEXT in ENCODING, or in UTF-8 where that cannot hold it, and a remark if so. Raises ToolError where ENCODING was but a guess: then
    the rest of the text may have been read wrongly."""
    try:
        return text.encode(encoding, "surrogateescape" if encoding == "utf-8" else "strict"), ""
    except UnicodeEncodeError as error:
        if is_guess(encoding):
            raise ToolError(
                f"{name} seems to be {encoding} text, which cannot hold {text[error.start]!r}; nothing was changed. Use characters "
                "that it can hold or, where read_file shows the file as it should be, write all of it anew with write_file, in UTF-8."
            ) from None
    return text.encode("utf-8", "replace"), f" It was {encoding} and is UTF-8 now."


def _remark(name: str, content: str) -> str:
    """What is wrong with CONTENT as JSON or Python, in words; empty when all is well or it is neither."""
    if len(content) > 500_000:
        return ""
    try:
        if name.endswith(".json"):
            json.loads(content)
        elif name.endswith(".py"):
            import ast

            ast.parse(content)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        kind = "JSON" if name.endswith(".json") else "Python"
        return f" But it is no valid {kind}: {str(error)[:160]}."
    return ""
