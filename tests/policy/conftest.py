from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wornpath.store import SqliteStore

sys.path.append(str(Path(__file__).parent))  # version_world


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "home") as store:
        yield store
