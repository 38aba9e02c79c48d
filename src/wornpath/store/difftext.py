"""The changes of a run as one unified diff that a terminal and a text file can hold."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from wornpath.store.images import Image, look

if TYPE_CHECKING:
    from wornpath.store.snapshot import Change

_MAX_BYTES = 512 << 10
_MAX_LINES = 5000  # difflib takes quadratic time


def unified(changes: Iterable[Change], workspace: Path) -> str:
    """A diff from the state before to the state after; paths in git's manner, `a/` and `b/`."""
    return "".join(one(change, workspace) for change in changes)


def one(change: Change, workspace: Path) -> str:
    """The part of the diff that is about one CHANGE."""
    path = _shown(change.path)
    kinds = (change.before.kind, change.after.kind)
    old = _content(change.before, change.before_blob)
    after = change.after_blob or _live(change, workspace)
    new = _content(change.after, after)
    left = f"a/{path}" if change.kind != "added" else "/dev/null"
    right = f"b/{path}" if change.kind != "removed" else "/dev/null"
    if "file" not in kinds and "link" not in kinds:
        return f"Folder {path} {change.kind}\n"
    if after is None and change.after.kind == "file" and change.after.size <= _MAX_BYTES:
        return f"File {path} {change.kind}, and changed since, not by the run\n"
    if old is None or new is None:
        sizes = f"{change.before.size:,} → {change.after.size:,} bytes"
        return f"Binary or large file {path} {change.kind} ({sizes})\n"
    if old == new and kinds == ("file", "file"):
        return f"File {path}: mode {change.before.mode:o} → {change.after.mode:o}\n"
    lines = difflib.unified_diff(_lines(old), _lines(new), left, right, lineterm="\n")
    body = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return body or f"Empty file {path} {change.kind}\n"


def _live(change: Change, workspace: Path) -> Path | None:
    """The file as it lies there, where it is still as the run left it; once the run is sealed, its content is kept."""
    if change.after.kind != "file" or change.after.why or change.after.size > _MAX_BYTES:
        return None
    return workspace / change.path if look(workspace, change.path, change.after).same(change.after) else None


def _content(image: Image, file: Path | None) -> str | None:
    """The text of an image; None when it is binary, large, or not to be had."""
    if image.kind == "link":
        return f"→ {_shown(image.target)}\n"
    if image.kind != "file":
        return ""
    if file is None or image.size > _MAX_BYTES:
        return None
    try:
        text = file.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
    return None if "\0" in text or text.count("\n") > _MAX_LINES else text


def _lines(text: str) -> list[str]:
    """Lines as `diff` sees them: only a line feed ends one."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _shown(path: str) -> str:
    """A path that can be printed: bytes that are not UTF-8 and control characters escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
