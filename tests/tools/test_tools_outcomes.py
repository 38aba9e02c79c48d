"""After a crash: what a tool that was cut off finds out about its own action, by what it noted and by what is on the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.core import Action, Observation
from wornpath.sandbox import default_sandbox
from wornpath.tools import FunctionTool, Registry, ToolContext, Verifiable, Workspace, tool
from wornpath.tools.beneath import clear_leftovers
from wornpath.tools.calling import outcome
from wornpath.tools.intents import NAME

REGISTRY = Registry.standard()
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "write": ("write_file", {"path": "new/a.txt", "content": "hello\n"}),
    "overwrite": ("write_file", {"path": "file.txt", "content": "hello\n"}),
    "append": ("append_file", {"path": "file.txt", "content": "more\n"}),
    "append to nothing": ("append_file", {"path": "log.txt", "content": "more\n"}),
    "edit": ("edit_file", {"path": "file.txt", "old": "one", "new": "oneone"}),
    "move": ("move_file", {"source": "file.txt", "destination": "sub/moved.txt"}),
    "move a folder": ("move_file", {"source": "tree", "destination": "forest"}),
    "copy": ("copy_file", {"source": "file.txt", "destination": "copy.txt"}),
    "copy a folder": ("copy_file", {"source": "tree", "destination": "forest"}),
    "copy into a folder": ("copy_file", {"source": "file.txt", "destination": "tree/"}),
    "delete": ("delete_file", {"path": "file.txt"}),
    "delete a folder": ("delete_file", {"path": "tree", "recursive": True}),
    "python": ("python", {"code": "open('made.txt', 'a').write('x')"}),
}


@pytest.fixture
def world(folder: Path, tmp_path: Path) -> ToolContext:
    (folder / "file.txt").write_text("one\n")
    (folder / "tree" / "deep").mkdir(parents=True)
    (folder / "tree" / "a").write_text("a")
    (folder / "tree" / "deep" / "b").write_text("b")
    (folder / "tree" / ".git").mkdir()
    (folder / "tree" / ".git" / "HEAD").write_text("main")
    (folder / "tree" / ".git" / "HEAD").chmod(0o444)
    (folder / "tree" / "void").mkdir()
    (tmp_path / "run").mkdir()
    sandbox = default_sandbox()
    kernel = sandbox.kernel(workspace=folder)
    return ToolContext(Workspace(folder), "run", tmp_path / "run", key="run-1", sandbox=sandbox, kernel=kernel)


def named(case: str) -> tuple[FunctionTool, Action]:
    name, arguments = CASES[case]
    found = REGISTRY.get(name)
    assert isinstance(found, FunctionTool)
    return found, Action.of(name, arguments)


async def asked(world: ToolContext, case: str) -> Observation | bool | None:
    found, action = named(case)
    return await outcome(found, world, action, found.idempotent)


def tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() if p.is_file() else "" for p in folder.rglob("*")}


@pytest.mark.parametrize("case", [c for c in CASES if c != "python"])
async def test_done_and_not_recorded(world: ToolContext, case: str) -> None:
    used, action = named(case)
    before = await asked(world, case)
    assert before is False, "nothing was noted, so nothing was done"
    done = await used(world, **action.arguments)
    assert done.result == "ok"
    left = tree(world.workspace.root)
    found = await asked(world, case)
    assert isinstance(found, Observation) and found.result == "ok"
    assert found.changed == done.changed
    assert tree(world.workspace.root) == left
    world.key = "run-2"
    assert await asked(world, case) is False, "the note is another action's"


@pytest.mark.parametrize("case", [c for c in CASES if c != "python"])
async def test_noted_and_not_done(world: ToolContext, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    used, action = named(case)

    def crash(*_: Any, **__: Any) -> None:
        raise OSError("killed here")

    with monkeypatch.context() as patch:
        for name in ("write_bytes", "append_bytes", "move", "remove", "make_folder"):
            patch.setattr(Workspace, name, crash)
        assert (await used(world, **action.arguments)).result == "error"
    assert (world.run_folder / NAME).exists()  # type: ignore[operator]
    assert await asked(world, case) is False
    assert (await used(world, **action.arguments)).result == "ok"
    assert isinstance(await asked(world, case), Observation)


def meddle(path: Path) -> None:
    """What another program may do to a file in between."""
    if path.is_dir():
        shutil.rmtree(path)
    path.write_text("somebody else's words, longer than all that was here")


@pytest.mark.parametrize(
    ("case", "path"),
    [
        ("overwrite", "file.txt"),
        ("append to nothing", "log.txt"),
        ("edit", "file.txt"),
        ("copy", "copy.txt"),
        ("copy a folder", "forest"),
    ],
)
async def test_somebody_else_changed_the_same_thing(world: ToolContext, case: str, path: str) -> None:
    used, action = named(case)
    await used(world, **action.arguments)
    meddle(world.workspace.root / path)
    assert await asked(world, case) is None


async def test_something_new_at_the_path_of_what_was_deleted(world: ToolContext) -> None:
    used, action = named("delete")
    file = world.workspace.root / "file.txt"
    with file.open() as held:  # so that its inode is not given to the next file
        await used(world, **action.arguments)
        file.write_text("new")
        assert await asked(world, "delete") is None, held.name
    assert file.exists()


async def test_half_an_append_is_for_a_person(world: ToolContext) -> None:
    used, action = named("append")
    await used(world, **action.arguments)
    file = world.workspace.root / "file.txt"
    file.write_bytes(file.read_bytes()[:-2])
    assert await asked(world, "append") is None


async def test_half_a_copy_is_completed(world: ToolContext) -> None:
    used, action = named("copy a folder")
    await used(world, **action.arguments)
    forest = world.workspace.root / "forest"
    (forest / "a").unlink()
    (forest / "void").rmdir()
    (forest / f".wornpath-{2**22 + 1}-aaaa.tmp").write_text("torn")
    assert await asked(world, "copy a folder") is False
    assert (await used(world, **action.arguments)).result == "ok"
    assert tree(forest) == {"a": "a", "deep": "", "deep/b": "b", ".git": "", ".git/HEAD": "main", "void": ""}
    world.key = "run-2"
    assert (await used(world, **action.arguments)).changed == ("forest/tree",), "another action puts it into the folder"


async def test_code_that_left_no_trace_may_run_again(world: ToolContext) -> None:
    used, action = named("python")
    assert world.sandbox is not None and world.kernel is not None
    if world.sandbox.missing():
        pytest.skip("no sandbox here")
    try:
        looked = await used(world, code="print(1)")
        assert looked.result == "ok"
        assert await asked(world, "python") is False
        await used(world, **action.arguments)
        assert await asked(world, "python") is None, "it changed something: a person must say"
    finally:
        await world.kernel.close()


async def test_without_a_run_nothing_is_noted(folder: Path) -> None:
    context = ToolContext(Workspace(folder))
    used, _ = named("write")
    assert (await used(context, path="a.txt", content="a")).result == "ok"
    assert await used.verify(context, path="a.txt", content="a") is False


async def test_a_run_folder_that_cannot_be_written_stops_the_change(world: ToolContext) -> None:
    used, action = named("write")
    world.run_folder = world.workspace.root / "nowhere"
    seen = await used(world, **action.arguments)
    assert seen.result == "error" and "nothing was changed" in seen.text
    assert not (world.workspace.root / "new").exists()


# -- tools of one's own --------------------------------------------------------------------------------


def sender(verify: Callable[..., Any] | None, idempotent: bool = False) -> FunctionTool:
    @tool(risk="send", idempotent=idempotent, verify=verify)
    def send(context: ToolContext, to: str, times: int = 1) -> str:
        """Send it."""
        return "sent"

    return send


async def told(used: FunctionTool, context: ToolContext) -> Observation | bool | None:
    return await outcome(used, context, Action.of("send", to="ann"), used.idempotent)


async def test_what_a_check_of_ones_own_may_say(context: ToolContext) -> None:
    seen: list[Any] = []

    async def by_key(context: ToolContext, to: str) -> bool:
        seen.append((context.key, to))
        return True

    def by_all(context: ToolContext, **given: Any) -> str:
        seen.append(given)
        return "it is in the outbox"

    def fails() -> bool:
        raise ValueError("no connection")

    context.key = "run-7"
    found = await told(sender(by_key), context)
    assert isinstance(found, Observation) and "before the run was cut off" in found.text
    found = await told(sender(by_all), context)
    assert isinstance(found, Observation) and found.text == "it is in the outbox"
    assert seen == [("run-7", "ann"), {"to": "ann", "times": 1}]
    assert await told(sender(lambda to: False), context) is False
    assert await told(sender(lambda to: None), context) is None
    assert await told(sender(fails), context) is None
    assert await told(sender(fails, idempotent=True), context) is None, "it has a check, and the check cannot tell"
    assert await told(sender(None), context) is None
    assert await told(sender(None, idempotent=True), context) is False
    assert isinstance(sender(None), Verifiable)


@given(pid=st.integers(min_value=2**22 + 1, max_value=2**31 - 1), mine=st.booleans())
def test_only_what_dead_processes_left_is_cleared(
    tmp_path_factory: pytest.TempPathFactory, pid: int, mine: bool
) -> None:
    folder = tmp_path_factory.mktemp("left")
    (folder / f".wornpath-{os.getpid() if mine else pid}-ab.tmp").write_text("x")
    (folder / ".wornpath-x-y.tmp").write_text("x")
    (folder / "wornpath-1-y.tmp").write_text("x")
    clear_leftovers(folder)
    assert len(list(folder.iterdir())) == 2 + mine
