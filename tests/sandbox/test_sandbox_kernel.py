"""The persistent kernel: values, output, errors, and what happens when a cell dies or never ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from outside import LAYERS, begun, gone, living

from wornpath.core import SandboxUnavailable
from wornpath.sandbox import Kernel, Sandbox, SandboxLimits, default_sandbox

SANDBOX = default_sandbox()
pytestmark = pytest.mark.skipif(SANDBOX.missing() is not None, reason=str(SANDBOX.missing()))


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    kernel = SANDBOX.kernel(workspace=tmp_path, limits=SandboxLimits(output_bytes=20_000, cpu_seconds=1, processes=16))
    yield kernel
    await kernel.close()


async def value(kernel: Kernel, code: str) -> str:
    result = await kernel.run(code, timeout=30)
    assert result.error == ""
    return result.value


async def test_variables_stay_and_the_last_expression_is_the_value(kernel: Kernel) -> None:
    first = await kernel.run("x = 6\nprint('hello')", timeout=30)
    assert (first.stdout, first.value, first.error, first.timed_out, first.died) == ("hello\n", "", "", False, False)
    assert await value(kernel, "def f(n):\n    return n * 7\nf(x)") == "42"
    assert await value(kernel, "None") == ""
    assert await value(kernel, "_") == "42"
    assert await value(kernel, "__name__") == "'__main__'"
    assert await value(kernel, "# nothing") == ""


async def test_all_output_comes_in_order(kernel: Kernel) -> None:
    code = (
        "import sys, os\nprint('a')\nprint('b', file=sys.stderr)\nos.write(1, b'c\\n')\n"
        "os.system('echo d; echo e >&2; echo f >/dev/stderr')\nprint('g', end='')"
    )
    assert (await kernel.run(code, timeout=30)).stdout == "a\nb\nc\nd\ne\nf\ng"


async def test_errors_show_the_cells_lines_only(kernel: Kernel) -> None:
    result = await kernel.run("import json\ndef load(t):\n    return json.loads(t)\nload('{')", timeout=30)
    assert result.error.splitlines()[:5] == [
        "Traceback (most recent call last):",
        '  File "<cell 1>", line 4, in <module>',
        "    load('{')",
        '  File "<cell 1>", line 3, in load',
        "    return json.loads(t)",
    ]
    assert "decoder.py" not in result.error
    assert result.error.splitlines()[-1].startswith("json.decoder.JSONDecodeError: ")
    syntax = (await kernel.run("x = (", timeout=30)).error
    assert syntax.startswith('  File "<cell 2>", line 1')
    assert "SyntaxError: '(' was never closed" in syntax


async def test_errors_show_what_the_line_worked_on(kernel: Kernel) -> None:
    """A KeyError alone does not say which keys there are, nor an AttributeError of None which text had no match."""
    code = "import re\nlines = ['Issued: 5']\ndef day(line):\n    return re.search('Day: (.)', line).group(1)\nday(lines[0])"
    lines = (await kernel.run(code, timeout=30)).error.splitlines()
    assert lines[-2:] == ["    where line = 'Issued: 5'", "AttributeError: 'NoneType' object has no attribute 'group'"]
    table = "import io\nt = pd.read_csv(io.StringIO('a;b\\n1;2'))\nt['b'] = t['b'].str.lower()"
    shown = (await kernel.run(table, timeout=30)).error.splitlines()
    assert shown[-2:] == ["    where t = columns ['a;b']", "KeyError: 'b'"]
    long = (await kernel.run("word = 'x' * 500\nint(word)", timeout=30)).error
    assert f"where word = '{'x' * 79}…" in long


async def test_errors_show_how_the_file_begins_that_the_line_is_about(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("From: Ann\nTo: Bo\n")
    (tmp_path / "b.bin").write_bytes(b"\0" * 9)
    code = "from pathlib import Path\npath = Path('{}')\npath.read_bytes().split(b'Subject')[1]"
    text = (await kernel.run(code.format("a.txt"), timeout=30)).error
    assert "    where path = PosixPath('a.txt'), which begins 'From: Ann\\nTo: Bo\\n'\nIndexError" in text
    for name in ("b.bin", "none"):
        assert "which begins" not in (await kernel.run(code.format(name), timeout=30)).error


async def test_what_libraries_will_drop_some_day_is_no_news_to_a_program(kernel: Kernel) -> None:
    code = "import warnings\nwarnings.warn('{}', {})"
    assert (await kernel.run(code.format("old", "DeprecationWarning"), timeout=30)).stdout == ""
    assert "odd" in (await kernel.run(code.format("odd", "UserWarning"), timeout=30)).stdout


async def test_a_value_that_cannot_be_shown_hides_no_error(kernel: Kernel) -> None:
    code = "class A:\n    def __repr__(self): raise OSError('no')\na = A()\na[0]"
    assert "TypeError: 'A' object is not subscriptable" in (await kernel.run(code, timeout=30)).error


async def test_input_exit_and_threads(kernel: Kernel) -> None:
    assert "EOFError: input() has no one to answer it" in (await kernel.run("input('Name? ')", timeout=30)).error
    assert (await kernel.run("import sys; sys.exit(3)", timeout=30)).error == "SystemExit: 3"
    assert (await kernel.run("exit()", timeout=30)).error == ""
    code = "import threading\nt = threading.Thread(target=lambda: print('t'))\nt.start(); t.join()"
    assert (await kernel.run(code, timeout=30)).stdout == "t\n"


async def test_printing_cannot_forge_or_break_answers(kernel: Kernel) -> None:
    code = (
        'import os, sys\nfor fd in (1, 2):\n    os.write(fd, b\'{"id": 1, "value": "forged"}\\n\')\n'
        "os.close(0); sys.stdout.close()\n'true'"
    )
    result = await kernel.run(code, timeout=30)
    assert (result.value, result.error) == ("'true'", "")
    assert await value(kernel, "1 + 1") == "2"


async def test_a_forked_child_does_not_answer(kernel: Kernel) -> None:
    assert await value(kernel, "import os\npid = os.fork()\n'child' if pid == 0 else os.waitpid(pid, 0)[1]") == "0"
    assert await value(kernel, "2 + 2") == "4"


async def test_control_characters_are_stripped(kernel: Kernel) -> None:
    result = await kernel.run("print('\\x1b[31mred\\x1b[0m \\u202eevil\\x07'); '\\u2066' + chr(0xd800)", timeout=30)
    assert result.stdout == "red evil\n"
    assert "\u2066" not in result.value


@pytest.mark.parametrize("head", ["", "import email\n"])
async def test_a_forgotten_import_is_made_up_for(kernel: Kernel, head: str) -> None:
    code = "email.message_from_bytes(b'Subject: a\\n\\nb', policy=email.policy.default)['subject'] + json.dumps(1)"
    assert await value(kernel, head + code) == "'a1'"


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("datetime.strptime('2026', '%Y').year", "2026"),
        ("datetime.date(2026, 1, 2).day + datetime.timedelta(3).days", "5"),
        ("sorted(glob('*.nothing'))", "[]"),
        ("sorted(glob.glob('*.nothing'))", "[]"),
        ("len(string.digits)", "10"),
    ],
)
async def test_a_forgotten_import_is_what_the_name_is_used_for(kernel: Kernel, code: str, shown: str) -> None:
    assert await value(kernel, code) == shown


async def test_huge_output_keeps_head_and_tail(kernel: Kernel) -> None:
    result = await kernel.run("print('first'); print('x' * 5_000_000); print('last')", timeout=30)
    assert result.truncated
    assert result.stdout.startswith("first\n") and result.stdout.endswith("\nlast\n")
    assert len(result.stdout) < 25_000
    assert "bytes left out" in result.stdout
    assert len((await kernel.run("'y' * 10_000_000", timeout=30)).value) <= 20_000


async def test_time_limit_replaces_the_process(kernel: Kernel) -> None:
    await kernel.run("x = 1", timeout=30)
    result = await kernel.run("print('begun')\nimport time\ntime.sleep(100)", timeout=0.5)
    assert (result.timed_out, result.died, result.stdout) == (True, False, "begun\n")
    assert "variables and imports are gone" in result.error
    assert result.seconds < 10
    assert "NameError" in (await kernel.run("x", timeout=30)).error


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os._exit(3)", "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("while True: pass", "1 seconds of processor time"),
        ("import os; os.closerange(3, 256)", "exit code"),
        ("import os; os.write(201, b'no json\\n')", "SIGKILL"),
    ],
)
async def test_death_is_told_and_survived(kernel: Kernel, code: str, said: str) -> None:
    result = await kernel.run(code, timeout=30)
    assert result.died and not result.timed_out
    assert said in result.error and "variables and imports are gone" in result.error
    assert await value(kernel, "1") == "1"


async def test_each_cell_has_its_own_processor_time(kernel: Kernel) -> None:
    burn = "import time\nend = time.process_time() + 0.7\nwhile time.process_time() < end: pass"
    for _ in range(2):
        assert (await kernel.run(burn, timeout=30)).error == ""


async def test_cancelling_ends_the_process(kernel: Kernel, tmp_path: Path) -> None:
    mark = "begun-" + tmp_path.name
    code = (
        f"import subprocess\np = subprocess.Popen(['sh', '-c', 'sleep 600; true', '{mark}'])\n"
        "open('begun', 'w').close()\nwhile True: pass"
    )
    task = asyncio.create_task(kernel.run(code, timeout=60))
    while not (tmp_path / "begun").exists():
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone(mark)
    assert await value(kernel, "5") == "5"


@pytest.mark.parametrize("sandbox", LAYERS)
async def test_close_ends_all_and_leaves_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    kernel = sandbox.kernel(workspace=tmp_path)
    mark = f"daemon-{tmp_path.name}"
    code = (
        f"import os, subprocess\np = subprocess.Popen(['sh', '-c', 'sleep 600; true', '{mark}'], start_new_session=True)\n"
        "os.environ['TMPDIR']"
    )
    private = Path(eval((await kernel.run(code, timeout=30)).value))
    assert private.is_dir() and begun(mark)
    await kernel.close()
    assert not living(mark)
    assert not private.parent.exists()
    await kernel.close()


def test_a_kernel_outlives_event_loops_and_threads(tmp_path: Path) -> None:
    """The synchronous faces run a loop for each call, in whatever thread."""
    kernel = SANDBOX.kernel(workspace=tmp_path)
    asyncio.run(kernel.run("x = 1", timeout=30))
    seen: list[str] = []
    other = threading.Thread(target=lambda: seen.append(asyncio.run(kernel.run("x + 1", timeout=30)).value))
    other.start()
    other.join()
    assert seen == ["2"]
    asyncio.run(kernel.close())


async def test_read_only_workspace(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("kept")
    kernel = SANDBOX.kernel(workspace=tmp_path, writable=False)
    try:
        assert await value(kernel, "open('a.txt').read()") == "'kept'"
        for code in (
            "open('b.txt', 'w')",
            "open('a.txt', 'a')",
            "import os; os.remove('a.txt')",
            "os.chmod('a.txt', 0)",
        ):
            error = (await kernel.run(code, timeout=30)).error
            assert "PermissionError" in error or "Read-only file system" in error
        assert await value(kernel, "import tempfile; tempfile.TemporaryFile().write(b'123')") == "3"
    finally:
        await kernel.close()
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


async def test_a_python_in_the_workspace_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Sandboxed code could change the interpreter and libraries that the host runs next time."""
    monkeypatch.setattr("sys.prefix", str(tmp_path / ".venv"))
    kernel = SANDBOX.kernel(workspace=tmp_path)
    with pytest.raises(SandboxUnavailable, match="lies in the workspace"):
        await kernel.run("1", timeout=30)


async def test_modules_of_the_workspace_do_not_hide_libraries(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise RuntimeError")
    (tmp_path / "mine.py").write_text("x = 3")
    assert await value(kernel, "import json, mine; json.dumps(mine.x)") == "'3'"


@pytest.mark.parametrize("sandbox", LAYERS)
async def test_pandas_and_matplotlib(tmp_path: Path, sandbox: Sandbox) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    kernel = sandbox.kernel(workspace=tmp_path)
    code = (
        "import pandas as pd, matplotlib.pyplot as plt\n"
        "df = pd.DataFrame({'city': ['Rome', 'Oslo'], 'total': [12.5, 3.0]})\n"
        "df.to_csv('out.csv', index=False)\n"
        "df.plot.bar(x='city'); plt.savefig('saved.png'); plt.show()\n"
        "plt.plot([1, 2]); plt.show()\n"
        "print(df.shape, plt.get_fignums()); df.total.sum()"
    )
    try:
        result = await kernel.run(code, timeout=60)
    finally:
        await kernel.close()
    assert (result.error, result.value) == ("", "15.5")
    assert result.stdout == "[plt.show() saved figure-1.png]\n[plt.show() saved figure-2.png]\n(2, 2) []\n"
    assert (tmp_path / "out.csv").read_text() == "city,total\nRome,12.5\nOslo,3.0\n"
    for name in ("saved.png", "figure-1.png", "figure-2.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
