"""Check commands: the person's own word on whether a goal is met. Exit status 0 is a yes, and nothing else of a check gets back.

A check runs on a read-only copy of the workspace, in a sandbox of its own that shares nothing with the agent's. What the check names and
what was there before the run began is put back first, so that a rewritten `check.py` or test does not count.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wornpath.core import SandboxUnavailable
from wornpath.judge.named import HOOKS, is_hook_setting, named_files, outside_paths, overriding, uses_test_runner
from wornpath.sandbox.protocol import Sandbox, SandboxLimits
from wornpath.tools.beneath import folder_beneath, open_regular

MAX_FILE = 16 << 20
MAX_TOTAL = 64 << 20


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How a check ended. `restored` are the files that the run had changed and that were put back (or hooks taken away) for the check:
    for people, since a file that a goal asks to change in place should not be named by its check."""

    passed: bool
    exit_code: int
    timed_out: bool = False
    seconds: float = 0.0
    restored: tuple[str, ...] = ()


def capture_originals(command: str, workspace: Path) -> dict[str, bytes]:
    """The files in WORKSPACE that COMMAND names or runs, with their content now: path → bytes. Call it before anything is done.

    Files above 16 MiB, and those beyond 64 MiB in all, are left out. Unreadable files are, too.
    """
    found: dict[str, bytes] = {}
    total = 0
    for path in named_files(command, workspace):
        with contextlib.suppress(OSError):
            file = workspace / path
            size = file.stat().st_size
            if size <= MAX_FILE and total + size <= MAX_TOTAL:
                found[path] = file.read_bytes()
                total += size
    return found


async def run_check(
    command: str,
    *,
    workspace: Path,
    originals: Mapping[str, bytes],
    sandbox: Sandbox,
    limits: SandboxLimits = SandboxLimits(),  # noqa: B008 - frozen
    log: Path | None = None,
) -> CheckResult:
    """Run COMMAND by `sh -c` on a copy of WORKSPACE, with ORIGINALS (see `capture_originals`) put back. A check that takes too long has
    not passed. A file that may not be read is there, and may not be read in the copy either. Its output goes to the file LOG, for people,
    and nowhere else.

    Raises SandboxUnavailable when nothing can be run here, StoreError or UsageError when the workspace cannot be copied.
    """
    if reason := sandbox.missing():
        raise SandboxUnavailable(reason)
    folder = Path(tempfile.mkdtemp(prefix="wornpath-check-")).resolve()
    try:
        copy = folder / "workspace"
        restored = await asyncio.to_thread(_prepare, command, workspace, copy, originals, folder / "originals")
        result = await sandbox.run(
            ["sh", "-c", command.replace(str(workspace.resolve()), str(copy))],
            workspace=copy,
            writable=False,
            limits=limits,
            env={"PYTEST_ADDOPTS": "-p no:cacheprovider"},  # it would complain that it cannot write
            readable=outside_paths(command, workspace),
        )
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, True)
    passed = result.exit_code == 0 and not result.timed_out
    if log is not None:
        text = f"$ {command}\nexit code {result.exit_code}{', timed out' if result.timed_out else ''}\n"
        with contextlib.suppress(OSError), log.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{text}{result.stdout}{result.stderr}\n")
    return CheckResult(passed, result.exit_code, result.timed_out, result.seconds, restored)


def _prepare(command: str, workspace: Path, copy: Path, originals: Mapping[str, bytes], kept: Path) -> tuple[str, ...]:
    """Make the copy, and return the paths in it that differ from WORKSPACE."""
    from wornpath.store.trees import copy_workspace

    kept.mkdir()
    files: dict[str, Path] = {}
    for number, (path, content) in enumerate(originals.items()):
        files[path] = kept / str(number)
        files[path].write_bytes(content)
    copy_workspace(workspace, copy, restore=files)
    for path in files:
        (copy / path).chmod(0o755)  # it may be a program; in a copy that is thrown away this does no harm
    changed = [path for path, content in originals.items() if not _same(workspace, path, content)]
    removed = list(_remove_hooks(copy, originals.keys())) if uses_test_runner(command) else []
    for entry in list(overriding(command, copy, originals.keys())):
        removed.append(entry.relative_to(copy).as_posix())
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink(missing_ok=True)
    return (*changed, *removed)


def _same(workspace: Path, path: str, content: bytes) -> bool:
    """Whether PATH still has CONTENT. A pipe in its place, which would be waited for, and a link are something else."""
    try:
        with folder_beneath(str(workspace), ()) as folder, os.fdopen(_opened(folder, path), "rb") as file:
            return file.read(len(content) + 1) == content
    except OSError:
        return False


def _opened(folder: int, path: str) -> int:
    return open_regular(folder, tuple(path.split("/")), os.O_RDONLY)


def _remove_hooks(copy: Path, originals: Iterable[str]) -> Iterable[str]:
    """Take away what test runners load by themselves and what was not there at the start: it could make any test pass."""
    known = set(originals)
    for file in sorted(copy.rglob("*")):
        path = file.relative_to(copy).as_posix()
        if path not in known and (file.name in HOOKS or is_hook_setting(file)):
            file.unlink()
            yield path
