"""/api/v1: the files of a run's workspace, what it changed there, and the way back. Nothing here leaves the workspace or follows a link."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from wornpath.core import ToolError
from wornpath.serve.operations import Operation, path_text, service
from wornpath.serve.problems import Json, Problem
from wornpath.store import RunInfo
from wornpath.store.difftext import one
from wornpath.store.snapshot import run_snapshot
from wornpath.tools.beneath import folder_beneath, open_regular
from wornpath.tools.workspace import Workspace, canonical_path, natural, spelling

FILE_POLICY = "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'"
"""An artefact's content is nobody's page: it can neither run scripts nor load anything."""
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "image/svg+xml"})
SOUNDS = frozenset({"audio/mpeg", "audio/wav", "audio/x-wav", "audio/ogg", "audio/flac", "video/mp4", "video/webm"})
TEXTS = frozenset(
    {"application/json", "application/xml", "application/javascript", "application/x-sh", "application/toml"}
)
MAX_ENTRIES = 5000
_BLOCK = 256 << 10


async def list_files(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    parts = _parts(request.query_params.get("path", "") or ".")
    entries = await asyncio.to_thread(_entries, _root(found), parts)
    return Json({"path": "/".join(parts), "entries": entries[:MAX_ENTRIES], "complete": len(entries) <= MAX_ENTRIES})


async def send_file(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    parts = _parts(path_text(request, "path"))
    return await file_response(_root(found), parts, inline=request.query_params.get("inline") == "1")


async def file_response(root: Path, parts: tuple[str, ...], *, inline: bool = False) -> Response:
    """The regular file at PARTS below ROOT. It is sent as an attachment unless INLINE and of a type that is safe to show."""

    def opened() -> int:
        with folder_beneath(str(root), ()) as folder:
            return open_regular(folder, parts, os.O_RDONLY)

    name = parts[-1] if parts else ""
    try:
        fd = await asyncio.to_thread(opened)
    except OSError as error:
        raise _explained(error, root, "/".join(parts)) from None
    size = os.fstat(fd).st_size
    media_type, shown = _shown(name)
    kind = "inline" if inline and shown else "attachment"
    headers = {
        "content-length": str(size),
        "content-disposition": f"{kind}; filename*=UTF-8''{quote(spelling(name), safe='')}",
        "content-security-policy": FILE_POLICY,
        "cache-control": "no-cache",
    }
    return StreamingResponse(_pieces(fd, size), media_type=media_type, headers=headers)


async def _pieces(fd: int, size: int) -> AsyncIterator[bytes]:
    """SIZE bytes of the open file, as many as were promised: one that shrinks meanwhile ends the connection."""
    try:
        while size > 0:
            block = await asyncio.to_thread(os.read, fd, min(_BLOCK, size))
            if not block:
                raise OSError("the file became shorter while it was sent")
            size -= len(block)
            yield block
    finally:
        os.close(fd)


def _shown(name: str) -> tuple[str, bool]:
    """The media type that a file called NAME is sent as, and whether a browser may show it."""
    guessed = mimetypes.guess_type(name)[0] or ""
    if guessed in PICTURES or guessed in SOUNDS:
        return guessed, True
    plain = guessed.startswith("text/") or guessed in TEXTS or guessed.endswith(("+json", "+xml"))
    if plain or Path(name).suffix.lower() in (
        ".md",
        ".log",
        ".toml",
        ".yaml",
        ".yml",
        ".ini",
        ".cfg",
        ".jsonl",
        ".tsv",
    ):
        return "text/plain; charset=utf-8", True
    return guessed or "application/octet-stream", False


def _root(run: RunInfo) -> Path:
    if not run.workspace or not Path(run.workspace).is_dir():
        raise Problem(404, f"The workspace {run.workspace or '(none)'} of run {run.run_id} is gone.")
    return Path(run.workspace)


def _parts(path: str) -> tuple[str, ...]:
    """PATH as names below the workspace. Raises Problem for one that leaves it."""
    try:
        text = canonical_path(path)
    except ToolError as error:
        raise Problem(400, str(error)) from None
    if text.startswith("/"):
        raise Problem(400, "The path must be relative to the workspace.")
    return () if text == "." else tuple(text.split("/"))


def _entries(root: Path, parts: tuple[str, ...]) -> list[dict[str, Any]]:
    """The files and folders in one folder, folders first; links and devices are left out."""
    found: list[tuple[bool, dict[str, Any]]] = []
    try:
        with folder_beneath(str(root), parts) as folder:
            for name in os.listdir(folder):  # noqa: PTH208 - a descriptor, not a path
                try:
                    info = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:  # a run at work removed it meanwhile
                    continue
                is_folder = stat.S_ISDIR(info.st_mode)
                if is_folder or stat.S_ISREG(info.st_mode):
                    path = "/".join((*parts, spelling(name)))
                    size = 0 if is_folder else info.st_size
                    entry = {
                        "name": spelling(name),
                        "path": path,
                        "kind": "folder" if is_folder else "file",
                        "bytes": size,
                    }
                    found.append((not is_folder, entry))
    except OSError as error:
        raise _explained(error, root, "/".join(parts) or ".") from None
    return [entry for _, entry in sorted(found, key=lambda pair: (pair[0], natural(pair[1]["name"])))]


def _explained(error: OSError, root: Path, path: str) -> Problem:
    sentence = str(Workspace(root, writable=False).error(error, path))
    return Problem(404 if isinstance(error, (FileNotFoundError, NotADirectoryError)) else 403, sentence)


async def show_diff(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))

    def diff() -> list[dict[str, Any]]:
        snapshot, root = run_snapshot(here.reader, found), _root(found)
        return [
            {"path": spelling(change.path), "status": change.kind, "covered": change.covered, "diff": one(change, root)}
            for change in snapshot.changes()
        ]

    return Json({"files": await asyncio.to_thread(diff)})


async def undo_run(request: Request) -> Response:
    here = service(request)
    found = here.run(path_text(request, "run"))
    found = await here.at_rest(found, "cancel it first. Nothing was changed.")
    report = await asyncio.to_thread(lambda: run_snapshot(here.reader, found).undo())
    why = report.why or {}
    return Json(
        {
            "restored": list(report.restored),
            "removed": list(report.removed),
            "conflicts": [
                {"path": path, "why": why.get(path, "it changed after the run")} for path in report.conflicts
            ],
        }
    )


OPERATIONS = (
    Operation("GET", "/runs/{run}/files", list_files, "A folder of the run's workspace", query=("path",)),
    Operation(
        "GET",
        "/runs/{run}/artifacts/{path:path}",
        send_file,
        "A file of the run's workspace, as an attachment unless ?inline=1",
        query=("inline",),
        media_type="application/octet-stream",
    ),
    Operation("GET", "/runs/{run}/diff", show_diff, "What the run changed, file by file"),
    Operation("POST", "/runs/{run}/undo", undo_run, "Bring back what the run changed"),
)
