"""`wornpath serve`, `schedule` and `run --web`, as a person at a terminal uses them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from model_server import Player, act, playing
from shell import Inside, Shell, error_of

from wornpath.cli.web import browser
from wornpath.policy.promotion import run_family
from wornpath.store import SqliteStore

CHECK = "grep -q 340 report.md"


@contextmanager
def serving(shell: Shell, *arguments: str, **env: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`wornpath serve` as a process, and the address that it printed."""
    command = [sys.executable, "-m", "wornpath", "serve", "--port", "0", *arguments]
    running = subprocess.Popen(
        command, env=shell.environment(**env), cwd=shell.cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with running:
        assert running.stdout is not None
        try:
            yield running, running.stdout.readline().strip()
        finally:
            running.kill()


@pytest.fixture
def model() -> Iterator[dict[str, str]]:
    with playing(Player(act("write_file", path="report.md"))) as env:
        yield env


def test_the_address_opens_and_ctrl_c_ends(shell: Shell, model: dict[str, str]) -> None:
    with serving(shell, **model) as (running, url):
        base, _, token = url.partition("/?token=")
        assert base.startswith("http://127.0.0.1:") and len(token) > 20
        with httpx2.Client(base_url=base, trust_env=False, timeout=30) as http:
            assert http.get("/", params={"token": token}).status_code == 200
            http.cookies.clear()
            assert http.get("/").status_code == 401
            second = shell.call("serve", "--port", "0")
            assert second.returncode == 2
            assert b"running already at " + base.encode() in second.stderr
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
        assert running.stderr is not None and "Stopped." in running.stderr.read()


def test_the_browser_is_led_by_a_file_of_its_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[str] = []
    monkeypatch.setattr("typer.launch", lambda place: launched.append(place) or 0)
    with browser(tmp_path) as show:
        show('http://127.0.0.1:1/?token=a&b="c"')
        file = Path(launched[0])
        assert file.stat().st_mode & 0o777 == 0o600
        assert 'content="0; url=http://127.0.0.1:1/?token=a&amp;b=&quot;c&quot;"' in file.read_text()
        assert "token" not in launched[0]
    assert not file.exists()


@pytest.mark.parametrize("arguments", [("serve", "--port", "0"), ("run", "Write the report", "--web")])
def test_a_store_that_cannot_be_used_is_told(shell: Shell, arguments: tuple[str, ...]) -> None:
    shell.home.mkdir(exist_ok=True)
    (shell.home / "events.sqlite3").write_text("garbage " * 4)
    out, err = shell.say(*arguments, "--model", "none-such", code=1)
    assert out == ""
    assert "events.sqlite3" in error_of(err)


def test_a_library_that_gives_up_is_no_success(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up() -> None:
        sys.exit(3)

    monkeypatch.setattr("wornpath.cli.web.require_web", give_up)
    inside.say("serve", code=1)


def test_no_token_and_no_model(shell: Shell) -> None:
    with serving(shell, "--no-token", "--model", "none-such") as (running, url):
        with httpx2.Client(base_url=url, trust_env=False, timeout=30) as http:
            assert "none-such" in http.get("api/v1/info").json()["model_problem"]
            refused = http.post("api/v1/runs", json={"goal": "x"})
            assert refused.status_code in (400, 404, 503) and "none-such" in refused.json()["detail"]
        running.terminate()
        assert running.wait(30) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--host", "0.0.0.0", "--no-token"), "for this machine only"),
        (("--host", "no.such.host.invalid"), "no address"),
        (("--port", "99999"), "--port"),
        (("--jobs", "0"), "--jobs"),
        (("--workspaces", __file__), "is a file, no folder of workspaces"),
    ],
)
def test_what_cannot_be_served(inside: Inside, arguments: tuple[str, ...], says: str) -> None:
    _, err = inside.say("serve", "--port", "0", *arguments, code=2)
    assert says in err


def test_a_port_that_is_taken(inside: Inside) -> None:
    from wornpath.serve.running import bind

    taken = bind("127.0.0.1", 0)
    try:
        taken.socket.listen()
        _, err = inside.say("serve", "--port", str(taken.port), code=2)
        assert "another --port" in err
    finally:
        taken.socket.close()


def test_schedules(inside: Inside) -> None:
    assert "No schedules yet" in inside.say("schedule", "ls")[1]
    id, err = inside.say("schedule", "0 8 * * 1", "Write the report", "--check", CHECK)
    assert "08:00" in err
    assert "Write the report" in inside.say("schedule", "ls")[0]
    assert '"cron": "0 8 * * 1"' in inside.say("schedule", "ls", "--json")[0]
    assert "five fields" in inside.say("schedule", "0 8 * *", "x", code=2)[1]
    assert "empty" in inside.say("schedule", "0 8 * * 1", " ", code=2)[1]
    assert "no schedule" in inside.say("schedule", "rm", id.strip(), "none", code=2)[1]
    inside.say("schedule", "rm", id.strip())
    assert inside.say("schedule", "ls")[0] == ""


def test_run_web_does_the_goal_and_tells_its_page(shell: Shell, model: dict[str, str]) -> None:
    program = Path(shell.cwd) / "xdg-open"
    program.write_text(f"#!/bin/sh\necho \"$1\" > '{program}.opened'\n")
    program.chmod(0o755)
    env = {**model, "BROWSER": str(program), "PATH": f"{shell.cwd}:{os.environ['PATH']}"}
    out, err = shell.say("run", "Write the report", "--web", "--family", "reports", "--check", CHECK, **env)
    assert "goal met (check)" in out and "The run is at http://127.0.0.1:" in err and "#/runs/" in err
    run = err.partition("#/runs/")[2].split()[0]
    opened = Path(f"{program}.opened").read_text().strip()
    assert opened.endswith(".html") and "token" not in opened  # every user of the machine can read it
    assert not Path(opened).exists()
    with SqliteStore(shell.home) as store:
        assert run_family(store, run) == "reports"
    assert run in shell.say("runs", "ls")[0]
    assert "leave out --json" in shell.say("run", "x", "--web", "--json", code=2)[1]
