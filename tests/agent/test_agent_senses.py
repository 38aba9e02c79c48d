"""Pictures and recordings: a model that takes them is sent them, over a real connection; others are not offered the tools."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_world import Make, act, chat, events, observations, offers, purpose, subtask, text_of

sys.path.append(str(Path(__file__).parent.parent / "llm"))
from mock_server import MockServer, Reply, refusal

from wornpath.llm import OpenAIChat
from wornpath.llm.chat import Sizes

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PLAN = {"subtasks": [subtask("Look at it", "read")]}


class Endpoint:
    """Plans one subtask, takes ACTION, says what PICTURES and RECORDINGS hold, and finishes."""

    def __init__(
        self, action: dict[str, Any], picture: Any = "A receipt over 12.50", recording: Any = "See you at nine"
    ) -> None:
        self.action, self.picture, self.recording = action, picture, recording
        self.seen: list[Any] = []

    def __call__(self, body: dict[str, Any]) -> Any:
        if "form" in body:
            self.seen.append(body["form"])
            return self.recording if isinstance(self.recording, Reply) else Reply(body={"text": self.recording})
        content = body["messages"][-1]["content"]
        if isinstance(content, list):
            self.seen.append(content)
            return self.picture
        schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
        if schema is not None and set(schema["properties"]) == {"answer"}:
            schema = schema["properties"]["answer"]
        match purpose(schema):
            case "plan":
                return json.dumps(PLAN)
            case "action":
                action, self.action = self.action, act("finish")
                return json.dumps({"answer": action})
            case "progress":
                return json.dumps({"state": "done"})
            case _:
                return "Done."


@pytest.fixture
def served(make: Make) -> Iterator[Any]:
    """Runs an agent whose model is at ENDPOINT."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def run(endpoint: Endpoint) -> Any:
            server = stack.enter_context(MockServer(endpoint).in_thread())
            model = OpenAIChat("mock", base_url=server.base_url, sizes=Sizes(), backoff=0.0, retries=1)
            agent = make("Tell what is in it", model=model, candidates=1)

            async def work() -> None:
                await agent.arun()
                await model.aclose()

            asyncio.run(work())
            return agent

        yield run


def test_a_picture_is_shown_to_the_model_and_not_kept(served: Any, work: Path) -> None:
    (work / "receipt.png").write_bytes(PIXEL)
    endpoint = Endpoint(act("look_at_image", path="receipt.png", question="What does it cost?"))
    agent = served(endpoint)
    (content,) = endpoint.seen
    assert content[0] == {"type": "text", "text": "What does it cost?"}
    assert base64.b64decode(content[1]["image_url"]["url"].removeprefix("data:image/png;base64,")) == PIXEL
    assert text_of(observations(agent)[0]) == "A receipt over 12.50"
    assert observations(agent)[0]["origin"] == "document", "what a picture says is no word of the user's"
    (call,) = [e for e in events(agent, "model.called") if e.data["purpose"] == "see"]
    assert call.data["usage"]["prompt"] == 20, "it counts"
    whole = json.dumps([e.data for e in events(agent)])
    assert base64.b64encode(PIXEL).decode()[:40] not in whole


def test_bytes_of_a_picture_that_look_like_a_secret_arrive_as_they_are(served: Any, work: Path) -> None:
    noisy = PIXEL + b"sk-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH" + os.urandom(4000)
    (work / "a.png").write_bytes(noisy)
    endpoint = Endpoint(act("look_at_image", path="a.png", question="What?"))
    served(endpoint)
    assert base64.b64decode(endpoint.seen[0][1]["image_url"]["url"].partition(",")[2]) == noisy


def test_a_recording_is_written_down(served: Any, work: Path) -> None:
    with wave.open(str(work / "memo.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\1" * 800)
    endpoint = Endpoint(act("transcribe", path="memo.wav"))
    agent = served(endpoint)
    (form,) = endpoint.seen
    assert (work / "memo.wav").read_bytes() in form and b"whisper-1" in form and b'filename="memo.wav"' in form
    assert text_of(observations(agent)[0]) == "See you at nine"
    assert "hear" in [e.data["purpose"] for e in events(agent, "model.called")]


@pytest.mark.parametrize("tool", ["look_at_image", "transcribe"])
def test_a_model_that_takes_neither_is_gone_on_without(served: Any, work: Path, tool: str) -> None:
    (work / "a.png").write_bytes(PIXEL)
    (work / "a.mp3").write_bytes(b"ID3" + bytes(100))
    no = refusal("this model takes text only", status=404 if tool == "transcribe" else 400)
    arguments = {"path": "a.mp3"} if tool == "transcribe" else {"path": "a.png", "question": "What?"}
    agent = served(Endpoint(act(tool, **arguments), no, no))
    assert observations(agent)[0]["result"] == "error"
    assert "did not take it" in text_of(observations(agent)[0]) and "text only" in text_of(observations(agent)[0])
    assert agent.store.run(agent.run_id).status == "unverified"


@pytest.mark.parametrize(
    ("tool", "name", "data", "says"),
    [
        ("look_at_image", "a.png", b"no picture", "is no PNG, JPEG, GIF or WebP picture"),
        ("look_at_image", "b.png", None, "There is no file or folder"),
        ("look_at_image", ".", None, "is a folder"),
        ("transcribe", "a.txt", b"text", "is no sound file"),
    ],
)
def test_what_cannot_be_seen_or_heard_is_told(
    served: Any, work: Path, tool: str, name: str, data: bytes | None, says: str
) -> None:
    if data is not None:
        (work / name).write_bytes(data)
    arguments = {"path": name} | ({"question": "What?"} if tool == "look_at_image" else {})
    endpoint = Endpoint(act(tool, **arguments))
    agent = served(endpoint)
    assert says in text_of(observations(agent)[0])
    assert not endpoint.seen


def test_a_model_without_senses_is_not_offered_them(make: Make) -> None:
    agent = make("Look at a.png", model=chat(plan=[subtask("Look", "read")], actions=[act("list_files")]))
    agent.run()
    assert offers(agent) and not any({"look_at_image", "transcribe"} & offered for offered in offers(agent))
