"""What strangers send is read apart: it ends in time and within its memory, and nobody else waits."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import resource
import time
from pathlib import Path

import pytest
from bombs import bombs

from wornpath.core import ToolError
from wornpath.tools import ToolContext, Workspace, apart
from wornpath.tools.documents import overview
from wornpath.tools.files import read_file
from wornpath.tools.readers import whole_text
from wornpath.tools.search import matcher

BOMBS = bombs()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test can wait for; they are the process's own, so that a fresh one is started with them."""
    apart.READER.close()
    monkeypatch.setattr(apart, "PATIENCE", 6.0)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_in_time_and_within_its_memory(tmp_path: Path, soon: None, name: str) -> None:
    (tmp_path / name).write_bytes(BOMBS[name])
    (tmp_path / "good.eml").write_text("From: a@b.c\nSubject: Hello\n\nA good one.\n")
    workspace = Workspace(tmp_path)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    ticks: list[float] = []

    async def both() -> None:
        reading = asyncio.create_task(read_file(ToolContext(workspace), path=name))
        while not reading.done():
            ticks.append(time.monotonic())
            await asyncio.sleep(0.05)
        try:
            await reading
        except ToolError as error:
            assert str(tmp_path) not in str(error)

    asyncio.run(both())
    assert time.monotonic() - began < 60
    assert max((b - a for a, b in itertools.pairwise(ticks)), default=0) < 5, "others went on meanwhile"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10
    assert "A good one." in whole_text(workspace, "good.eml")[0], "and the next document is read"
    began = time.monotonic()
    overview(workspace, 2000)
    assert time.monotonic() - began < 12
    began = time.monotonic()
    overview(workspace, 2000)
    assert time.monotonic() - began < 2, "what took too long once is not tried again"


@pytest.mark.parametrize("query", ["/a*a*a*b/", "/.*.*.*x/", "/a+a+b/"])
def test_an_expression_that_is_slow_on_lines_made_for_it_ends(query: str) -> None:
    find, began = matcher(query), time.thread_time()
    with contextlib.suppress(TimeoutError):
        assert find("a" * 10_000) is None
    assert time.thread_time() - began < 8
    assert matcher("/foo.*bar.*baz/")("x" * 700 + "foo and bar and baz") == 700


def test_the_reader_can_write_nothing_and_read_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a document had taken a library over: what the process itself may do."""
    secret = tmp_path / "secret.txt"
    secret.write_text("outside")
    tries = {
        "read": f"open({str(secret)!r}).read()",
        "write": f"open({str(tmp_path / 'made')!r}, 'w').write('x')",
        "connect": "__import__('socket').socket()",
        "run": "__import__('os').execv('/bin/sh', ['sh', '-c', 'exit'])",
        "environment": "__import__('os').environ['PATH']",
    }
    for name, code in tries.items():
        boot = apart._BOOT.replace("main(int", f"{PATCH.format(code=code)}main(int")
        monkeypatch.setattr(apart, "_BOOT", boot)
        reader = apart.Reader()
        try:
            with (tmp_path / "a.html").open("wb+") as file:
                assert reader.text("html", file, 100)[0] == "held", name
        finally:
            reader.close()
            monkeypatch.undo()
    assert not (tmp_path / "made").exists() and secret.read_text() == "outside"


PATCH = """
import wornpath.tools.readers as readers
def attack(file):
    try:
        {code}
    except Exception as error:
        yield 'held'
    else:
        yield 'got through'
readers.DOCUMENTS = {{'html': attack}}
"""


def test_a_fork_and_a_killed_reader_are_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>one")
    reader = apart.Reader()
    with (tmp_path / "a.html").open("rb") as file:
        assert reader.text("html", file, 100) == ("one\n", True)
        assert reader._process is not None
        reader._process.kill()
        reader._process.wait()
        file.seek(0)
        assert reader.text("html", file, 100) == ("one\n", True)
        pid = os.fork()
        if pid == 0:
            ok = reader.text("html", file, 100) == ("one\n", True)
            reader.close()
            os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert reader.text("html", file, 100) == ("one\n", True), "the parent's is still there"
    reader.close()
