"""The real command line in a process of its own, with a home of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import sample_run

from wornpath.cli import main
from wornpath.store import SqliteStore

DROPPED = (
    "WORNPATH_",
    "OPENAI_",
    "PYTHONIOENCODING",
    "PYTHONUTF8",
    "LC_",
    "LANG",
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "TERM",
)


@dataclass
class Shell:
    """`call` runs `wornpath`; `env` is what it gets besides a clean environment."""

    home: Path
    cwd: Path
    env: dict[str, str]

    def environment(self, **more: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
        ours = {"LC_ALL": "C.UTF-8", "WORNPATH_HOME": str(self.home), "WORNPATH_AFTER_RUN": "off"}
        return {**clean, **ours, **self.env, **more}

    def call(
        self, *arguments: str, input: str | bytes | None = None, timeout: float = 180, **env: str
    ) -> subprocess.CompletedProcess[bytes]:
        data = input.encode() if isinstance(input, str) else input
        return subprocess.run(
            [sys.executable, "-m", "wornpath", *arguments],
            input=data if data is not None else None,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            env=self.environment(**env),
            cwd=self.cwd,
            timeout=timeout,
        )

    def say(self, *arguments: str, code: int = 0, input: str | bytes | None = None, **env: str) -> tuple[str, str]:
        """Standard output and error of a call that must end with CODE."""
        done = self.call(*arguments, input=input, **env)
        out, err = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
        assert done.returncode == code, f"exit {done.returncode}, not {code}\n{out}\n{err}"
        assert "Traceback" not in out + err
        return out, err

    def fill(self, run_id: str = sample_run.RUN, *, keep: int | None = None) -> str:
        """Put the sample run (or its first KEEP events) into the store."""
        with SqliteStore(self.home) as store:
            store.append_many(run_id, sample_run.records(str(self.cwd))[:keep])
        return run_id


@dataclass
class Inside(Shell):
    """The same in this process, which saves the start of a new one at every call."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def say(self, *arguments: str, code: int = 0, input: str | bytes | None = None, **env: str) -> tuple[str, str]:
        data = input.encode() if isinstance(input, str) else input or b""
        with self.monkeypatch.context() as patch:
            wanted = self.environment(**env)
            for name in os.environ.keys() - wanted.keys():
                patch.delenv(name)
            for name, value in wanted.items():
                patch.setenv(name, value)
            patch.chdir(self.cwd)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
            with pytest.raises(SystemExit) as left:
                main(list(arguments))
        out, err = self.capsys.readouterr()
        assert (left.value.code or 0) == code, f"exit {left.value.code}, not {code}\n{out}\n{err}"
        return out, err


def error_of(err: str) -> str:
    """The one line of an error."""
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1, err
    assert lines[0].startswith("wornpath: error: ")
    return lines[0]
