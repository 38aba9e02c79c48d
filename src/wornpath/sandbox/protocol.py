"""What the tools and the judge ask of a sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Limits of one sandboxed process tree. Bytes and seconds. Memory and file size hold for each process and file, the totals for all
    together; `disk_bytes` and `disk_files` for what it writes into its folders from its beginning on."""

    cpu_seconds: int = 60
    wall_seconds: float = 120.0
    memory_bytes: int = 2 << 30
    file_bytes: int = 256 << 20
    processes: int = 64
    output_bytes: int = 1 << 20
    memory_total: int = 4 << 30
    disk_bytes: int = 2 << 30
    disk_files: int = 100_000


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """How a sandboxed process ended. `exit_code` is negative for a signal, as subprocess has it. `excess` says what it took too much of, if
    that was its end: "it wrote more than 2 GiB in all"."""

    exit_code: int
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False
    truncated: bool = False
    seconds: float = 0.0
    excess: str = ""


@dataclass(frozen=True, slots=True)
class CellResult:
    """What running one piece of Python did. `error` is the traceback, without the runner's own frames; empty when all went well."""

    stdout: str = ""
    value: str = ""
    error: str = ""
    timed_out: bool = False
    died: bool = False
    truncated: bool = False
    seconds: float = 0.0


class Kernel(Protocol):
    """A Python process inside the sandbox that keeps its variables from cell to cell."""

    async def run(self, code: str, *, timeout: float) -> CellResult:
        """Run CODE. On a timeout or a crash the process is replaced: the variables are gone, and the result says so."""
        ...

    async def close(self) -> None: ...


class Sandbox(Protocol):
    """A place where code that a model wrote may run: no network, only `workspace` (and a private temporary folder) writable, no secrets in
    the environment, bounded resources."""

    name: str

    def missing(self) -> str | None:
        """Why this sandbox cannot be used here, as a sentence that says what to do; None when it can."""
        ...

    async def run(
        self,
        argv: Sequence[str],
        *,
        workspace: Path,
        writable: bool = True,
        limits: SandboxLimits = SandboxLimits(),
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        readable: Sequence[Path] = (),
        hosts: Sequence[str] = (),
    ) -> ProcessResult:
        """Run ARGV with WORKSPACE as current folder. With WRITABLE false the workspace is read-only. READABLE names more files and folders
        that may be read; what does not exist is left out. HOSTS may be reached through a proxy (see `proxy.Rule`); without any, there is
        no network.

        Raises SandboxUnavailable when the sandbox cannot be set up: nothing was run.
        """
        ...

    def kernel(
        self,
        *,
        workspace: Path,
        writable: bool = True,
        limits: SandboxLimits = SandboxLimits(),
        hosts: Sequence[str] = (),
    ) -> Kernel:
        """A Python kernel, started at its first cell."""
        ...
