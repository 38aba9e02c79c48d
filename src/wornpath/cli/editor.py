"""A text in the person's own editor."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

USUAL = ("sensible-editor", "nano", "vim", "vi")


def edited(text: str, suffix: str) -> str:
    """TEXT as a person left it in the editor of VISUAL or EDITOR, else a usual one; in a file that ends in SUFFIX.

    Raises ValueError with a sentence where there is no editor, where it fails, and where what it leaves is no text.
    """
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    command = shlex.split(named) or [name for name in USUAL if shutil.which(name)][:1]
    if not command:
        raise ValueError("there is no editor; set VISUAL or EDITOR to one")
    with tempfile.TemporaryDirectory(prefix="wornpath-") as folder:
        file = Path(folder) / f"edit{suffix}"
        file.write_text(text, encoding="utf-8")
        try:
            code = subprocess.run([*command, str(file)], check=False).returncode
        except OSError as error:
            raise ValueError(f"the editor {command[0]} cannot be started: {error.strerror}") from None
        if code:
            raise ValueError(f"the editor {command[0]} ended with exit code {code}")
        return file.read_text(encoding="utf-8")
