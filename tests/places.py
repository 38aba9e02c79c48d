"""Places where a file system gets in the way: small disks, and folders of a user whom permissions hold."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(place: Path, size: int, *, busy: bool = False) -> Iterator[Path]:
    """A disk of SIZE bytes at PLACE, a new folder; BUSY where something may still be open on it at the end. Skips the test where file
    systems cannot be mounted."""
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("needs the right to mount a file system")
    if subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size}", "none", str(place)], capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", *(["--lazy"] if busy else []), str(place)], check=True)


@contextlib.contextmanager
def another_user() -> Iterator[Path]:
    """A folder of a user whom permissions hold: root, whom they do not, steps down."""
    folder = Path(tempfile.mkdtemp(prefix="wornpath-test-"))
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, 65534, -1)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        for path, _, _ in os.walk(folder):
            Path(path).chmod(0o700)
        shutil.rmtree(folder)
