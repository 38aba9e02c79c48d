"""`benchmarks/recurring.py`: what of its file is gone on with, and what is another measurement. The small ones still run."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import wornpath
from wornpath.bench.stream import Record

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recurring_script", ROOT / "benchmarks" / "recurring.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def measure(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the script on one file; gives the (family, episode) of its lines."""

    def run(*arguments: str, arm: str = "frozen") -> list[tuple[str, int]]:
        out = tmp_path / "out.jsonl"
        monkeypatch.setattr(sys, "argv", ["recurring.py", "--out", str(out), "--arm", arm, *arguments])
        script.main()
        return [(line["family"], line["episode"]) for line in map(json.loads, out.read_text().splitlines())]

    return run


def test_other_families_in_the_same_file_are_done_too(measure: Any) -> None:
    assert measure("--only", "tidy", "--episodes", "1") == [("tidy", 0)]
    assert measure("--only", "tidy", "--episodes", "2") == [("tidy", 0), ("tidy", 1)]
    assert measure("--only", "triage_log", "--episodes", "1")[2:] == [("triage_log", 0)]
    assert len(measure("--only", "tidy", "--episodes", "2")) == 3, "all of it is there"
    assert len(measure("--only", "tidy", "--episodes", "1", "--drift", "1")) == 4
    assert len(measure("--only", "tidy", "--episodes", "1", "--max-steps", "9")) == 5


def test_figures_are_of_the_stream_that_was_asked_for(measure: Any, capsys: pytest.CaptureFixture[str]) -> None:
    measure("--only", "tidy", "--episodes", "1")
    measure("--only", "triage_log", "--episodes", "1")
    arm = json.loads(capsys.readouterr().out.splitlines()[-1])["arms"]["frozen"]
    assert list(arm["families"]) == ["triage_log"]


def test_more_episodes_of_a_shortened_arm_are_those_that_are_missing(measure: Any) -> None:
    assert measure("--only", "tidy", "--episodes", "3", "--short-frozen", "1") == [("tidy", 0), ("tidy", 2)]
    assert measure("--only", "tidy", "--episodes", "6", "--short-frozen", "1")[2:] == [("tidy", 4), ("tidy", 5)]


def test_late_families_cannot_be_put_off_further(script: ModuleType, measure: Any) -> None:
    late = ("--only", "tidy,triage_log", "--late", "triage_log")
    measure(*late, "--episodes", "1", arm="count-table")
    with pytest.raises(script.UsageError, match="does not begin with"):
        measure(*late, "--episodes", "2", arm="count-table")


def line(script: ModuleType, family: str, **more: str) -> str:
    record = Record("frozen", 0, family, 0, True, "met", 1000, 3, 0, 2, 0.1).as_dict()
    return json.dumps({"code": script.code_version(), "model": "simulated", "algorithm": "dqn", **more, **record})


def planned(script: ModuleType, out: Path, *arguments: str) -> list[Any]:
    sys.argv[1:] = ["--out", str(out), "--arm", "frozen", "--episodes", "2", *arguments]
    options = script.parsed()
    code = script.code_version()
    return [(s.start, Path(s.home).name) for s in script.planned(options, code, script.sorted_out(options, code)[0])]


def test_lines_without_a_setup_are_gone_on_with_by_the_default_stream_alone(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["recurring.py"])
    out, code = tmp_path / "old.jsonl", script.code_version()
    home = Path(f"{out}.homes") / f"{code}-simulated-dqn-frozen-0"
    home.mkdir(parents=True)
    names = list(script.families(script.FAMILIES))
    first = script.drawn(script.Spec("frozen", 0, 2), names)[0][1]
    out.write_text(line(script, first) + "\n")
    assert planned(script, out) == [(1, home.name)]
    with pytest.raises(script.UsageError, match="does not tell the families and options of its episodes"):
        planned(script, out, "--only", "tidy")
    out.write_text(line(script, first, setup="") + "\n")
    ((start, name),) = planned(script, out, "--only", "tidy")
    assert start == 0 and name.startswith(f"{home.name}-")


def test_records_from_before_the_setup_was_written_are_reported_on(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.jsonl"
    shutil.copy(ROOT / "benchmarks" / "records" / "recurring-small.jsonl", out)
    old = ["--code", json.loads(out.read_text().splitlines()[0])["code"], "--model", "local:small", "--episodes", "0"]
    for options in ([], ["--families", "examples/families.py", "--only", "csv_chart,tidy", "--max-steps", "6"]):
        monkeypatch.setattr(sys, "argv", ["recurring.py", "--out", str(out), *old, *options])
        script.main()
        arms = json.loads(capsys.readouterr().out.splitlines()[-1])["arms"]
        assert {name: row["all"]["episodes"] for name, row in arms.items()} == {"learning": 160, "frozen": 64}


def test_the_code_covers_the_data_that_lies_with_it(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "wornpath"
    shutil.copytree(Path(wornpath.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(wornpath, "__file__", str(package / "__init__.py"))
    before = script.code_version()
    for part in ("serve", "__pycache__"):
        (package / part).mkdir(exist_ok=True)
        (package / part / "new.json").write_text("{}")
    assert script.code_version() == before
    rates = package / "llm" / "simulated" / "rates.json"
    rates.write_text(rates.read_text() + "\n")
    assert script.code_version() != before


@pytest.mark.parametrize(
    ("name", "options", "figure"),
    [
        ("recall.py", ["--stored", "400", "--recalled", "800", "--repeats", "2"], "step_ms"),
        ("overhead.py", ["--runs", "1", "--only", "policy"], "ours"),
    ],
)
def test_what_is_measured_inside_a_run_is_still_there(name: str, options: list[str], figure: str) -> None:
    """They take a run apart, and nobody calls them otherwise."""
    command = [sys.executable, str(ROOT / "benchmarks" / name), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])[figure]
