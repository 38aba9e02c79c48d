"""Where a sandboxed program lives: its private folder, its environment, and the paths it may see."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wornpath.core import SandboxUnavailable
from wornpath.sandbox.protocol import SandboxLimits

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/nix/store", "/gnu/store")
_SETTINGS = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone", "fonts", "mime.types", "os-release"),
    *("ssl/openssl.cnf", "pki/tls/openssl.cnf", "crypto-policies", "perl", "alternatives"),
)
_FACTS = (
    "/sys/devices/system/cpu",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/filesystems",
    "/proc/sys/vm/overcommit_memory",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_THREADS = "2"
_THREADS_TOGETHER = 192
_FOLDERS_WITH_PYTHON = ("bin", "lib", "lib64", "include", "share", "pyvenv.cfg")


@dataclass(frozen=True, slots=True)
class Confinement:
    """Which walls there are. BUBBLEWRAP is the path of the program, or empty; with GROUP a control group is made where one can be."""

    bubblewrap: str = ""
    landlock: bool = False
    group: bool = True

    @property
    def on(self) -> bool:
        return self.landlock or bool(self.bubblewrap)


@dataclass(frozen=True, slots=True)
class Quarters:
    """A private folder: `bin` (python and python3), `site` (Python's start-up) to read, `tmp` to write. The supervisor removes it."""

    root: Path

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def site(self) -> Path:
        return self.root / "site"

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @classmethod
    def make(cls) -> Quarters:
        """Raises SandboxUnavailable when there is no place for it."""
        try:
            quarters = cls(Path(tempfile.mkdtemp(prefix="wornpath-")).resolve())
            for folder in (quarters.tmp, quarters.site, quarters.bin):
                folder.mkdir()
            wrapper = f'#!/bin/sh\nexec {shlex.quote(python())} "$@"\n'
            for name in ("python", "python3"):
                (quarters.bin / name).write_text(wrapper)
                (quarters.bin / name).chmod(0o755)
            for name, content in _inside().items():
                (quarters.site / name).write_bytes(content)
        except OSError as error:
            raise SandboxUnavailable(
                f"No private folder for the sandbox could be made in {tempfile.gettempdir()}: {error.strerror}; "
                "free some space there or point TMPDIR elsewhere."
            ) from None
        return quarters

    def remove(self) -> None:
        """Remove it, if the supervisor has not done so (it was killed, or never came to be)."""
        from wornpath.sandbox.launch import remove

        if self.root.exists():
            with contextlib.suppress(OSError):
                remove(str(self.root))

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """All the program gets to know of the host's environment: nothing but the time zone."""
        path = (
            str(self.bin),
            str(Path(python()).parent),
            "/usr/local/bin",
            "/usr/bin",
            "/bin",
            "/usr/local/sbin",
            "/usr/sbin",
            "/sbin",
        )
        threads = dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), _THREADS
        )
        zone = {"TZ": os.environ["TZ"]} if os.environ.get("TZ") else {}
        return {
            "PATH": os.pathsep.join(path),
            "HOME": str(self.tmp),
            "TMPDIR": str(self.tmp),
            "USER": "agent",
            "LOGNAME": "agent",
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "NO_COLOR": "1",
            "PYTHONPATH": str(self.site),
            "PYTHONSAFEPATH": "1",
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
            "WORNPATH_PACKAGES": os.pathsep.join(user_packages()),
            "MPLBACKEND": "module://wornpath_figures",
            "MPLCONFIGDIR": str(self.tmp / "matplotlib"),
            "TAR_OPTIONS": "--no-same-owner",
            **threads,
            **zone,
            **(more or {}),
        }

    def orders(
        self,
        argv: list[str],
        env: Mapping[str, str],
        *,
        workspace: Path,
        writable: bool,
        limits: SandboxLimits,
        confinement: Confinement,
        proxied: bool = False,
    ) -> dict[str, Any]:
        """What the supervisor is told. Raises SandboxUnavailable when the confinement could not hold."""
        place = workspace.resolve()
        if confinement.on and writable and (inside := python_inside(place)):
            raise SandboxUnavailable(
                f"The Python that runs Wornpath lies in the workspace ({inside}), where sandboxed code could change it; "
                "choose another workspace or install Wornpath elsewhere."
            )
        own = [str(self.bin), str(self.site)]
        shared = ["/dev/shm"] if confinement.bubblewrap else []
        return {
            "argv": argv,
            "env": dict(env),
            "confined": confinement.on,
            "bubblewrap": confinement.bubblewrap,
            "landlock": confinement.landlock,
            "group": confinement.on and confinement.group,
            "grouped": False,
            "proxied": proxied and confinement.on,
            "port": 0,
            "python": python(),
            "package": str(Path(__file__).parent),
            "workspace": str(place),
            "private": str(self.root),
            "readable": [*readable(), *own, str(place)],
            "devices": list(_DEVICES),
            "writable": [str(self.tmp), *([str(place)] if writable else []), *shared],
            "fds": [],
            "cpu_seconds": limits.cpu_seconds,
            "memory_bytes": limits.memory_bytes,
            "file_bytes": limits.file_bytes,
            "processes": limits.processes,
            "tasks": limits.processes + _THREADS_TOGETHER,
            "memory_total": limits.memory_total,
            "disk_bytes": limits.disk_bytes,
            "disk_files": limits.disk_files,
        }


def python() -> str:
    """The interpreter that programs in the sandbox get. Raises SandboxUnavailable when this process does not know its own."""
    if not sys.executable:
        raise SandboxUnavailable(
            "The path of the Python interpreter is unknown, so no sandbox can be started; run Wornpath by a python command."
        )
    return sys.executable


@functools.cache
def readable() -> tuple[str, ...]:
    """System folders, the settings that libraries need, and the Python that runs this: all a program may read besides its own."""
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    python_folders = [path for prefix in sorted(prefixes) for path in _of_prefix(prefix)]
    paths = sysconfig.get_paths()
    libraries = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    etc = [f"/etc/{name}" for name in _SETTINGS] + [str(path) for path in Path("/etc").glob("python3*")]
    return tuple(dict.fromkeys((*_SYSTEM, *etc, *_FACTS, *python_folders, *libraries, *user_packages())))


def _of_prefix(prefix: str) -> list[str]:
    """A prefix that holds more than Python (the home folder, say) is opened only where Python's folders are."""
    home = Path.home().resolve()
    place = Path(prefix).resolve()
    if place == Path("/") or place == home or place in home.parents:
        return [str(place / name) for name in _FOLDERS_WITH_PYTHON]
    return [str(place)]


@functools.cache
def user_packages() -> tuple[str, ...]:
    """The user's own site-packages, when this process uses them: `pip install --user` put the libraries there."""
    import site

    folder = site.getusersitepackages() if site.ENABLE_USER_SITE else ""
    return (folder,) if folder and folder in sys.path else ()


def python_inside(workspace: Path) -> str:
    """The part of this Python that lies in WORKSPACE; empty when none does."""
    for folder in (sys.prefix, sys.base_prefix, *user_packages(), str(Path(__file__).parents[1])):
        place = Path(folder).resolve()
        if place == workspace or workspace in place.parents:
            return str(place)
    return ""


@functools.cache
def _inside() -> dict[str, bytes]:
    folder = Path(__file__).parent / "inside"
    return {name: (folder / name).read_bytes() for name in ("runner.py", "sitecustomize.py", "wornpath_figures.py")}
