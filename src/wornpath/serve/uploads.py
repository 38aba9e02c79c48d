"""Files that clients send, put into a run's workspace and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from starlette.datastructures import UploadFile

from wornpath.core import ToolError
from wornpath.serve.bodies import Form
from wornpath.serve.problems import Problem
from wornpath.tools.workspace import Workspace, canonical_path

_BLOCK = 1 << 20


async def keep_uploads(form: Form, folder: Path) -> list[str]:
    """Write the files of FORM below FOLDER under the names they came with; returns the paths. Raises Problem for a name that leaves it."""
    named = [(upload_path(file.filename or ""), file) for _, file in form.files]
    workspace = Workspace(folder)
    return [await asyncio.to_thread(_keep, workspace, path, file) for path, file in named]


async def keep_upload(file: UploadFile, path: str, folder: Path) -> str:
    """Write one FILE to PATH below FOLDER. Raises Problem."""
    return await asyncio.to_thread(_keep, Workspace(folder), upload_path(path), file)


def upload_path(name: str) -> str:
    """NAME as a path below the workspace. Raises Problem for one that leaves it, or names no file."""
    try:
        path = canonical_path(name.replace("\\", "/"))
    except ToolError as error:
        raise Problem(400, str(error)) from None
    if path.startswith("/") or path == "." or name.endswith("/"):
        raise Problem(
            400, f"{name[:200]!r} cannot be the name of an uploaded file; give a path relative to the workspace."
        )
    return path


def _keep(workspace: Workspace, path: str, file: UploadFile) -> str:
    try:
        workspace.write_bytes(path, _pieces(file), 0o644)
    except ToolError as error:
        raise Problem(400, str(error)) from None
    return workspace.relative(path)


def _pieces(file: UploadFile) -> Iterator[bytes]:
    while block := file.file.read(_BLOCK):
        yield block
