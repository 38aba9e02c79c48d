"""Permissions on the command line: rules listed, added and revoked; a policy file for runs that nobody watches; answers from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from model_server import act, playing
from shell import error_of
from test_cli_run import CLEAR, DELETE, GOAL, LOOK, player

from wornpath.guard import ApprovalAnswer
from wornpath.serve.kept_answers import keep
from wornpath.store import SqliteStore

if TYPE_CHECKING:
    from shell import Inside


@pytest.fixture(autouse=True)
def inbox(inside: Inside) -> None:
    (inside.cwd / "inbox").mkdir()
    for name in ("a", "b"):
        (inside.cwd / "inbox" / f"{name}.txt").write_text(f"{name}\n")


def left(inside: Inside) -> list[str]:
    return sorted(path.name for path in (inside.cwd / "inbox").iterdir())


def request_of(err: str) -> str:
    return err.split("--allow ")[1].split()[0].rstrip(".")


def test_rules_are_added_listed_and_revoked(inside: Inside) -> None:
    assert "No rules yet" in inside.say("rules", "ls")[1]
    out, _ = inside.say("rules", "add", "deny", "--tool", "shell", "--argument", "command=*curl*", "--note", "no net")
    number = out.strip()
    inside.say("rules", "add", "allow", "--risk", "delete", "--scope", "always")
    shown, _ = inside.say("rules", "ls")
    assert "deny shell(command=*curl*)" in shown and "no net" in shown and "allow * of risk delete" in shown
    first, second = (json.loads(line) for line in inside.say("rules", "ls", "--json")[0].splitlines())
    assert first["where"] == str(inside.cwd) and second["scope"] == "always"
    assert "no rule 99" in error_of(inside.say("rules", "rm", number, "99", code=2)[1])
    inside.say("rules", "rm", number)
    assert "curl" not in inside.say("rules", "ls")[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["allow"], "allow everything"),
        (["deny", "--tool", "delete_fil"], "did you mean delete_file?"),
        (["deny", "--tool", "shell", "--argument", "path=x"], "does not have"),
        (["deny", "--argument", "nothing"], "NAME=PATTERN"),
        (["deny", "--risk", "fly"], "the risks are"),
        (["ask", "--untrusted"], "only an allowance"),
        (["deny"], "Say what to deny"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(inside: Inside, arguments: list[str], said: str) -> None:
    assert said in error_of(inside.say("rules", "add", *arguments, code=2)[1])


def test_a_rule_for_a_folder_needs_one_that_is_there(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    inside.say("rules", "add", "deny", "--tool", "*", "--workspace", "~/x", HOME=str(tmp_path))
    assert str(tmp_path / "x") in inside.say("rules", "ls", "--json")[0]
    for missing in ("~/y", "~no-such-user-here/x"):
        said = inside.say("rules", "add", "deny", "--tool", "*", "--workspace", missing, code=2, HOME=str(tmp_path))[1]
        assert "no folder" in error_of(said)


def test_a_policy_file_allows_without_asking_and_holds_on_resume(inside: Inside) -> None:
    rules = inside.cwd.parent / "policy.toml"
    rules.write_text('[[rule]]\neffect = "allow"\ntool = "delete_file"\narguments = { path = "inbox/a*" }\n')
    steps = (LOOK, DELETE, act("delete_file", path="inbox/b.txt"))
    with playing(player(*steps, plan=CLEAR)) as env:
        _, err = inside.say("run", GOAL, "--check", "test ! -e inbox/b.txt", "--rules", str(rules), code=4, **env)
        assert left(inside) == ["b.txt"]
        inside.say("resume", "last", "--allow", request_of(err), **env)
    assert left(inside) == []
    start = next(json.loads(line) for line in inside.say("show", "last", "--json")[0].splitlines())
    assert start["data"]["options"]["rules"] == [
        {"effect": "allow", "tool": "delete_file", "arguments": {"path": "inbox/a*"}}
    ]


@pytest.mark.parametrize(
    "text", ["[[rule]]\neffect = 'perhaps'\n", "rule = 3\n", "[[rule", "[[rule]]\ntool = 'x'\n", "allow = []\n", "\0"]
)
def test_a_bad_policy_file_is_one_sentence_and_exit_code_2(inside: Inside, text: str) -> None:
    rules = inside.cwd.parent / "policy.toml"
    rules.write_text(text)
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "sk-test", "WORNPATH_MODEL": "mock"}
    assert "policy.toml" in error_of(inside.say("run", GOAL, "--rules", str(rules), code=2, **env)[1])
    assert "cannot be read" in error_of(inside.say("run", GOAL, "--rules", "none.toml", code=2, **env)[1])
    assert not inside.say("runs", "ls")[0]


def test_a_project_cannot_name_a_policy_file(inside: Inside) -> None:
    (inside.cwd / "wornpath.toml").write_text('rules = "policy.toml"\n')
    assert "could allow anything" in error_of(inside.say("run", GOAL, code=2)[1])


def test_an_answer_that_a_stopped_server_kept_is_not_asked_for_again(inside: Inside) -> None:
    with playing(player(LOOK, DELETE, plan=CLEAR)) as env:
        _, err = inside.say("run", GOAL, "--check", "test ! -e inbox/a.txt", code=4, **env)
        with SqliteStore(inside.home) as store:
            keep(store, store.runs()[0].run_id, request_of(err), ApprovalAnswer("allow"))
        inside.say("resume", "last", **env)
    assert left(inside) == ["b.txt"]


def test_an_answer_for_the_folder_holds_for_the_next_run(inside: Inside) -> None:
    with playing(player(LOOK, DELETE, plan=CLEAR)) as env:
        _, err = inside.say("run", GOAL, "--check", "true", code=4, **env)
        inside.say("resume", "last", "--allow", request_of(err), "--scope", "folder", **env)
    (inside.cwd / "inbox" / "a.txt").write_text("again\n")
    with playing(player(LOOK, DELETE, plan=CLEAR)) as env:
        inside.say("run", GOAL, "--check", "true", **env)
    assert left(inside) == ["b.txt"]


def test_edited_arguments_are_what_is_done(inside: Inside) -> None:
    with playing(player(LOOK, DELETE, plan=CLEAR)) as env:
        _, err = inside.say("run", GOAL, "--check", "true", code=4, **env)
        request = request_of(err)
        bad = inside.say("resume", "last", "--allow", request, "--arguments", "{path", code=2, **env)[1]
        assert "no JSON" in error_of(bad)
        unfit = inside.say("resume", "last", "--allow", request, "--arguments", '{"file": "x"}', code=4, **env)
        assert "does not fit" in "".join(unfit) and left(inside) == ["a.txt", "b.txt"]
        inside.say("resume", "last", "--allow", request, "--arguments", '{"path": "inbox/b.txt"}', **env)
    assert left(inside) == ["a.txt"]


def test_a_file_can_answer(inside: Inside) -> None:
    with playing(player(LOOK, DELETE, plan=CLEAR)) as env:
        _, err = inside.say("run", GOAL, "--check", "true", code=4, **env)
        request = request_of(err)
        for text, said in (
            ("{", "no JSON"),
            ("[]", "by request id"),
            (json.dumps({request: {"answer": "maybe"}}), "needs an answer"),
            (json.dumps({request: {"answer": "allow", "x": 1}}), "a field 'x'"),
            (json.dumps({"nobody": {"answer": "allow"}}), "did not ask for the approval nobody"),
        ):
            assert said in error_of(inside.say("resume", "last", "--answers", "-", input=text, code=2, **env)[1])
        answers = inside.cwd.parent / "answers.json"
        answers.write_text(json.dumps({request: {"answer": "deny", "comment": "keep it", "scope": "folder"}}))
        inside.say("resume", "last", "--answers", str(answers), **env)
    assert left(inside) == ["a.txt", "b.txt"]
    assert "denied by person: keep it" in inside.say("show", "last")[0]
    assert "deny delete_file(path=inbox/*.txt)" in inside.say("rules", "ls")[0]
