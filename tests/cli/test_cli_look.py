"""The commands that look at stored runs, as a person types them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import sample_run
from shell import Inside, Shell, error_of

from wornpath.store import SqliteStore

RUN = sample_run.RUN


def test_help_and_version(shell: Shell) -> None:
    out, err = shell.say("--help")
    for command in (
        "run",
        "resume",
        "runs",
        "show",
        "why",
        "diff",
        "undo",
        "rate",
        "notes",
        "models",
        "tools",
        "doctor",
        "config",
        "paths",
    ):
        assert f" {command} " in out
    assert not err
    assert shell.say()[0].split() == out.split()
    assert shell.say("--version")[0].startswith("wornpath 0.")
    for command in ("run", "resume", "show", "why", "undo"):
        assert "--help" in shell.say(command, "--help")[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], "No such command"),
        (["rnu"], "Did you mean"),
        (["run", "--no-such-option", "x"], "No such option"),
        (["run", "x", "--approve", "yolo"], "--approve"),
        (["run", "x", "--max-steps", "0"], "--max-steps"),
        (["run", "x", "--candidates", "99"], "--candidates"),
        (["run", "x", "--timeout", "nan"], "--timeout"),
        (["run", "x", "--workspace", "/"], "whole disk"),
        (["run", "x", "--workspace", "no/such/parent"], "There is no folder"),
        (["run", "x", "--workspace", ""], "--workspace"),
        (["run", "x", "--check", " "], "--check"),
        (["run", "  "], "The goal is empty"),
        (["run", "x" * 100_001], "longer than 100,000 characters"),
        (["run", "x", "--continue", "nobody"], "no run"),
        (["show", "nobody"], "There is no run"),
        (["why", "nobody", "1"], "There is no run"),
        (["resume", "nobody"], "There is no run"),
        (["undo", "nobody"], "There is no run"),
        (["rate", "nobody", "good"], "There is no run"),
        (["show"], "Missing argument"),
        (["why", "last", "0"], "STEP"),
        (["notes", "rm", "7"], "There is no note 7"),
        (["notes", "add", " "], "empty"),
        (["notes", "add", "x" * 2001], "The note is longer than 2,000 characters"),
        (["notes", "add", "x", "--scope", "folder", "--workspace", "/nope"], "There is no folder /nope"),
        (["schedule", "add", "0 8 * * 1", "x", "-w", "no/../.."], "is not in the server's folder of workspaces"),
        (["bench", "recurring", "--families", "/nonexist.py"], "There is no file /nonexist.py"),
        (["rate", "last", "great"], "'great' is not one of 'good', 'bad'. See"),
        (["rnu"], "Did you mean 'run'? See"),
        (["run", "x", "--workspace", "/etc/passwd"], "is a file"),
        (["policy", "promote", "nope"], "none was made yet"),
    ],
)
def test_bad_use_is_one_sentence_and_exit_code_2(inside: Inside, arguments: list[str], said: str) -> None:
    out, err = inside.say(*arguments, code=2)
    assert said in error_of(err)
    assert not out


def test_a_goal_on_standard_input_is_checked_too(inside: Inside) -> None:
    assert "The goal is empty" in error_of(inside.say("run", code=2, input=" \n")[1])
    assert "longer than" in error_of(inside.say("run", code=2, input=b"\xe5\x8f\x91" * 400_000)[1])


def test_runs_ls(inside: Inside) -> None:
    out, err = inside.say("runs", "ls")
    assert (out, "No runs yet" in err) == ("", True)
    inside.fill()
    out, _ = inside.say("runs", "ls")
    assert "Total the invoices 发票 into report.md" in out
    assert "met" in out
    (line,) = inside.say("runs", "ls", "--json")[0].splitlines()
    info = json.loads(line)
    assert (info["run_id"], info["status"], info["steps"]) == (RUN, "met", 4)
    assert inside.say("runs", "ls", "--status", "unmet", "--json")[0] == ""


def test_show_tells_the_run_again(inside: Inside) -> None:
    inside.fill()
    out, err = inside.say("show", "last")
    assert not err
    for part in (
        RUN,
        "list_files  inbox  ok",
        "\\x1b[2J",
        "verdict  met (check)",
        "The total is 340, 总计 340.",
        "goal met (check)",
    ):
        assert part in out
    assert "\x1b" not in out


def test_show_as_data(inside: Inside) -> None:
    inside.fill()
    lines = [json.loads(line) for line in inside.say("show", RUN, "--json")[0].splitlines()]
    assert len(lines) == len(sample_run.records()) + 1
    assert lines[-1]["type"] == "result"
    assert lines[-1]["tokens"] == {"prompt": 1451, "completion": 273}
    trajectory = json.loads(inside.say("show", RUN, "--format", "atif")[0])
    assert trajectory["schema_version"] == "ATIF-v1.8"
    inside.say("show", RUN, "--format", "messages")


def test_show_of_a_run_whose_process_died(inside: Inside) -> None:
    inside.fill(keep=8)
    assert "running" in inside.say("show", RUN)[0] or "paused" in inside.say("show", RUN)[0]


def test_why(inside: Inside) -> None:
    inside.fill()
    out, _ = inside.say("why", "last", "2")
    assert "the policy decided" in out
    assert "V(s) +0.420" in out
    assert "outcome: error" in out
    chosen = next(line for line in out.splitlines() if line.startswith("●"))
    assert "read_file inbox/发票-1.txt" in chosen
    assert "1.00" in chosen
    assert "+0.500" in chosen
    assert "masked" in out
    assert "goal: total the invoices" in out
    assert "\x1b" not in out
    data = json.loads(inside.say("why", "last", "2", "--json")[0])
    assert (data["by"], data["chosen"], len(data["candidates"])) == ("policy", 0, 2)
    assert "its steps are 1 to 4" in error_of(inside.say("why", "last", "9", code=2)[1])


def test_rate_is_recorded_as_a_persons_verdict(inside: Inside) -> None:
    inside.fill()
    inside.say("rate", "last", "bad", "--comment", "one invoice is missing")
    with SqliteStore(inside.home) as store:
        info = store.run("last")
        said = [e for e in store.events(RUN) if e.type in ("person.said", "evaluation.made")][-2:]
    assert info.rating == "bad"
    assert said[0].data == {"kind": "rating", "rating": "bad", "text": "one invoice is missing"}
    assert said[1].data["scope"] == "run"
    assert said[1].data["evaluation"]["verdict"] == "unmet"
    assert said[1].data["evaluation"]["source"] == "person"
    assert "goal not met (person)" in inside.say("show", "last")[0]
    assert "good|bad" in error_of(inside.say("rate", "last", "meh", code=2)[1])


def test_runs_rm_asks_first(inside: Inside) -> None:
    inside.fill()
    assert "--yes" in inside.say("runs", "rm", RUN, code=2)[1]
    inside.say("runs", "rm", RUN, "--yes")
    assert inside.say("runs", "ls")[0] == ""


def test_runs_rm_forgets_what_was_learnt(inside: Inside) -> None:
    from wornpath.core import Goal, to_json
    from wornpath.experience.live import Experience
    from wornpath.experience.records import Outcome
    from wornpath.experience.situation import Situation

    whole, attempt = "20260101-000001-aaa", "20260101-000002-bbb"
    with SqliteStore(inside.home) as store:
        for run_id, parent, options in ((whole, None, {"attempts": 2}), (attempt, whole, {})):
            begun = {"options": options, "parent": parent, "pid": None}
            goal = to_json(Goal("Sum", "/tmp/copy" if parent else "/w"))
            store.append_many(run_id, [("run.started", begun, 0), ("goal.set", {"goal": goal}, 0)])
        for run_id in (attempt, whole):
            store.append(run_id, "run.finished", {"result": {"run_id": run_id, "status": "met"}})
        memory = Experience.of(store).memory
        memory.learn(attempt, "sums", Situation(words=frozenset({"sum"})), [], Outcome(True))
    err = inside.say("runs", "rm", whole, "--yes")[1]
    assert whole in err and attempt in err
    assert inside.say("runs", "ls")[0] == "" and memory.runs() == set()


def test_notes(inside: Inside) -> None:
    assert "No notes yet" in inside.say("notes", "ls")[1]
    number = inside.say("notes", "add", "Reports go to 报告/")[0].strip()
    inside.say("notes", "add", "Only here", "--scope", "folder")
    lines = [json.loads(line) for line in inside.say("notes", "ls", "--json")[0].splitlines()]
    assert [(n["text"], n["scope"]) for n in lines] == [("Reports go to 报告/", "user"), ("Only here", "folder")]
    assert lines[1]["where"] == str(inside.cwd)
    inside.say("notes", "rm", number)
    assert "报告" not in inside.say("notes", "ls")[0]


def test_diff_and_undo(inside: Inside) -> None:
    from wornpath.store import Snapshot

    inside.fill()
    (inside.cwd / "a.txt").write_text("old\n")
    with SqliteStore(inside.home) as store:
        snapshot = Snapshot(store.run_folder(RUN), inside.cwd)
        snapshot.keep("a.txt")
        snapshot.keep("b.txt")
        (inside.cwd / "a.txt").write_text("new\n")
        (inside.cwd / "b.txt").write_text("made\n")
        snapshot.seal()
    assert "-old\n+new\n" in inside.say("diff", "last")[0]
    assert "--yes" in inside.say("undo", "last", code=2)[1]
    assert (inside.cwd / "a.txt").read_text() == "new\n"
    (inside.cwd / "b.txt").write_text("mine now\n")
    out, err = inside.say("undo", "last", "--yes", code=3)
    assert "restored  a.txt" in out
    assert "left alone  b.txt: it was changed since, not by the run" in err
    assert (inside.cwd / "a.txt").read_text() == "old\n"
    assert (inside.cwd / "b.txt").read_text() == "mine now\n"
    out, err = inside.say("undo", "last", code=3)
    assert out == "" and "left alone  b.txt" in err, "nothing is asked where nothing can be done"
    (inside.cwd / "b.txt").unlink()
    out, err = inside.say("undo", "last")
    assert (out, err.strip()) == ("", "What the run changed is undone already.")


def test_config_show_with_origins(inside: Inside) -> None:
    (inside.cwd / "wornpath.toml").write_text("max_steps = 12\n")
    env = {"OPENAI_API_KEY": "sk-abcdefghijklmnop", "WORNPATH_SEED": "5"}
    out, _ = inside.say("config", "show", "--origin", **env)
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "project wornpath.toml" in lines["max_steps"]
    assert "environment WORNPATH_SEED" in lines["seed"]
    assert "environment OPENAI_API_KEY" in lines["api_key"]
    assert "abcdefgh" not in out
    data = json.loads(inside.say("config", "show", "--json", **env)[0])
    assert data["max_steps"] == {"value": 12, "origin": "project wornpath.toml"}
    assert "abcdefgh" not in str(data)
    (inside.cwd / "wornpath.toml").write_text("max_steps = [")
    assert "not valid TOML" in error_of(inside.say("config", "show", code=2)[1])


def test_paths(inside: Inside) -> None:
    data = json.loads(inside.say("paths", "--json")[0])
    assert data["store"].startswith(str(inside.home))
    assert str(inside.home) in inside.say("paths")[0]


def test_output_survives_small_encodings(shell: Shell) -> None:
    shell.fill()
    gbk = shell.call("show", "last", PYTHONIOENCODING="gbk")
    assert gbk.returncode == 0, gbk.stderr
    assert "总计" in gbk.stdout.decode("gbk")
    bare = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    assert "总计" in shell.call("show", "last", **bare).stdout.decode("utf-8")
    assert shell.call("why", "last", "1", PYTHONIOENCODING="ascii").returncode == 0
    ascii_ = shell.call("show", "last", "--json", PYTHONIOENCODING="ascii").stdout.decode("ascii")
    assert "总计" in json.loads(ascii_.splitlines()[-1])["summary"]


def test_colour_only_where_it_is_wanted(inside: Inside) -> None:
    inside.fill()
    assert "\x1b[" not in inside.say("show", "last")[0]
    assert "\x1b[" in inside.say("show", "last", FORCE_COLOR="1")[0]
    assert "\x1b[3" not in inside.say("show", "last", FORCE_COLOR="1", NO_COLOR="1")[0]


def test_a_reader_that_went_away_is_no_error(shell: Shell) -> None:
    import subprocess
    import sys

    shell.fill()
    with subprocess.Popen(
        [sys.executable, "-m", "wornpath", "show", "last", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=shell.environment(),
        cwd=shell.cwd,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_an_unexpected_error_is_one_line_with_a_log(shell: Shell) -> None:
    (shell.cwd / "sitecustomize.py").write_text(
        "import wornpath.store\ndef boom(*a, **k): raise ValueError('boom 发\\n票')\nwornpath.store.SqliteStore = boom\n"
    )
    _, err = shell.say("runs", "ls", code=1, PYTHONPATH=str(shell.cwd))
    line = error_of(err)
    assert "internal error, ValueError: boom 发." in line
    log = Path(line.rpartition(" ")[2])
    assert "Traceback" in log.read_text(encoding="utf-8")
    log.unlink()
    done = shell.call("runs", "ls", PYTHONPATH=str(shell.cwd), WORNPATH_DEBUG="1")
    assert done.returncode == 1
    assert b"Traceback" in done.stderr


def test_an_argument_that_is_no_text(shell: Shell) -> None:
    shell.fill()
    assert "An argument holds bytes that are no text" in error_of(shell.say("show", "\udcff\udcfe", code=2)[1])
    said = error_of(shell.say("run", "bad \udcff goal", code=2)[1])
    assert said == (
        "wornpath: error: The goal holds bytes that are no text, neither in UTF-8 nor in this locale; type it again."
    )
    shell.say("run", code=2, input=b"bad \xff goal")


def test_completion_knows_runs_and_models(shell: Shell) -> None:
    shell.fill()
    done = shell.call(_WORNPATH_COMPLETE="complete_bash", COMP_WORDS="wornpath show 2026", COMP_CWORD="2")
    assert RUN in done.stdout.decode()
    done = shell.call(_WORNPATH_COMPLETE="complete_bash", COMP_WORDS="wornpath run --model local", COMP_CWORD="3")
    assert b"local:small" in done.stdout


def test_a_flag_shows_no_type(inside: Inside) -> None:
    for command in ("run", "runs ls", "policy forget"):
        out, _ = inside.say(*command.split(), "--help")
        assert "<bool>" not in out and "--json" in out


def test_a_group_alone_shows_its_help_and_nothing_else(inside: Inside) -> None:
    out, err = inside.say("config", code=2)
    assert "Show every setting" in out + err and "error" not in out + err


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_narrow_table_gives_up_spare_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    from wornpath.cli.output import table

    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout", screen := _Screen())
    table(
        ["run", "steps", "goal"],
        [["20261127-074154-94y8me", "12", "Total the invoices"]],
        flexible=["goal"],
        spare=["steps"],
    )
    assert "steps" not in screen.getvalue() and "Total the" in screen.getvalue()
    assert all(len(line) <= 40 for line in screen.getvalue().splitlines())


def test_a_long_finding_goes_on_below_without_a_broken_word() -> None:
    from rich.console import Console
    from rich.text import Text

    from wornpath.cli.output import hanging

    screen = Console(file=(out := _Screen()), width=30, color_system=None, force_terminal=True)
    hanging(screen, Text("+ attack: listing "), "refused; it works without the sandbox", indent=4)
    assert out.getvalue().splitlines() == ["+ attack: listing refused; it", "    works without the sandbox"]
