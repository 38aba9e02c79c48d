"""What the pages state about settings, limits, permissions and exit codes is what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from wornpath.cli.drive import EXIT_CODES
from wornpath.cli.settings import OPENAI_NAMES, Settings
from wornpath.core import errors
from wornpath.core.events import EVENT_TYPES
from wornpath.core.words import Result, RunStatus
from wornpath.guard import Limits
from wornpath.guard.permissions import permission
from wornpath.judge import checks, named
from wornpath.llm.weights import REGISTRY
from wornpath.sandbox.protocol import SandboxLimits
from wornpath.store import snapshot

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


def rows(text: str, first: str) -> list[list[str]]:
    """The rows of the table whose head starts with FIRST."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(f"| {first} |"):
            break
    next(lines)
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").replace("\\|", "¦").split("|")])
    return found


def test_settings() -> None:
    listed = {row[0].strip("`"): row for row in rows(page("configuration"), "setting")}
    assert listed.keys() == Settings.model_fields.keys()
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        said = listed[name][1].strip("`")
        assert said == {None: "", True: "true"}.get(default, str(default)) if default != {} else said == "{}"
        variables = [f"WORNPATH_{name.upper()}"] + [f"OPENAI_{name.upper()}"] * (name in OPENAI_NAMES)
        assert re.findall(r"[A-Z_]{4,}", listed[name][2]) == variables


def test_the_settings_file_on_the_page_is_good() -> None:
    block = re.search(r"```toml\n(.*?)```", page("configuration"), re.DOTALL)
    assert block is not None
    assert Settings(**tomllib.loads(block[1])).max_steps == 20


def test_models() -> None:
    listed = {row[0].strip("`"): row for row in rows(page("configuration"), "name")}
    assert listed.keys() == REGISTRY.keys()
    for name, weights in REGISTRY.items():
        assert listed[name][2] == f"{weights.bytes / 1e9:.1f} GB"
        assert weights.title.split()[0] in listed[name][1]


def test_exit_codes() -> None:
    listed = {int(row[0]): set(re.findall(r"`(\w+)`", row[1])) for row in rows(page("cli"), "exit code")}
    for status, code in EXIT_CODES.items():
        if status != "cancelled":  # nothing ends so in this version
            assert status in listed[code]
    assert all(statuses <= set(get_args(RunStatus)) for statuses in listed.values())
    raised = {error.exit_code for error in vars(errors).values() if isinstance(error, type)}
    assert raised <= listed.keys()


def test_result_fields() -> None:
    text = page("cli").partition("The fields of the result:")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"`(\w+)`", text)) == Result.__slots__


def test_sandbox_limits() -> None:
    limits = SandboxLimits()
    said = [row[1] for row in rows(page("safety"), "limit")]
    assert said == [
        f"{limits.cpu_seconds} s",
        f"{limits.wall_seconds:.0f} s",
        f"{limits.memory_bytes >> 30} GiB",
        f"{limits.file_bytes >> 20} MiB",
        str(limits.processes),
        f"{limits.output_bytes >> 20} MiB",
        f"{limits.memory_total >> 30} GiB",
        f"{limits.disk_bytes >> 30} GiB",
        f"{limits.disk_files:,}",
    ]


@pytest.mark.parametrize("row", rows(page("safety"), "risk"), ids=lambda row: row[0])
def test_permissions(row: list[str]) -> None:
    full = "full" in row[0]
    words = {"allow": "runs", "ask": "asks", "deny": "denied"}
    for risk in re.findall(
        r"read|write|execute|delete|send|spend", row[0].partition(",")[0] if "execute" in row[0] else row[0]
    ):
        sandbox = "full" if full else "workspace"
        for mode, said in zip(("on-risk", "ask", "never"), row[2:], strict=True):
            assert words[permission(risk, mode, sandbox)] == said  # type: ignore[arg-type]


def test_other_numbers() -> None:
    safety, readme = page("safety"), (DOCS.parent / "README.md").read_text("utf-8")
    assert f"files above {checks.MAX_FILE >> 20} MiB, what goes beyond {checks.MAX_TOTAL >> 20} MiB" in safety
    assert f"Files above {snapshot.MAX_FILE >> 20} MiB, and what goes beyond {snapshot.MAX_TOTAL >> 30} GiB" in safety
    assert f"up to {snapshot.MAX_FILE >> 20} MiB each and {snapshot.MAX_TOTAL >> 30} GiB in all" in readme
    assert f"`--max-steps` ({Limits().max_steps} unless" in safety


def test_all_events_are_listed() -> None:
    names = [name for row in rows(page("architecture"), "type") for name in row[0].split(", ")]
    assert tuple(names) == EVENT_TYPES


def test_all_rooms_are_listed() -> None:
    listed = {room for row in rows(page("architecture"), "room") for room in re.findall(r"`(\w+)`", row[0])}
    contracts = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = " ".join(contracts[0]["layers"])
    rooms = re.findall(r"wornpath\.(\w+)", layers)
    source = DOCS.parent / "src" / "wornpath"
    there = {room for room in rooms if (source / room).is_dir() or (source / f"{room}.py").is_file()}
    assert listed == there


def test_what_checks_ask_is_listed() -> None:
    line = page("safety").partition("These are")[2].partition(";")[0]
    assert set(re.findall(r"`([^`]+)`", line)) | {"[["} == named._ASKING
