"""A server that stops, or is killed, and starts anew: no run is lost, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from mock_server import MockServer, Reply
from model_server import Player, act
from serve_world import PATIENCE, World

from wornpath.serve.asking import Questions
from wornpath.store import SqliteStore


def test_a_graceful_stop_checkpoints_and_the_next_start_goes_on(tmp_path: Path) -> None:
    with World(tmp_path, jobs=1) as world:
        held, queued = world.hand_in("write a.txt then hold on"), world.hand_in("write b.txt")
        paused = world.hand_in("write c.txt")
        world.post(f"/runs/{paused}/pause", status=202)
        assert world.model.held.wait(PATIENCE)
        world.stop()
        with SqliteStore(tmp_path / "home") as store:
            assert [store.run(run).status for run in (held, queued, paused)] == ["paused"] * 3
            assert "server was stopped" in store.run(held).reason
        world.model.release()
        world.start()
        assert world.until(held, "unverified")["steps"] >= 2
        world.until(queued, "unverified")
        assert world.get(f"/runs/{paused}")["status"] == "paused"
        writes = world.get(f"/runs/{held}/events", params={"types": "action.started"})["events"]
        paths = [e["data"]["action"].get("arguments", {}).get("path") for e in writes]
        assert paths.count("a.txt") == 1


def test_a_question_survives_a_restart(tmp_path: Path) -> None:
    with World(tmp_path, jobs=1) as world:
        run = world.hand_in("ask colour then write a.txt")
        asked = world.question(run)
        world.stop()
        world.start()
        again = world.question(run)
        assert again["id"] == asked["id"]
        world.post(f"/approvals/{asked['id']}", {"answer": "answer", "comment": "red"})
        world.until(run, "unverified")
        assert any("red" in prompt for prompt in world.model.prompts)


def test_an_answer_whose_run_waited_for_its_turn_survives_a_restart(tmp_path: Path) -> None:
    with World(tmp_path, jobs=1) as world:
        run = world.hand_in("ask colour then write a.txt")
        asked = world.question(run)
        held = world.hand_in("hold on")
        assert world.model.held.wait(PATIENCE)
        world.post(f"/approvals/{asked['id']}", {"answer": "answer", "comment": "蓝色"})
        kept = tmp_path / "home" / "runs" / run / "answers.json"
        assert kept.stat().st_mode & 0o777 == 0o600
        world.stop()
        with SqliteStore(tmp_path / "home") as store:
            questions = Questions(store)
            questions.load()
            assert (questions.listed(), store.run(run).status) == ([], "paused")
        world.model.release()
        world.start()
        world.until(run, "unverified")
        world.until(held, "unverified")
        said = world.get(f"/runs/{run}/events", params={"types": "approval.answered"})["events"]
        assert [one["data"]["comment"] for one in said] == ["蓝色"]
        assert not kept.exists()


def test_a_question_of_a_run_that_ended_for_want_of_a_person_is_answered(tmp_path: Path) -> None:
    """Such as one of the command line without a terminal: exit code 4."""
    from wornpath import AutoGPT

    with World(tmp_path) as world:
        (tmp_path / "work").mkdir()
        with SqliteStore(tmp_path / "home") as store:
            agent = AutoGPT(
                "write a.txt then delete a.txt", workspace=tmp_path / "work", model=world.model, store=store
            )
            assert agent.run().result.status == "needs_person"
            run = agent.run_id
            agent.close()
        for _ in world.changes(run):
            if waiting := world.get("/approvals")["approvals"]:
                break
        assert world.get("/runs")["runs"][0]["waiting"] is True
        world.post(f"/approvals/{waiting[0]['id']}", {"answer": "allow"})
        world.until(run, "unverified", "unmet")
        assert not (tmp_path / "work" / "a.txt").exists()


@contextmanager
def process(home: Path, model: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    """`wornpath serve` as a process of its own, and a client that knows its token."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WORNPATH_", "OPENAI_"))}
    environment |= {"WORNPATH_HOME": str(home), "PYTHONUNBUFFERED": "1", "WORNPATH_AFTER_RUN": "off", **model}
    command = [sys.executable, "-m", "wornpath", "serve", "--port", "0", "--jobs", "1"]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        base, _, token = running.stdout.readline().strip().partition("/?token=")
        headers = {"authorization": f"Bearer {token}"}
        with httpx2.Client(base_url=base, headers=headers, timeout=PATIENCE, trust_env=False) as http:
            yield running, http
    finally:
        if running.poll() is None:
            running.kill()
        running.wait(PATIENCE)
        assert running.stdout is not None
        running.stdout.close()


def _until(http: httpx2.Client, run: str, *statuses: str) -> dict[str, Any]:
    with http.stream("GET", "/api/v1/events", params={"run": run, "after": 0}) as answer:
        for _ in answer.iter_raw():
            found: dict[str, Any] = http.get(f"/api/v1/runs/{run}").json()
            if found["status"] in statuses:
                return found
    raise AssertionError(statuses)


def test_killed_in_the_midst_of_a_run(tmp_path: Path) -> None:
    player = Player(act("write_file", path="report.md"), Reply(hang=True))
    player.plan = [
        {"do": "Write report.md", "kind": "write", "output": "report.md", "has": []},
        {"do": "Write more.md", "kind": "write", "output": "more.md", "has": []},
    ]
    with MockServer(player).in_thread() as mock:
        model = {"OPENAI_BASE_URL": mock.base_url, "OPENAI_API_KEY": "sk-test", "WORNPATH_MODEL": "mock"}
        with process(tmp_path, model) as (first, http):
            made = http.post("/api/v1/runs", json={"goal": "Write report.md and more.md"}).json()
            with http.stream("GET", "/api/v1/events", params={"run": made["run_id"], "after": 0}) as answer:
                for line in answer.iter_lines():
                    if "subtask.finished" in line:
                        break
            first.send_signal(signal.SIGKILL)
            first.wait(PATIENCE)
        player.steps = [act("write_file", path="more.md")]
        with process(tmp_path, model) as (second, http):
            done = _until(http, made["run_id"], "unverified", "unmet")
            types = [e["type"] for e in http.get(f"/api/v1/runs/{made['run_id']}/events").json()["events"]]
            assert types.count("run.resumed") == 2
            folder = Path(done["workspace"])
            assert sorted(p.name for p in folder.iterdir()) == ["more.md", "report.md"]
            second.send_signal(signal.SIGTERM)
            assert second.wait(PATIENCE) == 0
