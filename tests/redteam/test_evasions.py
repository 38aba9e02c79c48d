"""Ways round what a person said or was promised, each tried from where an agent, or what it read, could try it: rules and answers that
would hold for more than they say, files of the store that others could read, and host-side steps that could be led outside."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from wornpath.core import Action, Rule
from wornpath.guard.rules import deciding, fits, like
from wornpath.tools import Registry, standard_tools, tool

TOOLS = {t.name: t for t in standard_tools()}


@tool(risk="send")
def post(to: str, body: str) -> str:
    """Send a message."""
    return "sent"


def ruled(tool: str, answer: dict[str, Any], later: dict[str, Any]) -> bool:
    """Whether the rule that an answer about a call of TOOL became allows a LATER one."""
    rule = like("allow", TOOLS[tool], Action.of(tool, **answer), "always", "")
    return fits(rule, TOOLS[tool], Action.of(tool, **later))


@pytest.mark.parametrize("path", ["src/main.txt", "a/b/c.txt", "tmp/x/secret.txt", "./deep/a.txt"])
def test_an_answer_for_files_of_a_folder_does_not_hold_below_it(path: str) -> None:
    assert ruled("delete_file", {"path": "a.txt"}, {"path": "b.txt"})
    assert ruled("delete_file", {"path": "tmp/a.txt"}, {"path": "tmp/b.txt"})
    assert not ruled("delete_file", {"path": "a.txt"}, {"path": path})
    assert not ruled("delete_file", {"path": "tmp/a.txt"}, {"path": path})


@pytest.mark.parametrize(
    ("asked", "later"),
    [
        ("bash build.sh", "bash -c 'rm -r src'"),
        ("/bin/sh build.sh", "/bin/sh -c 'rm -r src'"),
        ("python3.11 report.py", "python3.11 evil.py"),
        ("env LANG=C sort a", "env rm -r src"),
        ("LANG=C sort a", "LANG=C rm -r src"),
        ("timeout 5 ls", "timeout 5 rm -r src"),
        ("xargs -a list echo", "xargs -a list rm -r"),
        ("find . -name a", "find . -delete"),
        ("sudo ls", "sudo rm -r src"),
        ("git status", "git -c alias.x='!rm -r src' x"),
        ("rg todo", "rg --pre ./evil todo"),
        ("sort a", "sort --compress-program=./evil a"),
    ],
)
def test_an_answer_for_a_program_that_runs_others_holds_for_that_command_only(asked: str, later: str) -> None:
    assert ruled("shell", {"command": asked}, {"command": asked})
    assert not ruled("shell", {"command": asked}, {"command": later})
    assert ruled("shell", {"command": "wc -l a"}, {"command": "wc -c b"})


@pytest.mark.parametrize(
    "to", ["boss, eve@evil.example", "boss@evil.example", "boss;eve@evil.example", "boss <eve@evil.example>"]
)
def test_a_pattern_of_a_name_does_not_let_an_address_in(to: str) -> None:
    rule = Rule("allow", "post", arguments={"to": "boss*"})
    assert fits(rule, post, Action.of("post", to="boss of all", body="x"))
    assert not fits(rule, post, Action.of("post", to=to, body="x"))
    assert fits(Rule("allow", "post", arguments={"to": "*"}), post, Action.of("post", to=to, body="x"))


@pytest.mark.parametrize("to", ["eve@EVIL.example", "Eve@Evil.Example", "eve＠evil．example"])
@pytest.mark.parametrize("effect", ["deny", "ask"])
def test_a_denial_is_not_gone_round_by_other_letters(to: str, effect: Any) -> None:
    rule = Rule(effect, "post", arguments={"to": "*@evil.example"})
    assert fits(rule, post, Action.of("post", to=to, body="x"))
    assert not fits(Rule("allow", "post", arguments={"to": "*@evil.example"}), post, Action.of("post", to=to, body="x"))


@pytest.mark.parametrize("path", ["pub/key", "pub/../pub/key", "file", "./file", "up/private/key"])
def test_a_rule_about_a_path_holds_where_a_link_leads(tmp_path: Path, path: str) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private/key").write_text("k")
    (tmp_path / "pub").symlink_to("private")
    (tmp_path / "file").symlink_to("private/key")
    (tmp_path / "up").symlink_to(".")
    deny = Rule("deny", "*", arguments={"path": "private/*"})
    found = deciding([deny], TOOLS["read_file"], Action.of("read_file", path=path), str(tmp_path))
    assert found is deny
    allow = Rule("allow", "delete_file", arguments={"path": "pub/*"})
    assert deciding([allow], TOOLS["delete_file"], Action.of("delete_file", path="pub/key"), str(tmp_path)) is None
    assert deciding([deny], TOOLS["read_file"], Action.of("read_file", path="other"), str(tmp_path)) is None


def test_all_that_is_kept_is_its_owners_alone(tmp_path: Path) -> None:
    """In a folder that everybody may look into, and whatever the umask: goals, programs and texts are in there."""
    from wornpath.experience.live import MEMORY
    from wornpath.experience.memory import Memory
    from wornpath.experience.records import Outcome
    from wornpath.experience.situation import Situation
    from wornpath.store import SqliteStore

    tmp_path.chmod(0o755)
    (tmp_path / MEMORY).touch(0o644)  # as an earlier version made it
    before = os.umask(0)
    try:
        with SqliteStore(tmp_path) as store:
            store.append_many("r", [("run.started", {"options": {}}, 0)])
            store.run_folder("r")
        memory = Memory(tmp_path / MEMORY)
        memory.learn("r", "f", Situation(words=frozenset({"secret"})), [], Outcome(True))
    finally:
        os.umask(before)
    open_ones = [p.name for p in tmp_path.iterdir() if stat.S_IMODE(p.stat().st_mode) & 0o077]
    assert (tmp_path / MEMORY).stat().st_size and open_ones == []
    memory.close()


def test_undo_changes_no_mode_through_a_link(tmp_path: Path) -> None:
    """What was a folder is a link by the time its mode is set: another run may be at work in the same workspace."""
    from wornpath.store.images import Image
    from wornpath.store.undo import _bring_back, _unlock

    outside, workspace = tmp_path / "outside", tmp_path / "w"
    outside.mkdir(0o755)
    outside.chmod(0o755)
    workspace.mkdir()
    (workspace / "d").symlink_to(outside)
    was = Image("d", "dir", mode=0o777)
    _unlock(workspace, [Image("d", "dir", mode=0o077)])
    why: dict[str, str] = {}
    _bring_back(workspace, [was], lambda image: None, why)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o755 and "d" in why
    (workspace / "d").unlink()
    (workspace / "d").mkdir(0o000)
    _unlock(workspace, [Image("d", "dir", mode=0)])
    assert stat.S_IMODE((workspace / "d").stat().st_mode) == 0o700


def test_names_outside_are_not_listed_through_a_swapped_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of the kernel may replace a folder by a link between the look at it and the look into it."""
    from wornpath.tools import Workspace
    from wornpath.tools.run_code import manifest

    outside, workspace = tmp_path / "outside", tmp_path / "w"
    outside.mkdir()
    (outside / "secret-name").touch()
    (workspace / "d").mkdir(parents=True)
    (workspace / "d/a").touch()
    real = os.scandir

    def swapping(path: Any) -> Any:
        found = list(real(path))
        if any(entry.name == "d" and not entry.is_symlink() for entry in found):
            (workspace / "d/a").unlink(missing_ok=True)
            (workspace / "d").rmdir()
            (workspace / "d").symlink_to(outside)

        class Listed(list[Any]):
            def __enter__(self) -> Listed:
                return self

            def __exit__(self, *_: object) -> None:
                return None

        return Listed(found)

    for walk in (lambda: [e.path for e in Workspace(workspace).files().entries], lambda: list(manifest(workspace))):
        if (workspace / "d").is_symlink():
            (workspace / "d").unlink()
            (workspace / "d").mkdir()
            (workspace / "d/a").touch()
        with monkeypatch.context() as patched:
            patched.setattr(os, "scandir", swapping)
            assert not any("secret" in path for path in walk())


def test_the_registry_gives_paths_in_one_spelling(tmp_path: Path) -> None:
    """So that a rule cannot be gone round by another one."""
    from wornpath.tools import Workspace

    registry, place = Registry(standard_tools()), Workspace(tmp_path)
    for path in (
        "private/key",
        "./private/key",
        "private//key",
        "x/../private/key",
        "private/./key",
        str(tmp_path / "private/key"),
    ):
        action = registry.action("read_file", {"path": path}, place)
        assert fits(Rule("deny", "read_file", arguments={"path": "private/*"}), TOOLS["read_file"], action)
