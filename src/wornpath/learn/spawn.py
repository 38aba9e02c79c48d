"""Starting the learner after a run, as a process of its own. Imports nothing heavy: the agent calls this."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wornpath.store.protocol import Store

SWITCH = "WORNPATH_AFTER_RUN"
"""Environment variable: `off` starts no learner after a run."""
LOG = "learn.log"
MAX_LOG = 256 * 1024


def spawn_after_run(store: Store, run_id: str) -> bool:
    """Start `wornpath learn --after RUN_ID` (or `last`) for STORE, detached, and return at once; whether it was started.

    Nothing is started when `WORNPATH_AFTER_RUN=off`, or when there is nothing to do: PyTorch is missing and no version was
    made yet. The process outlives this one, has no terminal, runs at low priority, and writes to `learn.log` beside the
    store. Failing to start it never fails the run."""
    if switched_off():
        return False
    if not can_train() and not (store.root / "policies" / "registry.json").exists():
        return False
    command = [sys.executable, "-m", "wornpath", "learn", "--after", run_id]
    try:
        with open(log_of(store.root), "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as log:
            # The shell ends at once and leaves the learner to init: no zombie in a long-lived process, nothing to wait for.
            subprocess.run(
                ["/bin/sh", "-c", 'nice -n 10 "$@" &', "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "WORNPATH_HOME": str(store.root), "NO_COLOR": "1"},
                cwd=store.root,
                start_new_session=True,
                check=True,
            )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def switched_off() -> bool:
    """Whether the environment says that nothing is to be started after a run."""
    return os.environ.get(SWITCH, "").strip().lower() in ("off", "0", "false", "no")


def can_train() -> bool:
    """Whether what training needs is installed; nothing is imported to find out."""
    return all(find_spec(name) is not None for name in ("torch", "safetensors"))


def log_of(root: Path) -> Path:
    """The learner's log; begun anew when it has grown long."""
    log = root / LOG
    if log.exists() and log.stat().st_size > MAX_LOG:
        log.replace(log.with_suffix(".log.1"))
    return log
