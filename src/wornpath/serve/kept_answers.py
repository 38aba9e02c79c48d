"""What people answered, in a small file of the run's folder until the run has recorded it, so that a server that stops does not lose it."""

from __future__ import annotations

import json
import os
import threading

from wornpath.core import from_json, to_json
from wornpath.guard import ApprovalAnswer
from wornpath.store.protocol import Store

FILE = "answers.json"
_LOCK = threading.Lock()
"""The server's loop keeps answers, and its worker drops them."""


def read(store: Store, run_id: str) -> dict[str, ApprovalAnswer]:
    """The answers that were kept for a run, by the ids of their questions."""
    try:
        data = json.loads((store.root / "runs" / run_id / FILE).read_text(encoding="utf-8"))
        return {id: from_json(ApprovalAnswer, one) for id, one in data.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return {}


def keep(store: Store, run_id: str, id: str, answer: ApprovalAnswer) -> None:
    """Keep ANSWER to the question ID. Raises OSError and StoreError."""
    with _LOCK:
        _write(store, run_id, {**read(store, run_id), id: answer})


def drop(store: Store, run_id: str, id: str) -> None:
    """Forget the answer to the question ID, which is in the run's events now. Raises OSError and StoreError."""
    with _LOCK:
        kept = read(store, run_id)
        if kept.pop(id, None) is not None:
            _write(store, run_id, kept)


def _write(store: Store, run_id: str, answers: dict[str, ApprovalAnswer]) -> None:
    file = store.run_folder(run_id) / FILE
    if not answers:
        file.unlink(missing_ok=True)
        return
    part = file.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump({id: to_json(answer) for id, answer in answers.items()}, out)  # ASCII, whatever was typed
    part.replace(file)
