"""A sandbox that is kept warm over the episodes of a benchmark: one confined process for programs, one for checks.

Starting a confined Python costs more processor time than all else of a simulated episode. Here a process stays, confined as ever, and is
emptied between episodes; each check runs in a fork of another that may only read. An episode could leave traces for the next one in the
first, which no run of a person's may: so only benchmarks on simulated models use it.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from wornpath.sandbox import CellResult, Kernel, ProcessResult, Sandbox, SandboxLimits, default_sandbox

_EMPTY = """
import os as _os, sys as _sys
_os.chdir({home!r})
if "matplotlib.pyplot" in _sys.modules:
    _sys.modules["matplotlib.pyplot"].close("all")
for _name in [n for n in globals() if not (n.startswith("__") and n.endswith("__"))]:
    del globals()[_name]
"""
_CHECK = """
import os as _os, sys as _sys
def _check(folder, code, place):
    child = _os.fork()
    if child == 0:
        status = 1
        try:
            _os.chdir(folder)
            _sys.path.insert(0, _os.path.join(folder, place))
            exec(compile(code, "<check>", "exec"), {{"__name__": "__main__"}})
            status = 0
        finally:
            _os._exit(status)
    return _os.waitstatus_to_exitcode(_os.waitpid(child, 0)[1])
_check({folder!r}, {code!r}, {place!r})
"""
_CELL = re.compile(r"<cell (\d+)>")


class WarmSandbox:
    """Use it as a context manager: it lends a private folder, `root`, for workspaces, and ends its processes when left.

    Workspaces are emptied and used again (`fresh`), never removed, since a process stays confined to the folder it was started for.
    """

    def __init__(self) -> None:
        self._inner: Sandbox = default_sandbox()
        self.name = f"{self._inner.name} (warm)"
        self.root = Path(tempfile.mkdtemp(prefix="wornpath-bench-")).resolve()
        self.root.chmod(0o711)  # a sandbox without privileges passes through it to its own files
        self.work = self.root / "work"
        self.work.mkdir()
        self._kernels: dict[tuple[Path, bool], _Outside] = {}

    async def __aenter__(self) -> WarmSandbox:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for kernel in self._kernels.values():
            await kernel.close()
        shutil.rmtree(self.root, ignore_errors=True)

    @contextlib.contextmanager
    def temporary(self) -> Iterator[None]:
        """While it lasts, temporary files of this process lie below `root`: copies for checks must be where the checker may read."""
        with _temporary_files_in(str(self.root)):
            yield

    def fresh(self) -> Path:
        """The workspace, emptied."""
        for entry in list(self.work.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        return self.work

    # -- what a sandbox does -----------------------------------------------------------------------

    def missing(self) -> str | None:
        return self._inner.missing()

    def kernel(self, *, workspace: Path, writable: bool = True, limits: SandboxLimits | None = None) -> Kernel:
        if workspace.resolve() != self.work or not writable:
            return self._inner.kernel(workspace=workspace, writable=writable)
        return _Lent(self._kept(workspace, writable), str(workspace))

    async def run(
        self,
        argv: Sequence[str],
        *,
        workspace: Path,
        writable: bool = True,
        limits: SandboxLimits = SandboxLimits(),  # noqa: B008 - frozen
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        readable: Sequence[Path] = (),
    ) -> ProcessResult:
        """A check `python -c CODE` or `python FILE` runs in a fork of the warm checker; everything else in a process of its own."""
        place = workspace.resolve()
        program = None if writable or self.root not in place.parents else _program(argv, place)
        if program is None:
            return await self._inner.run(
                argv, workspace=workspace, writable=writable, limits=limits, env=env, stdin=stdin, readable=readable
            )
        code = _CHECK.format(folder=str(place), code=program[0], place=program[1])
        cell = await self._kept(self.root, False).run(code, timeout=limits.wall_seconds)
        ended = int(cell.value) if cell.value.lstrip("-").isdigit() else 1
        return ProcessResult(ended, cell.stdout, cell.error, timed_out=cell.timed_out, seconds=cell.seconds)

    def _kept(self, workspace: Path, writable: bool) -> _Outside:
        key = (workspace.resolve(), writable)
        if key not in self._kernels:
            self._kernels[key] = _Outside(self._inner.kernel(workspace=workspace, writable=writable))
        return self._kernels[key]


@contextlib.contextmanager
def _temporary_files_in(folder: str | None) -> Iterator[None]:
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before


class _Outside:
    """A kernel whose own folders, made when its process starts, lie outside what it may read."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.cells = 0

    async def run(self, code: str, *, timeout: float) -> CellResult:
        self.cells += 1
        with _temporary_files_in(None):
            return await self._kernel.run(code, timeout=timeout)

    async def close(self) -> None:
        await self._kernel.close()


class _Lent:
    """The warm kernel for one episode: emptied before its first cell, and left running at its close. Its cells are counted from 1, as in a
    fresh one: what errors say must not depend on the episodes before."""

    def __init__(self, kernel: _Outside, home: str) -> None:
        self._kernel, self._home, self._clean = kernel, home, False
        self._before = 0

    async def run(self, code: str, *, timeout: float) -> CellResult:
        if not self._clean:
            self._clean = True
            await self._kernel.run(_EMPTY.format(home=self._home), timeout=timeout)
            self._before = self._kernel.cells
        done = await self._kernel.run(code, timeout=timeout)
        return replace(done, stdout=self._numbered(done.stdout), error=self._numbered(done.error))

    def _numbered(self, text: str) -> str:
        return _CELL.sub(lambda found: f"<cell {int(found[1]) - self._before}>", text)

    async def close(self) -> None:
        self._clean = False


def _program(argv: Sequence[str], folder: Path) -> tuple[str, str] | None:
    """(code, the folder its imports are looked for in) where ARGV is `sh -c "python -c CODE"` or `sh -c "python FILE"`."""
    if list(argv[:2]) != ["sh", "-c"] or len(argv) != 3:
        return None
    try:
        words = shlex.split(argv[2])
    except ValueError:
        return None
    if words[:2] == ["python", "-c"] and len(words) == 3:
        return words[2], ""
    if len(words) == 2 and words[0] == "python" and (file := folder / words[1]).is_file():
        return file.read_text("utf-8"), str(Path(words[1]).parent)
    return None
