"""The examples: their folders are draws, their checks tell right from wrong, their programs run."""

from __future__ import annotations

import csv
import importlib.util
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wornpath import ScriptedChat
from wornpath.judge.checks import capture_originals, run_check
from wornpath.sandbox import default_sandbox

EXAMPLES = Path(__file__).parents[2] / "examples"
DRAWS = {
    "01_invoices": ("invoices", 3890),
    "02_find_file": ("find_file", 17),
    "03_tidy": ("tidy", 17),
    "04_csv_chart": ("csv_chart", 967),
    "05_blog_zh": ("blog_zh", 6),
}
OUTPUTS = {
    "01_invoices": ["totals.csv"],
    "02_find_file": ["found.txt"],
    "04_csv_chart": ["clean.csv", "summary.csv", "chart.png"],
    "05_blog_zh": ["blog.md"],
}


@pytest.fixture(scope="module")
def families() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_families", EXAMPLES / "families.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command(folder: str) -> tuple[str, str, list[str]]:
    """Goal, workspace and checks of the command for FOLDER in examples/README.md."""
    text = (EXAMPLES / "README.md").read_text("utf-8")
    line = next(line for line in text.splitlines() if line.startswith("wornpath run") and folder in line)
    words = shlex.split(line)
    assert words[:3] == ["wornpath", "run", "--yes"]
    checks = [after for before, after in pairwise(words) if before == "--check"]
    return words[3], words[words.index("--workspace") + 1], checks


def solve_invoices(work: Path) -> None:
    totals: dict[str, float] = {}
    for file in sorted((work / "invoices").iterdir()):
        text = file.read_text()
        customer, total = re.search(r"Customer: (.*)", text), re.search(r"Total: ([\d.]+)", text)
        assert customer is not None and total is not None
        totals[customer[1]] = totals.get(customer[1], 0.0) + float(total[1])
    with (work / "totals.csv").open("w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([["customer", "total"], *totals.items()])


def solve_find(work: Path) -> None:
    letters = [f for f in work.rglob("*.txt") if "Insurance policy" in f.read_text()]
    (wanted,) = (f for f in letters if "Harbor Marine Ltd" in f.read_text())
    (work / "found.txt").write_bytes(wanted.read_bytes())


def solve_tidy(work: Path) -> None:
    kinds = {"pdf": "documents", "txt": "documents", "zip": "archives", "jpg": "images", "png": "images"}
    kinds |= {"csv": "tables", "xlsx": "tables"}
    for file in sorted((work / "downloads").iterdir()):
        folder = work / "downloads" / kinds[file.suffix[1:]]
        folder.mkdir(exist_ok=True)
        file.rename(folder / file.name)


def solve_csv(work: Path) -> None:
    with (work / "sales.csv").open() as source:
        head, *rows = csv.reader(source)
    kept = [row for row in dict.fromkeys(map(tuple, rows)) if row[3]]
    totals: dict[str, float] = {}
    for row in kept:
        totals[row[2]] = totals.get(row[2], 0.0) + float(row[3])
    for name, lines in (("clean.csv", [head, *kept]), ("summary.csv", [["region", "total"], *totals.items()])):
        with (work / name).open("w", newline="") as out:
            csv.writer(out, lineterminator="\n").writerows(lines)
    (work / "chart.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(4000))


def solve_blog(work: Path) -> None:
    body = "\n\n".join(
        f"第{n}段：AutoGPT 把目标拆成步骤，逐步执行并检查结果，这里说明它的第{n}个方面。" * 2 for n in range(1, 7)
    )
    (work / "blog.md").write_text(f"# AutoGPT 简介\n\n{body}\n", "utf-8")


SOLVED: dict[str, Callable[[Path], None]] = {
    "01_invoices": solve_invoices,
    "02_find_file": solve_find,
    "03_tidy": solve_tidy,
    "04_csv_chart": solve_csv,
    "05_blog_zh": solve_blog,
}


@pytest.mark.parametrize("folder", DRAWS)
def test_a_folder_is_the_draw_and_its_command_has_the_draw_s_goal(folder: str, families: ModuleType) -> None:
    family, seed = DRAWS[folder]
    task = families.FAMILIES[family](seed)
    goal, workspace, _ = command(folder)
    assert (goal, workspace) == (task.goal, f"examples/{folder}")
    for name, data in task.files.items():
        if folder != "03_tidy" or (EXAMPLES / folder / name).exists():  # a run may have tidied it
            assert (EXAMPLES / folder / name).read_bytes() == data, name


@pytest.mark.parametrize("folder", DRAWS)
async def test_the_checks_tell_right_from_wrong(folder: str, families: ModuleType, tmp_path: Path) -> None:
    family, seed = DRAWS[folder]
    task = families.FAMILIES[family](seed)
    work = tmp_path / "work"
    task.write(work)
    checks = [*command(folder)[2], *task.checks]
    originals = [capture_originals(check, work) for check in checks]

    async def passed() -> list[bool]:
        sandbox = default_sandbox()
        return [
            (await run_check(check, workspace=work, originals=kept, sandbox=sandbox)).passed
            for check, kept in zip(checks, originals, strict=True)
        ]

    assert not any(await passed())
    SOLVED[folder](work)
    assert all(await passed())


def test_what_the_examples_make_is_not_committed() -> None:
    if not (EXAMPLES.parent / ".git").exists():
        pytest.skip("not a git checkout")
    made = [f"examples/{folder}/{name}" for folder, names in OUTPUTS.items() for name in names] + ["offer/offer.md"]
    said = subprocess.run(
        ["git", "-c", "safe.directory=*", "check-ignore", *made], cwd=EXAMPLES.parent, capture_output=True, text=True
    )
    assert said.stdout.split() == made


def test_the_python_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORNPATH_HOME", str(tmp_path / "home"))
    look = {"do": "Look up the list price of the desk", "kind": "find", "output": "", "has": []}
    write = {"do": "Write offer.md", "kind": "write", "output": "offer.md", "has": []}
    chat = ScriptedChat(
        [
            {"subtasks": [look, write]},
            {"tool": "list_price", "arguments": {"item": "desk"}},
            {"state": "done"},
            {"tool": "write_file", "arguments": {"path": "offer.md"}},
            "# Offer\n\n3 desks at 189.00 euros each: 567.00 euros.\n",
        ]
    )
    module: dict[str, Any] = runpy.run_path(str(EXAMPLES / "06_python_api.py"))
    module["main"](tmp_path / "offer", chat)
    assert capsys.readouterr().out.startswith("met 3 ")
    assert "567" in (tmp_path / "offer" / "offer.md").read_text()


def test_the_offline_test_runs_as_its_page_says(tmp_path: Path) -> None:
    said = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            f"--basetemp={tmp_path / 'inner'}",  # else both tidy the same folder of temporary ones at once
            str(EXAMPLES / "07_testing_offline.py"),
        ],
        cwd=EXAMPLES.parent,
        capture_output=True,
        text=True,
    )
    assert "1 passed" in said.stdout, said.stdout + said.stderr
