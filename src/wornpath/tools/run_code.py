"""Running code in the sandbox: `python` in a kernel that keeps its variables, `shell` in a process of its own.

Both say what they printed and which files they made or changed: a model that does not see what it made makes it again.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from wornpath.core import Entity, Observation, Part, ResultClass, SandboxUnavailable, ToolError, digest
from wornpath.sandbox.protocol import CellResult, ProcessResult
from wornpath.sandbox.text import clip
from wornpath.tools import outcomes
from wornpath.tools.beneath import folder_beneath
from wornpath.tools.decorator import tool
from wornpath.tools.documents import describe, preview
from wornpath.tools.files import size_words
from wornpath.tools.schema import Limit
from wornpath.tools.tool import Code, ToolContext
from wornpath.tools.workspace import SKIPPED_FOLDERS, Workspace, spelling

_MAX_ENTRIES, _MAX_LISTED, _MAX_PREVIEWS, _MAX_IMAGES = 20_000, 20, 4, 4
_PREVIEW_CHARS, _FACT_CHARS = 200, 160
_IMAGES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp"}
_REFUSED = r"PermissionError|Permission denied|Read-only|not permitted"
_NOTHING_WRITTEN = "The workspace cannot be written, so nothing can be made or changed; print what there is to say."
_HINTS = (
    (_REFUSED, "Only the workspace may be written, by relative paths."),
    (
        r"No such file or directory: '/",
        "Files outside the workspace cannot be seen here; use relative paths.",
    ),
    (
        r"gaierror|URLError|ConnectError|ConnectionError|socket\.|resolve host|NameResolution",
        "There is no network here.",
    ),
    (r"ModuleNotFoundError", "Nothing can be installed; use the standard library and the packages that are there."),
)
Manifest = dict[str, tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class _Changes:
    """Paths of files, sorted."""

    made: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.made, *self.changed, *self.removed)


async def _verify(context: ToolContext) -> outcomes.Outcome:
    """Whether code that was cut off left its traces. It may be run again where it left none."""
    return outcomes.code_ran(context, _state(await asyncio.to_thread(manifest, context.workspace.root)))


@tool(risk="execute", kinds=("compute", "organise", "code", "other"), idempotent=False, verify=_verify)
async def python(context: ToolContext, code: Annotated[str, Code]) -> Observation:
    """Run Python code; variables stay for the next call, files are read and written by relative paths.

    Args:
        code: the program; print what you want to see
    """
    if context.kernel is None:
        raise ToolError("Python cannot be run here: this run has no sandbox.")
    if not code.strip():
        raise ToolError("The code is empty; write the program to run.")
    before = await _prepare(context)
    try:
        cell = await context.kernel.run(code, timeout=context.limits.wall_seconds)
    except SandboxUnavailable as error:
        raise ToolError(str(error)) from None
    return await asyncio.to_thread(_report_cell, context, cell, before)


@tool(risk="execute", kinds=("code", "other"), idempotent=False, verify=_verify)
async def shell(context: ToolContext, command: Annotated[str, Limit(400)]) -> Observation:
    """Run a shell command in the workspace.

    Args:
        command: one line for sh, with relative paths
    """
    if context.sandbox is None:
        raise ToolError("Commands cannot be run here: this run has no sandbox.")
    if not command.strip():
        raise ToolError("The command is empty; write the line to run.")
    before = await _prepare(context)
    root, writable = context.workspace.root, context.workspace.writable
    try:
        result = await context.sandbox.run(
            ["sh", "-c", command], workspace=root, writable=writable, limits=context.limits
        )
    except SandboxUnavailable as error:
        raise ToolError(str(error)) from None
    return await asyncio.to_thread(_report_command, context, result, before)


async def _prepare(context: ToolContext) -> Manifest:
    """What code will touch cannot be known, so all of the workspace is kept for `undo` before it runs."""
    if context.workspace.writable:
        await asyncio.to_thread(context.before_write, None)
    before = await asyncio.to_thread(manifest, context.workspace.root)
    await asyncio.to_thread(outcomes.note_code, context, _state(before))
    return before


def _state(files: Manifest) -> str:
    return digest(repr(sorted(files.items())))


def _report_cell(context: ToolContext, cell: CellResult, before: Manifest) -> Observation:
    result: ResultClass = "timeout" if cell.timed_out else "error" if cell.error else "ok"
    printed = cell.stdout
    if cell.value:
        printed += ("\n" if printed and not printed.endswith("\n") else "") + cell.value
    error = cell.error
    if cell.timed_out:
        error += f" It ran for {cell.seconds:.0f} seconds; do less in one call."
    return _report(context, "python", result, printed, error, before)


def _report_command(context: ToolContext, ran: ProcessResult, before: Manifest) -> Observation:
    result: ResultClass = "timeout" if ran.timed_out else "error" if ran.exit_code else "ok"
    printed, error = ran.stdout, ""
    if ran.stderr.strip():
        printed += ("\n" if printed and not printed.endswith("\n") else "") + ran.stderr
    if ran.excess:
        error = f"Stopped: {ran.excess}."
    elif ran.timed_out:
        error = f"Stopped: it ran for {ran.seconds:.0f} seconds, the time limit; do less in one call."
    elif ran.exit_code < 0:
        error = f"It was ended by signal {-ran.exit_code}; it may have reached a limit of time, memory or file size."
    elif ran.exit_code:
        error = f"Exit code {ran.exit_code}."
    return _report(context, "shell", result, printed, error, before)


def _report(
    context: ToolContext, name: str, result: ResultClass, printed: str, error: str, before: Manifest
) -> Observation:
    workspace = context.workspace
    changes = _compare(before, manifest(workspace.root))
    printed = printed.strip("\n")
    if not printed.strip() and not error and not changes.all:
        return Observation.of("It ran, but printed nothing and changed no file.", "empty")
    pieces = []
    if printed.strip():
        pieces.append(clip(printed, context.max_chars // (8 if error else 2))[0])  # the error is what is to be read
    if error:
        hint = _hint(error + printed, workspace)
        pieces.append(clip(error, context.max_chars // 3)[0] + (f"\n{hint}" if hint else ""))
    entities = _entities(workspace, changes)
    pieces += _listing(workspace, changes, {entity.value: entity.detail for entity in entities})
    facts = [f"{entity.value}: {entity.detail}" for entity in entities[:3]]
    facts += [f"{path} was removed" for path in changes.removed[:3]]
    if printed and len(printed) <= _FACT_CHARS and not error:
        facts.append(f"{name} printed: {' '.join(printed.split())}")
    return Observation(
        result,
        (Part(text="\n".join(pieces)), *_images(workspace, changes)),
        tuple(facts),
        changes.all,
        tuple(entities),
    )


def _hint(text: str, workspace: Workspace) -> str:
    """What helps against the failure that TEXT tells of."""
    if re.search(_REFUSED, text) and not (workspace.writable and can_be_written(workspace.root)):
        return _NOTHING_WRITTEN
    missing = re.search(r"No such file or directory: '([^'/][^'\n]*)/[^'/\n]+'", text)
    if missing and not (workspace.root / missing[1]).exists():
        return f"There is no folder {missing[1]}/; to write into it, make it first: os.makedirs({missing[1]!r}, exist_ok=True)."
    return next((hint for pattern, hint in _HINTS if re.search(pattern, text)), "")


def can_be_written(folder: Path) -> bool:
    """Whether this process may make files in FOLDER."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _entities(workspace: Workspace, changes: _Changes) -> list[Entity]:
    out = []
    for path in (*changes.made, *changes.changed)[:_MAX_LISTED]:
        info = workspace.stat(path)
        about = describe(path, workspace)
        out.append(
            Entity(path, "file", detail=size_words(info.st_size if info else 0) + (f", {about}" if about else ""))
        )
    return out


def _listing(workspace: Workspace, changes: _Changes, details: dict[str, str]) -> list[str]:
    """A line for each file, with the first lines of some."""
    lines: list[str] = []
    previews = 0
    for verb, paths in (("made", changes.made), ("changed", changes.changed), ("removed", changes.removed)):
        for path in paths:
            if len(lines) >= _MAX_LISTED:
                break
            line = f"[{verb} {path}" + (f": {details[path]}" if path in details else "") + "]"
            if path in details and previews < _MAX_PREVIEWS:
                head = preview(path, _PREVIEW_CHARS, workspace).splitlines()[:3]
                line += "".join(f"\n  {text}" for text in head)
                previews += bool(head)
            lines.append(line)
    if len(changes.all) > len(lines):
        lines.append(f"[… and {len(changes.all) - len(lines):,} more files]")
    return lines


def _images(workspace: Workspace, changes: _Changes) -> list[Part]:
    parts: list[Part] = []
    for path in (*changes.made, *changes.changed):
        kind = _IMAGES.get(Path(path).suffix.lower())
        info = workspace.stat(path) if kind else None
        if kind and info and len(parts) < _MAX_IMAGES:
            parts.append(Part("image", path=path, media_type=kind, bytes=info.st_size))
    return parts


def _compare(before: Manifest, after: Manifest) -> _Changes:
    made = tuple(sorted(after.keys() - before.keys()))
    removed = tuple(sorted(before.keys() - after.keys()))
    changed = tuple(sorted(path for path, state in after.items() if before.get(path, state) != state))
    return _Changes(made, changed, removed)


def manifest(root: Path) -> Manifest:
    """Path → (size, time of change in ns, inode) of the files below ROOT; links count as themselves. Without version control, caches and
    virtual environments; 20,000 files at most."""
    found: Manifest = {}
    folders: list[tuple[str, tuple[str, ...]]] = [("", ())]
    while folders and len(found) < _MAX_ENTRIES:
        prefix, parts = folders.pop()
        try:
            # Code may be at work that puts a link in place of a folder.
            with folder_beneath(str(root), parts) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    path = f"{prefix}{spelling(entry.name)}"
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name not in SKIPPED_FOLDERS:
                            folders.append((f"{path}/", (*parts, entry.name)))
                    else:
                        info = entry.stat(follow_symlinks=False)
                        found[path] = (info.st_size, info.st_mtime_ns, info.st_ino)
        except OSError:  # a folder that vanished or is closed to us
            continue
    return found
