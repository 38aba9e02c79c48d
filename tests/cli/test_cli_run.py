"""`wornpath run` and `resume` as a person starts them, against a model server on the loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mock_server import Reply
from model_server import Player, act, playing
from shell import Inside, Shell, error_of

from wornpath.core import Result
from wornpath.experience.live import MEMORY
from wornpath.experience.memory import Memory

GOAL = "Total the invoices in inbox into report.md"
PLAN = [{"do": "Write the total to report.md", "kind": "other", "output": "report.md", "has": []}]
CLEAR = [{"do": "Delete the invoices", "kind": "organise", "output": "", "has": []}]
LOOK, WRITE, DELETE = (
    act("list_files", path="inbox"),
    act("write_file", path="report.md"),
    act("delete_file", path="inbox/a.txt"),
)


def player(*steps: Any, **more: Any) -> Player:
    return Player(*(steps or (LOOK, WRITE)), plan=more.pop("plan", PLAN), **more)


@pytest.fixture(autouse=True)
def invoices(tmp_path: Path) -> None:
    (tmp_path / "work" / "inbox").mkdir(parents=True)
    (tmp_path / "work" / "inbox" / "a.txt").write_text("invoice 1: 340\n")


def test_a_goal_is_met(inside: Inside) -> None:
    with playing(player()) as env:
        out, err = inside.say("run", GOAL, "--check", "grep -q 340 report.md", **env)
    assert (inside.cwd / "report.md").read_text() == "Total: 340\n"
    assert "report.md" in out.splitlines()[0]
    assert "goal met (check)" in out
    assert "\n  report.md  11 B\n" in out
    assert "1  list_files  inbox  ok" in err
    assert "verdict  met (check)" in err
    assert "wornpath undo " in err
    assert "\x1b" not in out + err


def test_the_goal_comes_from_standard_input_in_chinese(inside: Inside) -> None:
    with playing(player(says="总计 340。")) as env:
        out, err = inside.say("run", "--check", "true", "--quiet", input="把发票总额写进 report.md\n", **env)
    assert "goal met" in out
    assert err == ""
    assert "发票" in inside.say("runs", "ls")[0]


def test_json_lines(inside: Inside) -> None:
    with playing(player()) as env:
        out, err = inside.say("run", GOAL, "--check", "true", "--json", "--seed", "7", "--no-learn", **env)
    assert err == ""
    lines = [json.loads(line) for line in out.splitlines()]
    types = [line["type"] for line in lines]
    assert types[:2] == ["run.started", "goal.set"]
    assert types[-2:] == ["run.finished", "result"]
    assert lines[0]["data"]["seed"] == 7
    assert lines[0]["data"]["options"]["learn"] is False
    result = lines[-1]
    assert set(result) == {"type", *Result.__slots__}
    assert (result["status"], result["verdict_source"]) == ("met", "check")
    assert result["artifacts"] == [{"path": "report.md", "bytes": 11, "media_type": "text/markdown"}]


def test_without_a_check_it_asks_for_a_rating_which_teaches(inside: Inside) -> None:
    with playing(player()) as env:
        _, err = inside.say("run", GOAL, code=3, **env)  # the model that judges here is never content
        command = re.search(r"learns from your word: wornpath (rate \S+ good)", err)
        assert command is not None
        inside.say(*command[1].split())
        for code, silent in ((0, ["--check", "true"]), (3, ["--no-learn"]), (3, ["-q"])):
            assert "wornpath rate" not in inside.say("run", GOAL, *silent, code=code, **env)[1]
    assert Memory(inside.home / MEMORY).outcomes()[0][1] is True


def test_not_met_is_exit_code_3(inside: Inside) -> None:
    with playing(player()) as env:
        out, _ = inside.say("run", GOAL, "--check", "false", "--max-steps", "30", code=3, **env)
    assert "goal not met (check)" in out


def test_a_limit_is_exit_code_5_and_can_be_raised(inside: Inside) -> None:
    with playing(player(LOOK, act("read_file", path="inbox/a.txt"), WRITE)) as env:
        out, err = inside.say("run", GOAL, "--check", "true", "--max-steps", "1", code=5, **env)
        assert "limit reached" in out
        assert "wornpath resume" in err
        inside.say("resume", "last", "--max-steps", "30", **env)


def test_no_endpoint_is_exit_code_6(inside: Inside) -> None:
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "sk-test", "WORNPATH_MODEL": "mock"}
    out, err = inside.say("run", GOAL, "--json", code=6, **env)
    assert json.loads(out.splitlines()[-1])["status"] == "error"
    assert "127.0.0.1:9" in error_of(err)


def test_a_model_that_fails_is_told_once_and_how_to_go_on(inside: Inside) -> None:
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "sk-test", "WORNPATH_MODEL": "mock"}
    _, err = inside.say("run", GOAL, code=6, **env)
    assert err.count("cannot be reached") == 1
    run = json.loads(inside.say("runs", "ls", "--json")[0])["run_id"]
    assert err.splitlines()[-1] == f"Once that is put right, go on with: wornpath resume {run}"


def test_an_endpoint_s_error_names_what_set_it(inside: Inside) -> None:
    closed = "http://127.0.0.1:9/v1/"
    env = {"OPENAI_API_KEY": "sk-test", "WORNPATH_MODEL": "mock"}
    said = inside.say("run", GOAL, "-q", code=6, WORNPATH_BASE_URL=closed, **env)[1]
    assert "check the network and WORNPATH_BASE_URL." in error_of(said)
    said = inside.say("run", GOAL, "-q", code=6, OPENAI_BASE_URL=closed, **env)[1]
    assert "check the network and OPENAI_BASE_URL." in error_of(said)
    assert (
        "check WORNPATH_BASE_URL." in inside.say("run", GOAL, "-q", code=2, WORNPATH_BASE_URL="http://[::1", **env)[1]
    )
    (inside.home / "config.toml").write_text(f"base_url = '{closed}'\n")
    said = inside.say("run", GOAL, "-q", code=6, **env)[1]
    assert f"check the network and base_url in {inside.home / 'config.toml'}." in error_of(said)


def test_a_refused_key_is_exit_code_6_and_not_shown(inside: Inside) -> None:
    refused = Reply(status=401, body={"error": {"message": "Incorrect API key provided: sk-test"}})
    server = player()
    with playing(server) as env:
        server.__class__ = type("Refusing", (Player,), {"__call__": lambda self, body: refused})
        _, err = inside.say("run", GOAL, "--quiet", code=6, **env)
    assert "sk-test" not in error_of(err)


def test_what_needs_a_person_ends_with_exit_code_4_and_is_taken_up(inside: Inside) -> None:
    with playing(player(LOOK, DELETE, plan=CLEAR)) as env:
        out, err = inside.say("run", GOAL, "--check", "true", code=4, **env)
        assert "--allow" not in out and err.count("--allow") == 1
        assert (inside.cwd / "inbox" / "a.txt").exists()
        request = err.split("--allow ")[1].split()[0].rstrip(".")
        assert (
            "did not ask for an approval nonsense"
            in inside.say("resume", "last", "--allow", "nonsense", code=2, **env)[1]
        )
        assert "asked no question" in inside.say("resume", "last", "--answer", "x", code=2, **env)[1]
        inside.say("resume", "last", "--allow", request, **env)
    assert not (inside.cwd / "inbox" / "a.txt").exists()
    assert "has ended" in error_of(inside.say("resume", "last", code=2, **env)[1])


def test_a_denial_with_its_reason_reaches_the_run(inside: Inside) -> None:
    with playing(player(LOOK, DELETE, plan=CLEAR)) as env:
        _, err = inside.say("run", GOAL, "--check", "true", code=4, **env)
        request = err.split("--deny ")[1].split()[0].rstrip(").")
        inside.say("resume", "last", "--deny", request, "--comment", "keep my invoices", **env)
    assert (inside.cwd / "inbox" / "a.txt").exists()
    assert "denied by person: keep my invoices" in inside.say("show", "last")[0]


def test_plan_only_does_nothing_and_resume_carries_it_out(inside: Inside) -> None:
    with playing(player()) as env:
        out, err = inside.say("run", GOAL, "--plan-only", "--check", "true", **env)
        assert out == "○ 1  Write the total to report.md\n"
        assert "wornpath resume" in err
        assert not (inside.cwd / "report.md").exists()
        assert json.loads(inside.say("runs", "ls", "--json")[0])["status"] == "paused"
        inside.say("resume", "last", **env)
    assert (inside.cwd / "report.md").exists()


def test_continue_tells_the_new_run_of_the_old_one(inside: Inside) -> None:
    with playing(player()) as env:
        inside.say("run", GOAL, "--workspace", "inner", "--check", "true", **env)
    with playing(player()) as env:
        inside.say("run", "Now in German", "--continue", "last", "--check", "true", **env)
    runs = [json.loads(line) for line in inside.say("runs", "ls", "--json")[0].splitlines()]
    assert runs[0]["parent"] == runs[1]["run_id"]
    assert runs[0]["workspace"] == runs[1]["workspace"] == str(inside.cwd / "inner")
    assert runs[0]["goal"].startswith(
        "Now in German\n\nThis continues earlier work in the same folder: Total the invoices"
    )


def test_a_run_of_this_very_process_cannot_be_taken_up_twice(inside: Inside) -> None:
    inside.fill(keep=8)
    from wornpath.store import SqliteStore

    with SqliteStore(inside.home) as store:
        store.append("20261120-101500-abc123", "run.resumed", {"pid": os.getpid()})
    assert "is still running" in error_of(
        inside.say("resume", "last", OPENAI_BASE_URL="http://127.0.0.1:9/v1", code=2)[1]
    )


def test_a_projects_endpoint_is_not_used_unasked(inside: Inside) -> None:
    (inside.cwd / "wornpath.toml").write_text('base_url = "http://models.example/v1"\n')
    assert "nobody can be asked" in error_of(inside.say("run", GOAL, code=2, OPENAI_API_KEY="sk-test")[1])


def test_progress_in_small_encodings(shell: Shell) -> None:
    with playing(player(says="总计")) as env:
        done = shell.call("run", "写发票总额", "--check", "true", **env, PYTHONIOENCODING="gbk")
        assert done.returncode == 0, done.stderr
        assert "写发票总额" in done.stderr.decode("gbk")


def test_a_signal_stops_after_the_step_in_hand(shell: Shell) -> None:
    """The model server sends the signal itself, in the middle of a step."""
    process: subprocess.Popen[bytes]

    def interrupt() -> Any:
        process.send_signal(signal.SIGTERM)
        return LOOK

    with playing(player(interrupt, WRITE)) as env:
        process = subprocess.Popen(
            [sys.executable, "-m", "wornpath", "run", GOAL, "--check", "true"],
            env=shell.environment(**env),
            cwd=shell.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = process.communicate(timeout=180)
        assert process.returncode == 130, err.decode()
        assert out == b""
        assert b"Stopping after the step in hand" in err
        assert b"wornpath resume " in err
        assert not (shell.cwd / "report.md").exists()
        shell.say("resume", "last", **env)
        assert (shell.cwd / "report.md").exists()


def piped(shell: Shell, *options: str, both: bool, **env: str) -> tuple[int, str]:
    """The exit code and what is on standard error of a run whose output is read for one line and no longer; BOTH streams go there."""
    with subprocess.Popen(
        [sys.executable, "-m", "wornpath", "run", GOAL, "--check", "true", *options],
        env=shell.environment(**env),
        cwd=shell.cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if both else subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read().decode() if process.stderr is not None else ""
        return process.wait(180), err


@pytest.mark.parametrize(("options", "both"), [((), True), (("--json",), False)])
def test_a_run_that_nobody_reads_is_paused(shell: Shell, options: tuple[str, ...], both: bool) -> None:
    with playing(player()) as env:
        code, err = piped(shell, *options, both=both, **env)
        assert code == 141, err
        assert both or "wornpath resume " in err
        assert "Traceback" not in err
        (line,) = shell.say("runs", "ls", "--json")[0].splitlines()
        assert json.loads(line)["status"] == "paused"
        assert "Nobody read its output any more." in shell.say("show", "last")[0]
        shell.say("resume", "last", **env)
        assert (shell.cwd / "report.md").exists()


def test_only_the_plan_and_nobody_reads_it(shell: Shell) -> None:
    with playing(player()) as env:
        code, err = piped(shell, "--plan-only", "--json", both=False, **env)
    assert code == 141, err


def redirected(shell: Shell, to: str, *arguments: str, **env: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {to}', "sh", sys.executable, "-m", "wornpath", *arguments],
        env=shell.environment(**env),
        cwd=shell.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=180,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("to", ["2>/dev/full", "2>&-", "<&- 2>&-"])
def test_a_run_stands_without_standard_error(shell: Shell, to: str) -> None:
    with playing(player()) as env:
        code, out, _ = redirected(shell, to, "run", GOAL, "--check", "true", **env)
    assert code == 0
    assert "goal met" in out


def test_a_result_that_cannot_be_written_is_kept(shell: Shell) -> None:
    with playing(player()) as env:
        code, _, err = redirected(shell, ">/dev/full", "run", GOAL, "--check", "true", "--quiet", **env)
    assert code == 1
    assert "The result could not be written: No space left on device. It is kept: wornpath show " in error_of(err)
    assert "goal met" in shell.say("show", "last")[0]


@pytest.mark.parametrize("command", ["runs ls", "--version", "tools --json"])
def test_output_that_cannot_be_written_is_one_sentence(shell: Shell, command: str) -> None:
    shell.fill()
    code, _, err = redirected(shell, ">/dev/full", *command.split())
    assert code == 1
    assert "not everything could be written: No space left on device" in error_of(err)
    code, _, err = redirected(shell, ">&-", *command.split())
    assert code == 2
    assert "Standard output is closed" in error_of(err)
