"""What other programs speak: Chat Completions with the official client, and the Agent Protocol with one that follows its call order."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from serve_world import PATIENCE, World


@pytest.fixture
def client(world: World) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{world.base}/v1", api_key=world.token or "", max_retries=0) as made:
        yield made


def test_the_models(client: openai.OpenAI, world: World) -> None:
    assert [m.id for m in client.models.list()] == ["wornpath", "doer"]
    assert client.models.retrieve("wornpath").owned_by == "wornpath"
    with pytest.raises(openai.NotFoundError, match="GET /v1/models"):
        client.models.retrieve("gpt-none")


def test_a_chat_is_a_run(client: openai.OpenAI, world: World) -> None:
    answer = client.chat.completions.create(
        model="wornpath",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "write old.txt"},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": [{"type": "text", "text": "write new.txt"}]},
        ],
    )
    run = world.get("/runs")["runs"][0]
    assert (answer.id, answer.object, answer.model) == (f"chatcmpl-{run['run_id']}", "chat.completion", "wornpath")
    (choice,) = answer.choices
    assert choice.finish_reason == "stop" and "new.txt" in (choice.message.content or "")
    assert answer.usage is not None and answer.usage.total_tokens == sum(run["tokens"].values()) > 0
    assert sorted(p.name for p in Path(run["workspace"]).iterdir()) == ["new.txt"]


def test_a_chat_that_is_streamed(client: openai.OpenAI, world: World) -> None:
    stream = client.chat.completions.create(
        model="doer",
        messages=[{"role": "user", "content": "write 一.txt"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    progress = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert "Plan: write 一.txt" in progress and "Step 1: write_file 一.txt" in progress
    assert "一.txt (11 bytes)" in "".join(delta.content or "" for delta in deltas)
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None and chunks[-1].usage.prompt_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_client_that_hangs_up_cancels_the_run(client: openai.OpenAI, world: World) -> None:
    stream = client.chat.completions.create(
        model="wornpath", messages=[{"role": "user", "content": "hold on"}], stream=True
    )
    next(iter(stream))
    assert world.model.held.wait(PATIENCE)
    stream.close()
    run = world.get("/runs")["runs"][0]["run_id"]
    assert world.until(run, "cancelled")["summary"] == "A person cancelled it."
    world.model.held.clear()
    body = json.dumps({"messages": [{"role": "user", "content": "hold on again"}]})
    host, port = world.base.removeprefix("http://").split(":")
    waiting = http.client.HTTPConnection(host, int(port))
    waiting.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {world.token}"})
    assert world.model.held.wait(PATIENCE)
    waiting.close()  # without an answer
    second = world.get("/runs")["runs"][0]
    assert (second["goal"], second["run_id"] != run) == ("hold on again", True)
    world.until(second["run_id"], "cancelled")


def test_what_needs_a_person_is_said_and_answered_on_the_page(client: openai.OpenAI, world: World) -> None:
    answer = client.chat.completions.create(
        model="wornpath", messages=[{"role": "user", "content": "write a.txt then delete a.txt"}]
    )
    assert "needs a person" in (answer.choices[0].message.content or "")
    (asked,) = world.get("/approvals")["approvals"]
    world.post(f"/approvals/{asked['id']}", {"answer": "allow"})
    done = world.until(asked["run_id"], "unverified")
    assert not (Path(done["workspace"]) / "a.txt").exists()


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": [{"role": "system", "content": "x"}]},
        {"messages": [{"role": "user", "content": "  "}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": "hello"},
        {"messages": [{"role": "user", "content": "x"}], "model": 7},
    ],
)
def test_chats_that_hold_no_goal(client: openai.OpenAI, world: World, body: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/chat/completions", body=body, cast_to=object)
    assert refused.value.body["message"].endswith(".")  # type: ignore[index]
    assert world.get("/runs")["runs"] == []


# -- the Agent Protocol ----------------------------------------------------------------------------


class Client:
    """As the benchmark's client does it: task, uploads, steps until the last one, artefacts."""

    def __init__(self, world: World, prefix: str) -> None:
        self.base = f"{world.base}/t/{world.token}{prefix}"  # it can send no header, so the token is in the path
        self.http = httpx2.Client(timeout=30, trust_env=False)
        world.clients.append(self.http)

    def call(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        answer = self.http.request(method, f"{self.base}{path}", **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    def step(self, task: str, status: int = 200, body: bytes = b"") -> Any:
        headers = {"content-type": "application/json"}
        return self.call("POST", f"/tasks/{task}/steps", status, content=body, headers=headers)


STEP = {
    "task_id",
    "step_id",
    "name",
    "status",
    "input",
    "additional_input",
    "output",
    "additional_output",
    "artifacts",
    "is_last",
}


@pytest.mark.parametrize("prefix", ["/ap/v1/agent", "/agent"])
def test_a_benchmark_s_call_order(world: World, prefix: str) -> None:
    client = Client(world, prefix)
    task = client.call("POST", "/tasks", json={"input": "write out.txt then write sub/more.txt"})
    assert task == {**task, "input": "write out.txt then write sub/more.txt", "additional_input": {}, "artifacts": []}
    id = task["task_id"]
    for name, place in (("in.csv", None), ("in.csv", "data"), ("x.txt", "data/x.txt"), ("y.txt", "./")):
        data = {"relative_path": place} if place is not None else {}
        client.call("POST", f"/tasks/{id}/artifacts", files={"file": (name, b"a,b\n")}, data=data)
    uploaded = client.call("GET", f"/tasks/{id}/artifacts")
    assert {(a["relative_path"], a["file_name"], a["agent_created"]) for a in uploaded["artifacts"]} == {
        ("in.csv", "in.csv", False),
        ("data/in.csv", "in.csv", False),
        ("data/x.txt", "x.txt", False),
        ("y.txt", "y.txt", False),
    }
    steps = []
    while not steps or not steps[-1]["is_last"]:
        assert len(steps) < 20
        step = client.step(id, body=b"" if len(steps) % 2 else b"{}")
        assert set(step) == STEP and step["status"] == "completed"
        assert step["additional_output"]["task_total_cost"] == 0.0
        steps.append(step)
    assert [s["step_id"] for s in steps] == [str(n) for n in range(1, len(steps) + 1)]
    assert [s["name"] for s in steps[:1]] == ["write_file"] and steps[0]["artifacts"][0]["file_name"] == "out.txt"
    listed = client.call("GET", f"/tasks/{id}/artifacts")
    assert listed["pagination"] == {"total_items": 6, "total_pages": 1, "current_page": 1, "page_size": 6}
    made = {a["relative_path"]: a for a in listed["artifacts"] if a["agent_created"]}
    assert set(made) == {"out.txt", "sub/more.txt"}
    content = client.http.get(f"{client.base}/tasks/{id}/artifacts/{made['sub/more.txt']['artifact_id']}")
    assert content.content == b"Some text.\n"
    client.step(id, 409)
    assert client.call("GET", f"/tasks/{id}")["artifacts"] == listed["artifacts"]
    assert client.call("GET", f"/tasks/{id}/steps")["steps"] == steps
    assert client.call("GET", f"/tasks/{id}/steps/1") == steps[0]
    paged = client.call("GET", "/tasks", params={"page_size": 1, "current_page": 1})
    assert [t["task_id"] for t in paged["tasks"]] == [id] and paged["pagination"]["total_pages"] == 1
    second = client.call("GET", f"/tasks/{id}/artifacts", params={"page_size": 4, "current_page": 2})
    assert [len(second["artifacts"]), second["pagination"]["total_pages"]] == [2, 2]


def test_a_task_waits_for_its_first_step_and_survives_a_restart(world: World) -> None:
    client = Client(world, "/agent")
    id = client.call("POST", "/tasks", json={"input": "write out.txt"})["task_id"]
    world.stop()
    world.start()
    client = Client(world, "/agent")
    assert world.get(f"/runs/{id}")["status"] == "paused" and world.live == {}
    assert client.step(id)["name"] == "write_file"
    world.stop()
    world.start()
    client = Client(world, "/agent")
    while not client.step(id)["is_last"]:
        pass


def test_tasks_that_cannot_be(world: World) -> None:
    client = Client(world, "/ap/v1/agent")
    for body in ({}, {"input": ""}, {"input": 5}, {"input": "x", "additional_input": 5}):
        client.call("POST", "/tasks", 422, json=body)
    id = client.call("POST", "/tasks", json={"input": "write a.txt"})["task_id"]
    client.step(id, 400, b"{")
    client.call("POST", f"/tasks/{id}/artifacts", 415, json={})
    client.call("POST", f"/tasks/{id}/artifacts", 422, files={"other": ("a", b"x")})
    for name, place in (("../up", ""), ("up", "../.."), ("up", "/etc/"), ("up", "a/../../up")):
        data = {"relative_path": place}
        client.call("POST", f"/tasks/{id}/artifacts", 400, files={"file": (name, b"x")}, data=data)
    for place in (
        ".git/hooks/",
        "node_modules/x/up",
        "a/__pycache__",
    ):  # these are not listed, so they cannot be artifacts
        answer = client.http.post(
            f"{client.base}/tasks/{id}/artifacts", files={"file": ("up", b"x")}, data={"relative_path": place}
        )
        assert answer.status_code == 400 and "no artifact" in answer.json()["detail"]
    assert not list(world.folder.rglob("up"))
    deep = "/".join("d" * 102)  # deeper than is listed
    assert client.call("POST", f"/tasks/{id}/artifacts", files={"file": ("x", b"x")}, data={"relative_path": deep})[
        "relative_path"
    ].startswith(deep)
    client.call("GET", f"/tasks/{id}/artifacts/none", 404)
    client.call("GET", f"/tasks/{id}/steps/1", 404)
    client.call("GET", "/tasks", 400, params={"page_size": 0})
    run = world.hand_in("write a.txt")
    client.step(run, 404)  # a run, but no task


def test_the_answers_are_json_all_through(world: World) -> None:
    answer = world.http.get("/ap/v1/agent/tasks/%ff")
    assert answer.status_code == 404 and json.loads(answer.content)["status"] == 404
