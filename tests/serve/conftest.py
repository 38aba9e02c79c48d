from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "cli"), str(HERE.parent / "llm")]  # serve_world, and the mock model server

from serve_world import World  # noqa: E402


@pytest.fixture(autouse=True)
def no_learner(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of its own that learns after a run."""
    monkeypatch.setenv("WORNPATH_AFTER_RUN", "off")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A server on the loopback with a model that does what the goal says."""
    with World(tmp_path) as running:
        yield running
