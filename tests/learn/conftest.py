from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wornpath.store import SqliteStore

sys.path.append(str(Path(__file__).parents[1] / "policy"))  # version_world


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "home") as store:
        yield store


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small networks on a busy machine: threads would wait for each other most of the time."""
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)
