"""Which sandbox is used here: bubblewrap with Landlock in it, else Landlock alone, else none, and then nothing is run.

`WORNPATH_CONFINEMENT` (auto, bubblewrap, landlock) asks for one of them, in tests and to find out where a program fails.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wornpath.core import SandboxUnavailable, UsageError
from wornpath.sandbox import landlock, seccomp
from wornpath.sandbox.kernel import ProcessKernel
from wornpath.sandbox.process import CommandRun, in_thread
from wornpath.sandbox.protocol import Kernel, ProcessResult, Sandbox, SandboxLimits
from wornpath.sandbox.quarters import Confinement, Quarters
from wornpath.sandbox.syscalls import ARCHITECTURES

_INSTEAD = "or let code run without a sandbox by --sandbox full"


class _Supervising:
    """What the sandboxes have in common: a supervised process tree with limits and a clean environment."""

    name = ""

    def missing(self) -> str | None:
        return None

    def confinement(self, workspace: Path) -> Confinement:
        """The walls around what runs in WORKSPACE."""
        return Confinement()

    def check(self) -> None:
        """Raises SandboxUnavailable where this sandbox cannot be used."""
        if reason := self.missing():
            raise SandboxUnavailable(reason)

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
        hosts: Sequence[str] = (),
    ) -> ProcessResult:
        """Run ARGV with WORKSPACE as current folder; it and all it started are gone when this returns. READABLE may be read, too, and
        HOSTS be reached through a proxy.

        Raises SandboxUnavailable when the sandbox cannot be set up: nothing was run.
        """
        self.check()
        quarters = Quarters.make()
        try:
            orders = quarters.orders(
                list(argv),
                quarters.environment(env),
                workspace=workspace,
                writable=writable,
                limits=limits,
                confinement=self.confinement(workspace),
                proxied=bool(hosts),
            )
            orders["readable"] += [str(path) for path in readable]
            command = CommandRun(
                orders, wall_seconds=limits.wall_seconds, output_bytes=limits.output_bytes, stdin=stdin, hosts=hosts
            )
            return await in_thread(command, command.cancel)
        finally:
            quarters.remove()

    def kernel(
        self,
        *,
        workspace: Path,
        writable: bool = True,
        limits: SandboxLimits = SandboxLimits(),  # noqa: B008 - frozen
        hosts: Sequence[str] = (),
    ) -> Kernel:
        """A Python kernel, started at its first cell."""
        return ProcessKernel(
            workspace=workspace,
            writable=writable,
            limits=limits,
            confinement=lambda: self.confinement(workspace),
            check=self.check,
            hosts=hosts,
        )


class LandlockSandbox(_Supervising):
    """Landlock for files, a system-call filter for the rest, a supervisor for what neither can judge. Nothing to install."""

    name = "landlock"

    def missing(self) -> str | None:
        return _landlock_missing()

    def confinement(self, workspace: Path) -> Confinement:
        return Confinement(landlock=True)


class BubblewrapSandbox(_Supervising):
    """Namespaces by bubblewrap, and in them Landlock, where the kernel has it, the filter and the supervisor.

    WITH_LANDLOCK false leaves Landlock out, to see what the namespaces hold alone.
    """

    def __init__(self, *, with_landlock: bool = True) -> None:
        self._landlock = with_landlock and _landlock_missing() is None
        self.name = "bubblewrap" if with_landlock else "bubblewrap without landlock"
        self._alone = not with_landlock

    def missing(self) -> str | None:
        return _bubblewrap_missing(self._landlock)

    def confinement(self, workspace: Path) -> Confinement:
        """Where root's workspace lies on a file system whose owners cannot be mapped, Landlock alone must do."""
        place = workspace.resolve()
        choose = os.geteuid() == 0 and not self._alone and _landlock_missing() is None and place.is_dir()
        if choose and not _owner_can_be_mapped(str(place), place.stat().st_dev):
            return Confinement(landlock=True)
        return Confinement(_program(), self._landlock)


class UnsandboxedSandbox(_Supervising):
    """No confinement, only by a person's explicit word (`--sandbox full`): what runs can read, change and send everything its user can.
    Limits, timeouts, a clean environment and the end of all its processes hold as elsewhere."""

    name = "none"


def default_sandbox(*, full: bool = False) -> Sandbox:
    """The first sandbox of the chain that works here; when none does, one whose `missing` says why and which runs nothing. FULL is a
    person's explicit word to go without confinement."""
    if full:
        return UnsandboxedSandbox()
    wanted = os.environ.get("WORNPATH_CONFINEMENT") or "auto"
    chain: dict[str, Callable[[], Sandbox]] = {"bubblewrap": BubblewrapSandbox, "landlock": LandlockSandbox}
    if wanted in chain:
        return chain[wanted]()
    if wanted != "auto":
        raise UsageError(f"WORNPATH_CONFINEMENT is {wanted!r}; it can be auto, {' or '.join(chain)}.")
    return next((sandbox for make in chain.values() if (sandbox := make()).missing() is None), LandlockSandbox())


def _program() -> str:
    return shutil.which("bwrap") or ""


@functools.cache
def _bubblewrap_missing(with_landlock: bool) -> str | None:
    """Found out by trying: that a program is there says nothing about the kernel and the container around it."""
    if sys.platform != "linux" or os.uname().machine not in ARCHITECTURES or struct.calcsize("P") != 8:
        return _landlock_missing() or "bubblewrap is for Linux."
    if not _program():
        return "bubblewrap (the program bwrap) is not installed; your package manager has it, mostly as the package bubblewrap."
    if not seccomp.available():
        return _landlock_missing()
    reason = _try(None, Confinement(_program(), with_landlock))
    return f"bubblewrap does not work here: {reason}" if reason else None


@functools.lru_cache(maxsize=256)
def _owner_can_be_mapped(workspace: str, device: int) -> bool:
    """Whether root's way into bubblewrap works for this folder on this DEVICE: not all file systems can map owners."""
    return not _try(Path(workspace), Confinement(_program(), False))


def _try(workspace: Path | None, confinement: Confinement) -> str:
    """Why a first program does not run there, or in its private folder; empty when it does."""
    quarters = Quarters.make()
    try:
        orders = quarters.orders(
            ["true"],
            quarters.environment(),
            workspace=workspace or quarters.tmp,
            writable=True,
            limits=SandboxLimits(),
            confinement=confinement,
        )
        result = CommandRun(orders, wall_seconds=20, output_bytes=4096, stdin="")()
        return "" if result.exit_code == 0 else f"a first program ended with exit code {result.exit_code}."
    except SandboxUnavailable as error:
        return str(error).partition("nothing was run: ")[2] or str(error)
    finally:
        quarters.remove()


@functools.cache
def _landlock_missing() -> str | None:
    if sys.platform != "linux":
        return f"Code cannot be confined on {platform.system()} yet; use Linux (a virtual machine or container will do) {_INSTEAD}."
    if os.uname().machine not in ARCHITECTURES or struct.calcsize("P") != 8:
        return f"The sandbox does not know this machine ({os.uname().machine}); use x86_64 or aarch64, {_INSTEAD}."
    version = landlock.abi()
    if version == 0:
        return f"This kernel ({os.uname().release}) has no Landlock; use Linux 5.13 or newer {_INSTEAD}."
    if version < 0:
        return f"Landlock is not switched on in this kernel; add landlock to its lsm= boot parameter {_INSTEAD}."
    if not seccomp.available():
        return f"This kernel ({os.uname().release}) or the container around it has no seccomp filters; allow them {_INSTEAD}."
    return None
