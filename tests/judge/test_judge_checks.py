"""Checks: only the exit status counts, and nothing a run leaves behind can make them pass."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from places import another_user
from wornpath.judge.checks import CheckResult, _prepare, capture_originals, run_check
from wornpath.judge.named import named_files, outside_paths
from wornpath.sandbox.chain import default_sandbox
from wornpath.sandbox.protocol import SandboxLimits

SANDBOX = default_sandbox()
pytestmark = pytest.mark.skipif(SANDBOX.missing() is not None, reason=str(SANDBOX.missing()))
HONEST = "import sys; sys.exit(open('answer.txt').read() != '42')\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "check.py").write_text(HONEST)
    return folder


async def check(
    command: str, workspace: Path, originals: dict[str, bytes] | None = None, **more: object
) -> CheckResult:
    return await run_check(command, workspace=workspace, originals=originals or {}, sandbox=SANDBOX, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("python", ["python", "python3"])
async def test_exit_status_is_the_verdict(workspace: Path, python: str) -> None:
    originals = capture_originals(f"{python} check.py", workspace)
    assert originals == {"check.py": HONEST.encode()}
    (workspace / "answer.txt").write_text("41")
    assert not (await check(f"{python} check.py", workspace, originals)).passed
    (workspace / "answer.txt").write_text("42")
    assert (await check(f"{python} check.py", workspace, originals)).passed


def test_a_file_that_may_not_be_read_is_there_and_may_not_be_read_in_the_copy_either() -> None:
    """It keeps no check from running, and hides nothing from a check that only asks whether it is there."""
    with another_user() as folder:
        work, copy = folder / "work", folder / "copy"
        work.mkdir()
        (work / "open.txt").write_text("open")
        (work / "closed.txt").write_text("closed")
        (work / "closed.txt").chmod(0)
        _prepare("true", work, copy, {}, folder / "kept")
        assert (copy / "open.txt").read_text() == "open"
        assert (copy / "closed.txt").stat().st_size == 0
        with pytest.raises(PermissionError):
            (copy / "closed.txt").read_text()


def rewrite(workspace: Path) -> None:
    (workspace / "check.py").write_text("")


def delete(workspace: Path) -> None:
    (workspace / "check.py").unlink()


def link_out(workspace: Path) -> None:
    (workspace.parent / "pass.py").write_text("")
    (workspace / "check.py").unlink()
    (workspace / "check.py").symlink_to(workspace.parent / "pass.py")


def folder_instead(workspace: Path) -> None:
    (workspace / "check.py").unlink()
    (workspace / "check.py").mkdir()
    (workspace / "check.py" / "__main__.py").write_text("")


def start_up_module(workspace: Path) -> None:
    (workspace / "sitecustomize.py").write_text("import os; os._exit(0)")
    (workspace / "usercustomize.py").write_text("import os; os._exit(0)")


def shadowed_module(workspace: Path) -> None:
    for name in ("sys", "os", "io", "re", "runpy", "codecs"):
        (workspace / f"{name}.py").write_text("import builtins, posix; posix._exit(0)")


def shadowed_program(workspace: Path) -> None:
    for name in ("python", "python3", "sh"):
        (workspace / name).write_text("#!/bin/true\n")
        (workspace / name).chmod(0o755)


@pytest.mark.parametrize(
    "tamper", [rewrite, delete, link_out, folder_instead, start_up_module, shadowed_module, shadowed_program]
)
async def test_tampering_does_not_pass(workspace: Path, tamper) -> None:  # type: ignore[no-untyped-def]
    command = "python check.py"
    (workspace / "check.py").write_text("import os, re, io\n" + HONEST)
    originals = capture_originals(command, workspace)
    (workspace / "answer.txt").write_text("41")
    tamper(workspace)
    result = await check(command, workspace, originals)
    assert not result.passed
    assert bool(result.restored) == (tamper in (rewrite, delete, link_out, folder_instead))
    (workspace / "answer.txt").write_text("42")  # the control: with the work done, the same check passes
    assert (await check(command, workspace, originals)).passed


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("conftest.py", "import os; os._exit(0)"),
        ("pytest.ini", "[pytest]\naddopts = --collect-only\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '--collect-only'\n"),
        ("pyproject.toml", '[tool."py\\u0074est".ini_options]\naddopts = "--collect-only"\n'),
        ("pyproject.toml", "tool.pytest.ini_options.addopts = '--collect-only'\n"),
        ("pyproject.toml", "tool = {pytest = {ini_options = {addopts = '--collect-only'}}}\n"),
        ("pytest.toml", "[pytest]\naddopts = ['--collect-only']\n"),
        (".pytest.toml", "[pytest]\naddopts = ['--collect-only']\n"),
        ("tests/conftest.py", "import os; os._exit(0)"),
        ("tests/colorsys.py", "import os; os._exit(0)"),
        ("tests/test_answer.py", "def test(): pass"),
    ],
)
async def test_test_runners_are_not_misled(workspace: Path, name: str, content: str) -> None:
    command = "python -m pytest -q tests"
    (workspace / "tests").mkdir()
    (workspace / "tests" / "test_answer.py").write_text(
        "import colorsys\ndef test():\n    assert open('answer.txt').read() == '42'\n"
    )
    (workspace / "answer.txt").write_text("41")
    originals = capture_originals(command, workspace)
    assert list(originals) == ["tests/test_answer.py"]
    (workspace / name).write_text(content)
    result = await check(command, workspace, originals)
    assert (result.passed, result.exit_code, result.restored) == (False, 1, (name,))


async def test_make_takes_the_makefile_that_was_there(workspace: Path) -> None:
    (workspace / "Makefile").write_text("test:\n\tgrep -q 42 answer.txt\n")
    (workspace / "answer.txt").write_text("41")
    originals = capture_originals("make test", workspace)
    assert list(originals) == ["Makefile"]
    (workspace / "GNUmakefile").write_text("test:\n\ttrue\n")
    (workspace / "makefile").symlink_to("GNUmakefile")
    result = await check("make test", workspace, originals)
    assert not result.passed and set(result.restored) == {"GNUmakefile", "makefile"}


async def test_a_pipe_in_place_of_an_empty_file_is_not_waited_for(workspace: Path) -> None:
    (workspace / "checks").mkdir()
    for name in ("__init__.py", "all.py"):
        (workspace / "checks" / name).touch()
    originals = capture_originals("python -m checks.all; python checks", workspace)
    assert "checks/__init__.py" in originals
    (workspace / "checks" / "__init__.py").unlink()
    os.mkfifo(workspace / "checks" / "__init__.py")
    result = await asyncio.wait_for(check("python -m checks.all", workspace, originals), 60)
    assert result.passed and result.restored == ("checks/__init__.py",)


async def test_modules_of_the_workspace_can_be_imported(workspace: Path) -> None:
    (workspace / "made.py").write_text("def answer(): return 42\n")
    (workspace / "sub").mkdir()
    (workspace / "sub" / "check.py").write_text("import helper, made; assert made.answer() == helper.x\n")
    (workspace / "sub" / "helper.py").write_text("x = 42\n")
    assert (await check("python -c 'import made; assert made.answer() == 42'", workspace)).passed
    assert (await check("python sub/check.py", workspace)).passed
    assert (
        await check("python -m sub.check", workspace)
    ).exit_code == 1  # helper is a sibling, not a module of the folder


async def test_the_copy_is_read_only_and_apart(workspace: Path, tmp_path: Path) -> None:
    assert not (await check("echo x > new.txt", workspace)).passed
    assert not (await check("echo x >> check.py", workspace)).passed
    assert (await check('echo x > "$TMPDIR/x" && test -s "$TMPDIR/x"', workspace)).passed
    await check("pwd > /dev/null; chmod 777 check.py; rm -f check.py", workspace)
    assert (workspace / "check.py").read_text() == HONEST
    assert sorted(p.name for p in tmp_path.iterdir()) == ["workspace"]


async def test_a_link_to_the_outside_is_not_read(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (workspace / "link").symlink_to(tmp_path / "secret")
    assert not (await check("cat link", workspace)).passed


async def test_a_persons_own_check_outside_is_readable(workspace: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(HONEST)
    (workspace / "answer.txt").write_text("42")
    assert (await check(f"python {mine}", workspace)).passed
    assert (await check(f"python {workspace}/check.py", workspace)).passed


async def test_time_limit_is_not_passed(workspace: Path) -> None:
    result = await check("sleep 60", workspace, limits=SandboxLimits(wall_seconds=0.3))
    assert (result.passed, result.timed_out) == (False, True)
    assert result.seconds < 10


async def test_a_writer_in_the_agents_kernel_cannot_reach_the_copy(workspace: Path, tmp_path: Path) -> None:
    """A thread that goes on writing over everything it can reach changes the workspace, but not what the check sees."""
    kernel = SANDBOX.kernel(workspace=workspace)
    originals = capture_originals("python check.py", workspace)
    (workspace / "answer.txt").write_text("41")
    code = (
        "import threading, glob, os\ndef go():\n  while True:\n"
        "    for p in glob.glob('/tmp/wornpath-check-*/workspace/check.py') + ['check.py']:\n"
        "      try: open(p, 'w').write('')\n      except OSError: pass\n"
        "threading.Thread(target=go, daemon=True).start()\nwhile os.path.getsize('check.py'): pass"
    )
    try:
        assert (await kernel.run(code, timeout=20)).error == ""
        assert not (await check("python check.py", workspace, originals)).passed
        (workspace / "answer.txt").write_text("42")
        assert (await check("python check.py", workspace, originals)).passed
    finally:
        await kernel.close()


async def test_output_goes_to_the_log_only(workspace: Path, tmp_path: Path) -> None:
    log = tmp_path / "checks.log"
    result = await check("echo said; echo complained >&2; exit 3", workspace, log=log)
    assert log.read_text() == "$ echo said; echo complained >&2; exit 3\nexit code 3\nsaid\ncomplained\n\n"
    assert "said" not in repr(result)


NAMED = [
    ("python check.py", ["check.py"]),
    ("python3 ./check.py && test -s out.txt", ["check.py"]),
    ("cd tests && python check_it.py", ["tests/check_it.py"]),
    ("python -m tests.check_it", ["tests/check_it.py"]),
    ("sh -c 'python check.py'", ["check.py"]),
    ("python -c \"exec(open('check.py').read())\"", ["check.py"]),
    ("cmp expected.txt out.txt", ["expected.txt"]),
    ("diff <(sort expected.txt) out.txt", ["expected.txt"]),
    ("pytest tests", ["tests/check_it.py", "tests/run.sh", "tests/test_a.py"]),
    ("pytest", ["tests/test_a.py"]),
    ("bash tests/*.sh", ["tests/run.sh"]),
    ('test "$(cat expected.txt)" = "$(cat out.txt)"', ["expected.txt"]),
    ("make check", ["Makefile"]),
    ("tool --file=expected.txt", ["expected.txt"]),
    ("! grep -q TODO check.py", []),
    ("grep -qf expected.txt out.txt", ["expected.txt"]),
    ('test -z "$(ls inbox)" && [ -f expected.txt ]', []),
    ("test ! -e check.py", []),
    ("python ../secret.py /etc/hostname", []),
    ("python 'unclosed", []),
]


@pytest.mark.parametrize(("command", "expected"), NAMED)
def test_named_files(workspace: Path, command: str, expected: list[str]) -> None:
    (workspace / "tests").mkdir()
    (workspace / "inbox").mkdir()
    for name in (
        "expected.txt",
        "Makefile",
        "tests/check_it.py",
        "tests/test_a.py",
        "tests/run.sh",
        "tests/data.csv",
        "inbox/a.txt",
    ):
        (workspace / name).write_text(name)
    (workspace.parent / "secret.py").write_text("")
    assert named_files(command, workspace) == expected


def test_links_out_are_not_captured(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("secret")
    (workspace / "link.py").symlink_to(tmp_path / "secret.py")
    (workspace / "folder").symlink_to(tmp_path)
    assert capture_originals("python link.py; python folder/secret.py", workspace) == {}


@given(st.text(max_size=60))
def test_any_command_can_be_looked_at(text: str) -> None:
    root = Path(__file__).parent
    for name in named_files(text, root):
        assert (root / name).is_file()
    for path in outside_paths(text, root):
        assert not path.is_relative_to(root)
