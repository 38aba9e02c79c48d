"""What a person is shown is what would happen, and nothing in it can hide."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.core import Action
from wornpath.guard.preview import preview
from wornpath.tools import Workspace, standard_tools, tool

TOOLS = {t.name: t for t in standard_tools()}


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "x.log").write_text("x\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\xff" * 10)
    return Workspace(tmp_path)


def shown(work: Workspace, name: str, **arguments: object) -> str:
    return preview(TOOLS[name], Action.of(name, arguments), work)


def test_changes_of_files_are_diffs(work: Workspace) -> None:
    assert shown(work, "edit_file", path="a.txt", old="two", new="2") == (
        "--- a/a.txt\n+++ b/a.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three"
    )
    assert shown(work, "write_file", path="new.txt", content="hello") == (
        "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+hello\n\\ No newline at end of file"
    )
    assert "\n+four" in shown(work, "append_file", path="a.txt", content="four\n")
    assert shown(work, "write_file", path="a.txt", content="one\ntwo\nthree\n") == "a.txt: nothing changes"
    assert (work.root / "a.txt").read_text() == "one\ntwo\nthree\n" and not (work.root / "new.txt").exists()


def test_what_goes_is_shown(work: Workspace) -> None:
    assert "-one\n-two\n-three" in shown(work, "delete_file", path="a.txt")
    assert "logs/x.log (2 bytes)" in shown(work, "delete_file", path="logs", recursive=True)
    assert "picture.png: binary or large, 60 bytes removed" in shown(work, "delete_file", path="picture.png")
    moved = shown(work, "move_file", source="logs/x.log", destination="a.txt", overwrite=True)
    assert moved.startswith("logs/x.log -> a.txt\nIt replaces") and "-one" in moved
    assert shown(work, "move_file", source="a.txt", destination="logs/") == "a.txt -> logs/a.txt"


def test_all_that_goes_is_counted(work: Workspace) -> None:
    (work.root / "repo" / ".git").mkdir(parents=True)
    assert shown(work, "delete_file", path="repo/.git", recursive=True).endswith("it is empty")
    (work.root / "repo" / ".git" / "HEAD").write_text("x")
    text = shown(work, "delete_file", path="repo", recursive=True)
    assert text == "Folder repo goes, with all that is in it:\n  repo/.git/\n  repo/.git/HEAD (1 bytes)"
    for number in range(250):
        (work.root / "repo" / f"{number}").touch()
    assert "... and 52 more" in shown(work, "delete_file", path="repo", recursive=True)
    (work.root / "way").symlink_to("repo")
    assert shown(work, "delete_file", path="way") == "The link way goes; what it leads to stays."


def test_a_change_that_would_fail_says_so(work: Workspace) -> None:
    assert "It would fail: That text is not in a.txt" in shown(work, "edit_file", path="a.txt", old="nine", new="9")
    assert "It would fail" in shown(work, "delete_file", path="none.txt")
    assert "It would fail" in shown(work, "write_file", path="../out.txt", content="x")


def test_programs_and_recipients_are_shown_in_full(work: Workspace) -> None:
    code = "\n".join(f"print({n})" for n in range(500))
    assert code in shown(work, "python", code=code)

    @tool(risk="send")
    def mail(to: list[str], body: str) -> str:
        """Send."""
        return ""

    text = preview(mail, Action.of("mail", to=["a@b.example", "c@d.example"], body="hi\nthere"), work)
    assert text == 'body:\nhi\nthere\nto: ["a@b.example", "c@d.example"]'


def test_nothing_can_hide(work: Workspace) -> None:
    text = shown(work, "write_file", path="a.txt", content="ok\r\x1b[2Krm -rf\u202e\u200b\n")
    assert "\\x0d\\x1b[2Krm -rf\\u202e\\u200b" in text
    (work.root / "b.txt").write_text("a\u202eb\n")
    assert "-a\\u202eb" in shown(work, "delete_file", path="b.txt")


lines = st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8), max_size=8).map("\n".join)


@given(lines, lines)
def test_a_diff_tells_the_old_and_the_new(tmp_path_factory: pytest.TempPathFactory, old: str, new: str) -> None:
    work = Workspace(tmp_path_factory.mktemp("w"))
    work.write_bytes("f.txt", old.encode())
    text = shown(work, "write_file", path="f.txt", content=new)
    body = text.split("\n")[3:]
    assert all(line[:1] in ("+", "-", " ", "@", "\\") for line in body)
    if old != new:
        added = [line[1:] for line in body if line.startswith("+")]
        assert all(line in preview(None, Action.of("x", content=new), work) for line in added)
    else:
        assert "nothing changes" in text
