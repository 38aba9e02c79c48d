"""`python` and `shell`: what they show the model, and what they record."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from wornpath.sandbox import SandboxLimits, default_sandbox
from wornpath.tools import ToolContext, Workspace
from wornpath.tools.run_code import manifest, python, shell

SANDBOX = default_sandbox()
pytestmark = pytest.mark.skipif(SANDBOX.missing() is not None, reason=str(SANDBOX.missing()))


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[ToolContext]:
    kernel = SANDBOX.kernel(workspace=tmp_path)
    yield ToolContext(Workspace(tmp_path), sandbox=SANDBOX, kernel=kernel, limits=SandboxLimits(wall_seconds=20))
    await kernel.close()


def test_how_they_are_offered() -> None:
    assert (python.risk, shell.risk, python.idempotent, shell.idempotent) == ("execute", "execute", False, False)
    assert python.text == {"code": "code"}
    assert shell.text == {}


async def test_python_shows_output_value_and_files(context: ToolContext) -> None:
    kept: list[str | None] = []
    context.before_write = kept.append
    code = "rows = ['city,total', 'Rome,12', 'Oslo,3', 'Bern,4']\nopen('t.csv', 'w').write('\\n'.join(rows))\nprint('done')\nlen(rows)"
    seen = await python(context, code=code)
    assert seen.result == "ok"
    assert seen.text.startswith(
        "done\n4\n[made t.csv: 32 bytes, csv 2 columns: city,total, 3 rows]\n  city,total\n  Rome,12\n  Oslo,3"
    )
    assert seen.changed == ("t.csv",)
    assert kept == [None]
    assert [entity.value for entity in seen.entities] == ["t.csv"]
    assert "python printed: done 4" in seen.facts
    again = await python(context, code="open('t.csv', 'a').write('x'); rows[1]")
    assert "[changed t.csv" in again.text and "'Rome,12'" in again.text
    gone = await python(context, code="import os; os.remove('t.csv'); os.makedirs('d'); open('d/new', 'w').close()")
    assert gone.changed == ("d/new", "t.csv")
    assert "[removed t.csv]" in gone.text and "[made d/new: 0 bytes" in gone.text


async def test_where_nothing_can_be_written_the_hint_says_so(tmp_path: Path) -> None:
    kernel = SANDBOX.kernel(workspace=tmp_path, writable=False)
    context = ToolContext(Workspace(tmp_path, writable=False), sandbox=SANDBOX, kernel=kernel)
    seen = await python(context, code="open('new.txt', 'w')")
    await kernel.close()
    assert seen.result == "error"
    assert "The workspace cannot be written" in seen.text and "Only the workspace" not in seen.text


async def test_python_errors_and_hints(context: ToolContext) -> None:
    broken = await python(context, code="x = 1\nx / 0")
    assert broken.result == "error"
    assert "line 2" in broken.text and "x / 0" in broken.text and "ZeroDivisionError" in broken.text
    assert re.search(
        "Only the workspace|outside the workspace", (await python(context, code="open('/etc/hostname')")).text
    )
    assert "Only the workspace" in (await python(context, code="open('/usr/x', 'w')")).text
    absent = (await python(context, code="open('out/sums/x.csv', 'w')")).text
    assert "no folder out/sums/" in absent and "os.makedirs('out/sums', exist_ok=True)" in absent
    (context.workspace.root / "out").mkdir()
    assert "make it first" not in (await python(context, code="open('out/x.csv')")).text
    assert (
        "no network" in (await python(context, code="import urllib.request as u; u.urlopen('http://example.com')")).text
    )
    assert "Nothing can be installed" in (await python(context, code="import no_such_module")).text
    assert (await python(context, code="y = 2")).result == "empty"
    assert (await python(context, code="  ")).result == "error"


async def test_time_limit(context: ToolContext) -> None:
    context.limits = SandboxLimits(wall_seconds=0.5)
    for seen in (
        await python(context, code="print('a')\nwhile True: pass"),
        await shell(context, command="echo a; sleep 9"),
    ):
        assert seen.result == "timeout"
        assert seen.text.startswith("a\nStopped:") and "do less in one call" in seen.text


async def test_shell(context: ToolContext) -> None:
    seen = await shell(context, command="printf 'b\\na\\n' > names.txt; sort names.txt; echo problem >&2")
    assert (seen.result, seen.changed) == ("ok", ("names.txt",))
    assert seen.text.startswith("a\nb\nproblem\n[made names.txt: 4 bytes")
    failed = await shell(context, command="echo half; exit 3")
    assert (failed.result, failed.text) == ("error", "half\nExit code 3.")
    assert (await shell(context, command="true")).result == "empty"
    assert (await shell(context, command="kill -9 $$")).result == "error"


async def test_figures_are_parts(context: ToolContext) -> None:
    pytest.importorskip("matplotlib")
    seen = await python(context, code="import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()")
    (image,) = (part for part in seen.parts if part.kind == "image")
    assert (image.path, image.media_type) == ("figure-1.png", "image/png")
    assert image.bytes == (context.workspace.root / "figure-1.png").stat().st_size


async def test_long_output_is_clipped(context: ToolContext) -> None:
    seen = await python(context, code="for i in range(100000): print('line', i)")
    assert len(seen.text) < context.max_chars
    assert "line 0\n" in seen.text and "line 99999" in seen.text and "left out" in seen.text
    many = await python(context, code="for i in range(60): open(f'f{i}.txt', 'w').write('x' * 500)")
    assert len(many.changed) == 60
    assert "more files]" in many.text and len(many.text) < context.max_chars


async def test_without_a_sandbox(tmp_path: Path) -> None:
    bare = ToolContext(Workspace(tmp_path))
    for seen in (await python(bare, code="1"), await shell(bare, command="ls")):
        assert seen.result == "error" and "no sandbox" in seen.text


async def test_read_only(tmp_path: Path) -> None:
    kernel = SANDBOX.kernel(workspace=tmp_path, writable=False)
    context = ToolContext(Workspace(tmp_path, writable=False), sandbox=SANDBOX, kernel=kernel)
    try:
        for seen in (await python(context, code="open('a', 'w')"), await shell(context, command="echo x > a")):
            assert seen.result == "error" and seen.changed == ()
    finally:
        await kernel.close()
    assert list(tmp_path.iterdir()) == []


def test_manifest(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x").write_text("x")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "link").symlink_to("/etc")
    first = manifest(tmp_path)
    assert sorted(first) == ["a", "d/link"]
    (tmp_path / "a").write_text("y")
    assert manifest(tmp_path)["a"] != first["a"]
