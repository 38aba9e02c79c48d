"""A file that the run made itself is made anew without a word; one that was there before is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from wornpath.core import Action
from wornpath.store import Snapshot
from wornpath.tools import Registry, ToolContext
from wornpath.tools.calling import call
from wornpath.tools.workspace import Workspace


@pytest.mark.parametrize("name", ["copy_file", "move_file"])
async def test_what_the_run_made_is_replaced(tmp_path: Path, name: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for file in ("a.txt", "b.txt", "kept.txt"):
        (work / file).write_text(file)
    snapshot = Snapshot(tmp_path / "run", work)
    context = ToolContext(Workspace(work), before_write=snapshot.keep, made=snapshot.added)
    tool = Registry.standard().get(name)
    assert tool is not None

    async def done(source: str, destination: str) -> str:
        action = Action.of(name, source=source, destination=destination)
        return (await call(tool, context, action, 10.0)).result

    assert await done("a.txt", "out.txt") == "ok"
    assert await done("b.txt", "out.txt") == "ok"
    assert (work / "out.txt").read_text() == "b.txt"
    assert await done("out.txt", "kept.txt") == "error"
    assert (work / "kept.txt").read_text() == "kept.txt"
