"""`wornpath models` and `doctor`, with small weights in place of the real ones; nothing is fetched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from model_server import Player, playing
from shell import Inside, error_of

from wornpath.cli.model import fetching, known_name
from wornpath.core import UsageError
from wornpath.llm import weights

DATA = b"weights" * 100


@pytest.fixture
def small(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with one model of 700 bytes. Returns where its file belongs."""
    one = weights.Weights("local", "Small", "small.gguf", len(DATA), hashlib.sha256(DATA).hexdigest())
    monkeypatch.setattr(weights, "REGISTRY", {"local": one})
    return inside.home / "models" / "small.gguf"


def test_a_model_that_is_here(inside: Inside, small: Path) -> None:
    small.parent.mkdir()
    small.write_bytes(DATA)
    out, _ = inside.say("models", "ls")
    assert out.splitlines()[1].split() == ["local", "ready", "700", "B", "Apache-2.0", "Small"]
    assert json.loads(inside.say("models", "ls", "--json")[0])["state"] == "ready"
    assert inside.say("models", "path")[0].strip() == str(small)
    out, err = inside.say("models", "pull")
    assert out.strip() == str(small)
    assert "checked" in err
    assert "--yes" in inside.say("models", "rm", "local", code=2)[1]
    inside.say("models", "rm", "local", "--yes")
    assert not small.exists()


def test_a_model_that_is_not_here(inside: Inside, small: Path) -> None:
    assert "models pull local" in error_of(inside.say("models", "path", code=6)[1])
    assert "700 B, licence Apache-2.0" in error_of(inside.say("models", "pull", code=4)[1])
    assert "no embedded model 'other'" in error_of(inside.say("models", "pull", "other", code=2)[1])
    assert "agree with --yes" in error_of(inside.say("run", "say hello", code=4)[1])


def test_a_damaged_model_is_told(inside: Inside, small: Path) -> None:
    small.parent.mkdir()
    small.write_bytes(DATA[:-1] + b"!")
    assert "damaged" in inside.say("models", "ls")[0]
    assert "damaged" in error_of(inside.say("models", "path", code=6)[1])


def test_the_news_of_a_fetch_are_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    with fetching("local", sys.stderr) as progress:
        assert progress is not None
        for done in range(0, 1001):
            progress("download", done, 1000)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "fetching local: 1.0 kB of 1.0 kB"


def test_ctrl_c_in_a_fetch_says_that_it_can_be_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    with pytest.raises(KeyboardInterrupt), fetching("local:small", sys.stderr) as progress:
        assert progress is not None
        progress("download", 0, 1000)
        raise KeyboardInterrupt
    assert capsys.readouterr().err.splitlines()[-1].endswith("Go on with: wornpath models pull local:small")
    with pytest.raises(KeyboardInterrupt), fetching("local:small", sys.stderr):
        raise KeyboardInterrupt  # at the question, before anything was fetched
    assert capsys.readouterr().err == ""


def test_a_resumed_run_takes_the_model_it_had() -> None:
    assert known_name("qwen2.5-coder-0.5b-instruct-q4_k_m", has_endpoint=False) == "local:small"
    assert known_name("gpt-x", has_endpoint=True) == "gpt-x"
    with pytest.raises(UsageError, match="gpt-x"):
        known_name("gpt-x", has_endpoint=False)
    assert known_name("", has_endpoint=False) is None
    assert known_name("", has_endpoint=True) is None


def test_doctor(inside: Inside, small: Path) -> None:
    small.parent.mkdir()
    small.write_bytes(DATA)
    inside.fill()
    report = json.loads(inside.say("doctor", "--json")[0])
    found = {check["name"]: check for check in report["checks"]}
    assert report["ok"]
    assert found["model"]["detail"] == "local: Small, checked"
    assert found["store"]["detail"].startswith("1 run, ")
    assert any(name.startswith("attack") for name in found)
    assert found["extra web"]["detail"].startswith("starlette ")
    lines = inside.say("doctor")[0].splitlines()
    assert "✓ attack             reading a file outside the workspace: refused; it works without the sandbox" in lines
    assert {line[20] for line in lines} == {" "}


def test_doctor_tells_what_fails(inside: Inside) -> None:
    out, _ = inside.say("doctor", code=1, OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert "✗ model" in out
    with playing(Player()) as env:
        assert "✓ model" in inside.say("doctor", **env)[0]
    (inside.cwd / "file").write_text("x")
    out, _ = inside.say("doctor", code=1, WORNPATH_HOME=str(inside.cwd / "file"))
    assert f"✗ store              {inside.cwd / 'file'} is a file; move it away" in out
    (inside.home / "events.sqlite3").write_bytes(b"this is no database" * 100)
    out, _ = inside.say("doctor", code=1)
    assert "✗ store" in out
