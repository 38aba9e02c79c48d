"""The live display, approvals and Ctrl-C on a pseudo-terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sample_run
from mock_server import Reply
from model_server import Player, act, playing
from shell import Shell
from terminal_screen import Terminal

from wornpath.cli.drive import _next_steps, recorded
from wornpath.store import SqliteStore

PLAN = [{"do": "Write the total to report.md", "kind": "other", "output": "report.md", "has": []}]
CLEAR = [{"do": "Delete the invoices", "kind": "organise", "output": "", "has": []}]
LOOK, WRITE, DELETE = (
    act("list_files", path="inbox"),
    act("write_file", path="report.md"),
    act("delete_file", path="inbox/a.txt"),
)


@pytest.fixture(autouse=True)
def invoices(tmp_path: Path) -> None:
    (tmp_path / "work" / "inbox").mkdir(parents=True)
    (tmp_path / "work" / "inbox" / "a.txt").write_text("invoice 1: 340\n")


@contextmanager
def running(shell: Shell, *arguments: str, steps: tuple[Any, ...], columns: int = 100) -> Iterator[Terminal]:
    with playing(Player(*steps, plan=CLEAR if DELETE in steps else PLAN)) as env:
        command = ["run", "Total the invoices", *arguments]
        with Terminal(command, env=shell.environment(**env), cwd=shell.cwd, columns=columns) as terminal:
            yield terminal


def status(shell: Shell) -> str:
    (line,) = shell.say("runs", "ls", "--json")[0].splitlines()
    return str(json.loads(line)["status"])


def test_the_live_display(shell: Shell) -> None:
    with running(shell, "--check", "true", steps=(LOOK, WRITE), columns=40) as terminal:
        assert terminal.end() == 0
    shown = terminal.shown
    assert "● 1  Write the total" in shown
    assert "✓ 1  Write the total" in shown
    assert "goal met (check)" in shown
    assert b"\x1b[?25h" in terminal.output.rpartition(b"\x1b[?25l")[2]  # the cursor is back


def test_an_approval_shows_the_real_thing_and_takes_yes(shell: Shell) -> None:
    with running(shell, "--check", "true", steps=(LOOK, DELETE)) as terminal:
        terminal.wait_for("allow? [y]es, [n]o, [e]dit, yes for this [r]un, this [f]older, [a]lways, or say why not>")
        assert "--- a/inbox/a.txt" in terminal.shown and "+++ /dev/null" in terminal.shown
        assert "for longer: allow delete_file(path=inbox/*.txt)" in terminal.shown
        assert "risk: delete" in terminal.shown
        terminal.type("x\n")
        terminal.wait_for("say why not> x\r\nallow?")
        terminal.type("y\n")
        assert terminal.end() == 0
    assert "allowed by person" in terminal.shown
    assert not (shell.cwd / "inbox" / "a.txt").exists()


def test_an_approval_for_the_folder_becomes_a_rule(shell: Shell) -> None:
    with running(shell, "--check", "true", steps=(LOOK, DELETE)) as terminal:
        terminal.wait_for("say why not>")
        terminal.type("f\n")
        assert terminal.end() == 0
    assert not (shell.cwd / "inbox" / "a.txt").exists()
    assert "allow delete_file(path=inbox/*.txt)" in shell.say("rules", "ls")[0]


def test_an_approval_can_be_edited_first(shell: Shell) -> None:
    (shell.cwd / "inbox" / "b.txt").write_text("b\n")
    editor = shell.cwd.parent / "editor"
    editor.write_text("#!/bin/sh\nsed -i s/a.txt/b.txt/ $1\n")
    editor.chmod(0o755)
    shell.env["VISUAL"] = str(editor)
    with running(shell, "--check", "true", steps=(LOOK, DELETE)) as terminal:
        terminal.wait_for("say why not>")
        terminal.type("e\n")
        assert terminal.end() == 0
    assert (shell.cwd / "inbox" / "a.txt").exists() and not (shell.cwd / "inbox" / "b.txt").exists()


def test_ok_is_a_yes(shell: Shell) -> None:
    with running(shell, "--check", "true", steps=(LOOK, DELETE)) as terminal:
        terminal.wait_for("say why not>")
        assert "needs a person's approval" not in terminal.shown, "the line above says it"
        terminal.type("ok\n")
        assert terminal.end() == 0
    assert not (shell.cwd / "inbox" / "a.txt").exists()


def test_an_approval_takes_a_reason_for_no(shell: Shell) -> None:
    with running(shell, "--check", "true", steps=(LOOK, DELETE)) as terminal:
        terminal.wait_for("say why not>")
        terminal.type("我还要用 those invoices\n")
        assert terminal.end() == 0
    assert "denied by person: 我还要用 those invoices" in terminal.shown
    assert (shell.cwd / "inbox" / "a.txt").exists()


def test_control_characters_of_a_model_are_made_visible(shell: Shell) -> None:
    with running(
        shell, "--check", "true", steps=(LOOK, act("ask_person", question="Ok?\x1b[2J\x07\u202e"), WRITE)
    ) as terminal:
        terminal.wait_for("answer>")
        terminal.type("\nfine, go on\n")
        assert terminal.end() == 0
    assert "Ok?\\x1b[2J\\x07\\u202e" in terminal.shown
    assert b"\x1b[2J" not in terminal.output
    assert b"\x07" not in terminal.output


def test_end_of_input_at_an_approval_leaves_the_run_to_be_taken_up(shell: Shell) -> None:
    with running(shell, "--check", "true", steps=(LOOK, DELETE)) as terminal:
        terminal.wait_for("say why not>")
        terminal.type("\x04")
        assert terminal.end() == 4
    assert "--allow" in terminal.shown
    assert status(shell) == "needs_person"


def test_ctrl_c_at_an_approval_stops(shell: Shell) -> None:
    with running(shell, "--check", "true", steps=(LOOK, DELETE)) as terminal:
        terminal.wait_for("say why not>")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "wornpath resume" in terminal.shown
    assert (shell.cwd / "inbox" / "a.txt").exists()


def test_the_first_ctrl_c_waits_for_the_step_and_the_second_does_not(shell: Shell) -> None:
    terminal: Terminal

    def never() -> Reply:
        terminal.type("\x03")
        terminal.wait_for("Ctrl-C again stops at once")
        terminal.type("\x03")
        return Reply(hang=True)

    with running(shell, "--check", "true", steps=(LOOK, never)) as terminal:
        assert terminal.end() == 130
    assert "Stopped after 1 step. Go on with: wornpath resume" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert status(shell) == "paused"


@pytest.mark.parametrize(
    ("end", "said"), [("action.started", "Stopped in step 3."), ("action.finished", "after 3 steps.")]
)
def test_a_step_that_was_cut_off_is_not_counted(shell: Shell, capsys: Any, end: str, said: str) -> None:
    kept = next(n for n, (type, _, step) in enumerate(sample_run.records(), 1) if (type, step) == (end, 3))
    shell.fill(keep=kept)
    with SqliteStore(shell.home) as store:
        _next_steps(
            cast(Any, SimpleNamespace(store=store)), replace(recorded(store.run("last")), status="paused"), tips=False
        )
    assert said in capsys.readouterr().err


def test_questions_before_the_run(shell: Shell) -> None:
    (shell.cwd / "wornpath.toml").write_text('base_url = "http://models.example/v1"\n')
    env = shell.environment(OPENAI_API_KEY="sk-test", WORNPATH_MODEL="m")
    with Terminal(["run", "x"], env=env, cwd=shell.cwd) as terminal:
        terminal.wait_for("[y/N]")
        terminal.type("n\n")
        assert terminal.end() == 130
    assert "nothing was done" in terminal.shown
