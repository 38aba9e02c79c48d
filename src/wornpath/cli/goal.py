"""Reading the goal, from the argument or from standard input, and the folder it is about."""

from __future__ import annotations

import locale
import os
import sys
from pathlib import Path

from wornpath.core import MAX_GOAL, UsageError

MAX_BYTES = 4 * (MAX_GOAL + 1)


def read_goal(argument: str | None) -> str:
    """The goal in words. `-` or no argument reads standard input.

    Raises UsageError for a goal that is empty, no text, or longer than 100,000 characters, and when there is none to read.
    """
    if argument is None or argument == "-":
        if sys.stdin.isatty():
            raise UsageError('No goal was given; say what should be done: wornpath run "GOAL"')
        text = _decode(sys.stdin.buffer.read(MAX_BYTES))
    else:
        text = _decode(os.fsencode(argument)) if not argument.isascii() else argument
    text = text.strip().removeprefix("\ufeff").strip()
    if not text:
        raise UsageError('The goal is empty; say in a sentence what should be done: wornpath run "GOAL"')
    if len(text) > MAX_GOAL:
        raise UsageError(
            f"The goal is longer than {MAX_GOAL:,} characters. Put the material into a file of the workspace and say what to do with it."
        )
    return text


def _decode(data: bytes) -> str:
    """UTF-8 where it fits, else the locale's encoding. Raises UsageError for what fits neither."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start > len(data) - 4 and len(data) == MAX_BYTES:  # cut in the middle of a character
            return data[: error.start].decode("utf-8")
    try:
        return data.decode(locale.getpreferredencoding(False))
    except UnicodeDecodeError:
        raise UsageError(
            "The goal holds bytes that are no text, neither in UTF-8 nor in this locale; type it again."
        ) from None


def workspace_folder(path: str | None) -> Path:
    """The folder to work in, made where only it is missing; the current one where none is named.

    Raises UsageError for `/`, the home folder, the home of a user that there is not, a file, and a folder whose parent is missing.
    """
    from wornpath.tools.workspace import check_workspace

    try:
        folder = Path(path if path is not None else ".").expanduser()
    except RuntimeError:
        raise UsageError(f"{path!r} names the home of a user that there is not; name another --workspace.") from None
    if path is not None and not path.strip():
        raise UsageError("The workspace is empty; name a folder with --workspace.")
    if not folder.exists() and not folder.absolute().parent.is_dir():
        raise UsageError(
            f"There is no folder {folder.absolute().parent} to make the workspace {folder.name} in; make it first."
        )
    return check_workspace(folder)
