from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from mock_server import MockServer, Reply, refusal

from wornpath.core import ModelAnswerError, ModelUnavailable, Usage, UsageError
from wornpath.llm import OpenAIChat
from wornpath.llm.capabilities import CapabilityCache
from wornpath.llm.pricing import Price

KEY = "sk-verysecretkey123"
ASK = [{"role": "system", "content": "You are terse."}, {"role": "user", "content": "Say ok."}]
ACTION = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"tool": {"const": "list"}, "path": {"type": "string", "maxLength": 9}},
            "required": ["tool", "path"],
            "additionalProperties": False,
        }
    ]
}
Make = Callable[..., OpenAIChat]


@pytest.fixture
async def server() -> AsyncIterator[MockServer]:
    async with MockServer() as server:
        yield server


@pytest.fixture
async def make(server: MockServer) -> AsyncIterator[Make]:
    made: list[OpenAIChat] = []

    def make(**options: Any) -> OpenAIChat:
        options = {
            "base_url": server.base_url,
            "api_key": KEY,
            "capabilities": CapabilityCache(),
            "backoff": 0.001,
            **options,
        }
        made.append(OpenAIChat(options.pop("model", "mock"), **options))
        return made[-1]

    yield make
    for chat in made:
        await chat.aclose()


async def test_request_and_answer(server: MockServer, make: Make) -> None:
    server.plan(Reply(("yes", "no"), logprob=-0.5))
    chat = make(prices={"mock": Price(input=10.0, output=100.0, cached=1.0)})
    completion = await chat.complete(ASK, n=2, max_tokens=7, temperature=0.3, stop=["\n"])
    assert completion.texts == ("yes", "no")
    assert completion.logprobs == (-0.5, -0.5)
    assert (completion.usage.prompt, completion.usage.completion, completion.usage.cached, completion.usage.calls) == (
        20,
        5,
        4,
        1,
    )
    assert completion.usage.cost_usd == pytest.approx((16 * 10 + 4 * 1 + 5 * 100) / 1e6)
    assert server.requests == [
        {
            "model": "mock",
            "messages": ASK,
            "max_tokens": 7,
            "temperature": 0.3,
            "n": 2,
            "logprobs": True,
            "stop": ["\n"],
        }
    ]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_usage_is_estimated_where_the_endpoint_gives_none(server: MockServer, make: Make) -> None:
    server.plan(Reply(("a few words of text",), usage=None))
    usage = (await make().complete(ASK)).usage
    assert usage.prompt > 8
    assert usage.completion == 6


async def test_what_the_endpoint_says_a_call_cost_is_believed(server: MockServer, make: Make) -> None:
    server.plan(Reply(usage={"prompt_tokens": 10, "completion_tokens": 10, "cost": 0.25}))
    assert (await make().complete(ASK)).usage.cost_usd == 0.25


async def test_a_schema_without_an_object_at_its_root_is_wrapped_and_unwrapped(server: MockServer, make: Make) -> None:
    server.plan(Reply(('{"answer": {"tool": "list", "path": "ä/b"}}',)))
    completion = await make().complete(ASK, schema=ACTION)
    assert completion.text == '{"tool":"list","path":"ä/b"}'
    form = server.requests[0]["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["properties"]["answer"] == ACTION


async def test_a_schema_with_an_optional_property_is_not_strict(server: MockServer, make: Make) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    await make().complete(ASK, schema=schema)
    assert server.requests[0]["response_format"]["json_schema"] == {"name": "answer", "schema": schema}


async def test_thinking_is_taken_out(server: MockServer, make: Make) -> None:
    server.plan(Reply(("<think>Hm.\nWell.</think>\n\nok",)))
    assert (await make().complete(ASK)).text == "ok"


async def test_streaming(server: MockServer, make: Make) -> None:
    server.plan(Reply(("Once upon a time",), finish_reason="length"))
    pieces: list[str] = []
    completion = await make().complete(ASK, on_text=pieces.append)
    assert len(pieces) > 3
    assert "".join(pieces) == completion.text == "Once upon a time"
    assert completion.finish_reason == "length"
    assert completion.usage.prompt == 20


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
async def test_passing_troubles_are_tried_again(server: MockServer, make: Make, status: int) -> None:
    server.plan(Reply(status=status), Reply(status=status))
    assert (await make().complete(ASK)).text == "ok"
    assert len(server.requests) == 3


async def test_retry_after_is_honoured(server: MockServer, make: Make) -> None:
    server.plan(Reply(status=429, headers={"retry-after": "0.2"}))
    start = time.monotonic()
    await make(backoff=30.0).complete(ASK)
    assert 0.2 <= time.monotonic() - start < 5


async def test_a_long_retry_after_is_not_waited_for(server: MockServer, make: Make) -> None:
    server.plan(Reply(status=429, headers={"retry-after": "3600"}))
    with pytest.raises(ModelUnavailable, match="asks to wait 3600 s"):
        await make().complete(ASK)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(status=500), r"keeps failing \(500\) in 3 attempts"),
        (Reply(status=429), r"over its rate limit or quota \(429\) in 3 attempts"),
        (Reply(body=b"<html>hello"), "no chat completion"),
        (Reply(body=b'{"choices": '), "no chat completion"),
        (Reply(body=b'{"choices": []}'), "no chat completion"),
        (Reply(body=b'{"choices": [{"message": {"content": 5}}]}'), "no chat completion"),
        (Reply(body=b"[" * 100_000), "no chat completion"),
        (Reply(body=b"\xff\xfe\x00", headers={"content-type": "application/json; charset=nope"}), "no chat completion"),
        (Reply(cut=120), "broke off"),
        (Reply(cut=0), "cannot be reached, or broke off"),
        (
            Reply(body={"error": {"message": "upstream is down", "code": 502}}),
            r"keeps failing \(502\).*upstream is down",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else None,
)
async def test_lasting_troubles_become_one_sentence(server: MockServer, make: Make, reply: Reply, says: str) -> None:
    server.answer = lambda body: reply
    with pytest.raises(ModelUnavailable, match=says) as caught:
        await make(retries=2).complete(ASK)
    assert len(server.requests) == 3
    assert caught.value.exit_code == 6
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (refusal(f"Incorrect API key provided: {KEY}", status=401), "refuses the key"),
        (refusal("You may not: Bearer abc.def", status=403), "refuses the request"),
        (refusal("no such model", status=404), "has no model 'mock'"),
        (refusal("The model `mock` does not exist", "model", code="model_not_found"), "has no model 'mock'"),
        (refusal("You exceeded your current quota", status=429, code="insufficient_quota"), "quota"),
        (Reply(status=307, headers={"location": "https://elsewhere/v1"}), "redirects to https://elsewhere"),
        (Reply(status=401, body=b"no\x1b[31m way\n\n"), "no"),
    ],
    ids=["401", "403", "404", "model", "quota", "redirect", "controls"],
)
async def test_refusals_are_not_tried_again_and_keep_the_secret(
    server: MockServer, make: Make, reply: Reply, says: str
) -> None:
    server.answer = lambda body: reply
    with pytest.raises(ModelUnavailable, match=says) as caught:
        await make().complete(ASK)
    message = str(caught.value)
    assert len(server.requests) == 1
    assert KEY not in message
    assert "abc.def" not in message
    assert message.isprintable()


async def test_a_prompt_that_is_too_long(server: MockServer, make: Make) -> None:
    server.plan(refusal("This model's maximum context length is 8192 tokens", code="context_length_exceeded"))
    with pytest.raises(ModelAnswerError, match="too long for mock"):
        await make().complete(ASK, n=3)
    assert len(server.requests) == 1


async def test_an_endpoint_that_never_answers(server: MockServer, make: Make) -> None:
    server.answer = lambda body: Reply(hang=True)
    with pytest.raises(ModelUnavailable, match="did not answer in time in 2 attempts"):
        await make(timeout=0.1, retries=1).complete(ASK)


async def test_nobody_listens(make: Make) -> None:
    with pytest.raises(ModelUnavailable, match=r"http://127\.0\.0\.1:9/v1 cannot be reached"):
        await make(base_url="http://user:pass@127.0.0.1:9/v1", retries=0).complete(ASK)


async def test_an_answer_without_end_is_cut_off(server: MockServer, make: Make) -> None:
    server.plan(Reply(("x" * 100_000,)))
    with pytest.raises(ModelUnavailable, match="sent an answer of more than 50,000 bytes"):
        await make(max_bytes=50_000).complete(ASK)
    assert len(server.requests) == 1


async def test_half_a_stream_is_asked_for_again_without_showing_it_twice(server: MockServer, make: Make) -> None:
    server.plan(Reply(("A long story without end",), cut=500))
    pieces: list[str] = []
    completion = await make().complete(ASK, on_text=pieces.append)
    assert completion.text == "ok"
    assert "A long story".startswith("".join(pieces)[:6])
    assert "ok" not in "".join(pieces)
    assert [bool(request.get("stream")) for request in server.requests] == [True, False]


async def test_a_stream_that_reports_an_error(server: MockServer, make: Make) -> None:
    error = b'data: {"error": {"message": "overloaded"}}\n\n'
    server.answer = lambda body: Reply(body=error, headers={"content-type": "text/event-stream"})
    with pytest.raises(ModelUnavailable, match="overloaded"):
        await make(retries=0).complete(ASK, on_text=lambda text: None)


async def test_an_endpoint_that_overlooks_stream(server: MockServer, make: Make) -> None:
    server.plan(Reply(body={"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}))
    assert (await make().complete(ASK, on_text=lambda text: None)).text == "ok"


NO_STREAM = refusal("Your organization must be verified to stream this model.", "stream", code="unsupported_value")


@pytest.mark.parametrize("message", [NO_STREAM, refusal("Streaming is not supported"), refusal("Bad request")])
async def test_an_endpoint_that_refuses_streams_gives_its_text_as_one_piece(
    server: MockServer, make: Make, message: Reply
) -> None:
    server.answer = lambda body: message if body.get("stream") else "A whole story"
    cache = CapabilityCache()
    chat, pieces = make(capabilities=cache), list[str]()
    completion = await chat.complete(ASK, on_text=pieces.append)
    assert completion.text == "A whole story" and pieces == ["A whole story"]
    assert completion.tries == len(server.requests) <= 3
    server.requests.clear()
    await chat.complete(ASK, on_text=pieces.append)
    assert [request.get("stream") for request in server.requests] == [None]  # it is known now
    known = cache.get(server.base_url, "mock")
    assert known is not None and known.logprobs and known.temperature


@pytest.mark.parametrize(
    "message",
    [
        refusal("Unknown parameter: stream_options", "stream_options.include_usage"),
        refusal("stream_options is not supported"),
        refusal("'stream_options' is only for a stream"),
    ],
)
async def test_a_complaint_about_stream_options_leaves_the_stream(
    server: MockServer, make: Make, message: Reply
) -> None:
    server.answer = lambda body: message if "stream_options" in body else "A whole story"
    pieces: list[str] = []
    await make().complete(ASK, on_text=pieces.append)
    assert len(pieces) > 2 and "".join(pieces) == "A whole story"
    assert [request.get("stream") for request in server.requests] == [True, True]


async def test_cancelling_ends_the_request(server: MockServer, make: Make) -> None:
    server.plan(Reply(hang=True))
    task = asyncio.create_task(make().complete(ASK))
    while not server.requests:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        while not server.cancelled:
            await asyncio.sleep(0)


def picky(**refused: str) -> Callable[[dict[str, Any]], str | Reply]:
    """An endpoint that refuses the options named, with these messages."""

    def answer(body: dict[str, Any]) -> str | Reply:
        for option, message in refused.items():
            if option in body and (option != "n" or body["n"] > 1):
                return refusal(message, None)
        return "ok"

    return answer


async def test_without_n_there_are_calls_at_once(server: MockServer, make: Make) -> None:
    server.answer = picky(n="Only one completion is supported: 'n' must be 1")
    cache = CapabilityCache()
    chat = make(capabilities=cache)
    first = await chat.complete(ASK, n=3)
    assert first.texts == ("ok",) * 3
    assert first.usage.calls == 3
    assert first.tries == len(server.requests) == 4
    await chat.complete(ASK, n=2)
    assert len(server.requests) == 6  # it is known now
    await make(capabilities=cache).complete(ASK, n=2)
    assert len(server.requests) == 8
    assert all("n" not in request for request in server.requests[1:])
    assert all(request["logprobs"] for request in server.requests)


async def test_an_endpoint_that_overlooks_n_is_asked_for_the_rest(server: MockServer, make: Make) -> None:
    one = {"choices": [{"message": {"content": "first"}, "finish_reason": "stop"}]}
    server.plan(Reply(body=one))
    chat = make()
    assert (await chat.complete(ASK, n=3)).texts == ("first", "ok", "ok")
    await chat.complete(ASK, n=2)
    assert all("n" not in request for request in server.requests[1:])


async def test_one_failure_of_several_calls_is_the_failure(server: MockServer, make: Make) -> None:
    server.plan(refusal("n is not supported", "n"), Reply(), Reply(status=401))
    with pytest.raises(ModelUnavailable, match="refuses the key"):
        await make().complete(ASK, n=3)


async def test_what_the_others_cost_is_known_when_one_of_several_calls_fails(server: MockServer, make: Make) -> None:
    server.plan(refusal("n is not supported", "n"), Reply(), Reply(status=401), Reply())
    with pytest.raises(ModelUnavailable, match="refuses the key") as caught:
        await make(prices={"mock": Price(input=10.0, output=100.0, cached=1.0)}).complete(ASK, n=3)
    usage = caught.value.usage  # type: ignore[attr-defined]
    assert (usage.prompt, usage.completion, usage.calls) == (40, 10, 2)
    assert usage.cost_usd == pytest.approx(2 * (16 * 10 + 4 * 1 + 5 * 100) / 1e6)
    assert caught.value.tries == len(server.requests) == 4


async def test_cancelling_several_calls_ends_them_all(server: MockServer, make: Make) -> None:
    server.plan(refusal("n is not supported", "n"), Reply(hang=True), Reply(hang=True), Reply(hang=True))
    task = asyncio.create_task(make().complete(ASK, n=3))
    async with asyncio.timeout(5):
        while len(server.requests) < 4:
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        while server.cancelled < 3:
            await asyncio.sleep(0)


PAID = {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 500}}
PAID_STREAM = b"".join(
    b"data: " + json.dumps(chunk).encode() + b"\n\n"
    for chunk in ({"choices": [{"index": 0, "delta": {"content": "hal"}}]}, PAID)
)


@pytest.mark.parametrize(
    "wasted",
    [
        Reply(body=PAID),
        Reply(body={**PAID, "error": {"message": "upstream is down", "code": 502}}),
        Reply(body=PAID_STREAM, headers={"content-type": "text/event-stream"}),
    ],
    ids=["no choices", "an error", "half a stream"],
)
async def test_answers_that_are_of_no_use_are_paid_too(server: MockServer, make: Make, wasted: Reply) -> None:
    on_text = None if isinstance(wasted.body, dict) else lambda text: None
    server.plan(wasted, Reply(status=500), Reply())
    completion = await make().complete(ASK, on_text=on_text)
    assert completion.text == "ok" and completion.tries == 3
    assert completion.usage == Usage(1020, 505, 4, 2)
    server.answer = lambda body: Reply(body=PAID)
    with pytest.raises(ModelUnavailable) as caught:
        await make(retries=1).complete(ASK)
    assert caught.value.usage == Usage(2000, 1000, 0, 2)  # type: ignore[attr-defined]
    assert caught.value.tries == 2


async def test_what_was_spent_on_thinking_and_on_the_first_of_several_is_in_the_fault(
    server: MockServer, make: Make
) -> None:
    server.plan(Reply(("",), finish_reason="length"), Reply(status=401))
    with pytest.raises(ModelUnavailable) as caught:
        await make().complete(ASK)
    assert (caught.value.usage, caught.value.tries) == (Usage(20, 5, 4, 1), 2)  # type: ignore[attr-defined]
    one = {"choices": [{"message": {"content": "first"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 1}}
    server.plan(Reply(body=one), Reply(status=401), Reply(status=401))
    with pytest.raises(ModelUnavailable) as caught:
        await make().complete(ASK, n=3)  # it overlooks `n`
    assert (caught.value.usage, caught.value.tries) == (Usage(7, 1, 0, 1), 3)  # type: ignore[attr-defined]


async def test_without_schemas_the_schema_goes_into_the_prompt(server: MockServer, make: Make) -> None:
    server.answer = picky(response_format="response_format is not supported by this model")
    chat = make()
    await chat.complete(ASK, schema=ACTION)
    kinds = [request.get("response_format", {}).get("type") for request in server.requests]
    assert kinds == ["json_schema", "json_schema", "json_object", None]
    assert '{"const":"list"}' in server.requests[-1]["messages"][-1]["content"]
    await chat.complete(ASK, schema=ACTION)
    assert len(server.requests) == 5


async def test_reasoning_models(server: MockServer, make: Make) -> None:
    server.answer = picky(
        max_tokens="Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        temperature="Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is supported.",
    )
    chat = make()
    await chat.complete(ASK, max_tokens=50)
    server.plan(Reply(("",), finish_reason="length"))
    completion = await chat.complete(ASK, max_tokens=50)
    last = server.requests[-1]
    assert completion.text == "ok"
    assert completion.usage.calls == 2
    assert last["max_completion_tokens"] > 50
    assert "temperature" not in last
    assert "max_tokens" not in last


async def test_a_refusal_that_names_nothing_costs_the_most_optional_first(server: MockServer, make: Make) -> None:
    server.answer = picky(logprobs="Bad request")
    await make().complete(ASK, n=2, schema=ACTION)
    assert "logprobs" not in server.requests[-1]
    assert server.requests[-1]["n"] == 2
    assert "response_format" in server.requests[-1]


async def test_a_refusal_of_everything_ends(server: MockServer, make: Make) -> None:
    server.answer = lambda body: refusal("I do not like you")
    cache = CapabilityCache()
    with pytest.raises(ModelUnavailable, match="I do not like you"):
        await make(capabilities=cache).complete(ASK, n=3, schema=ACTION, stop=["x"])
    assert len(server.requests) < 20
    assert cache.get(server.base_url, "mock") is None  # nothing is learnt from what did not work in the end


async def test_what_was_learnt_is_kept_in_a_file(server: MockServer, make: Make, tmp_path: Path) -> None:
    server.answer = picky(n="'n' is not supported", logprobs="logprobs are not supported")
    file = tmp_path / "cache" / "capabilities.json"
    await make(capabilities=file).complete(ASK, n=2)
    server.requests.clear()
    await make(capabilities=file).complete(ASK, n=2)
    assert len(server.requests) == 2
    file.write_text("{broken")
    await make(capabilities=file).complete(ASK, n=2)
    assert json.loads(file.read_text())[f"{server.base_url} mock"]["n"] is False


async def test_connections_are_shared_and_closed_with_the_last(server: MockServer, make: Make) -> None:
    first, second = make(), make()
    await first.complete(ASK)
    await second.complete(ASK)
    assert len(server.connections) == 1
    await first.aclose()
    assert len(server.connections) == 1
    await second.aclose()
    async with asyncio.timeout(5):
        while server.connections:
            await asyncio.sleep(0)
    assert (await first.complete(ASK)).text == "ok"  # it may be used again


def test_one_object_in_several_event_loops() -> None:
    with MockServer().in_thread() as server:
        chat = OpenAIChat("mock", base_url=server.base_url, capabilities=CapabilityCache())

        async def ask() -> str:
            try:
                return (await chat.complete(ASK)).text
            finally:
                await chat.aclose()

        assert [asyncio.run(ask()) for _ in range(3)] == ["ok"] * 3


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://x/y", "http://", "http://[::1", "file:///etc/passwd"])
def test_a_base_url_that_is_none(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wornpath.llm.faults._setters", {})  # commands that ran in this process may have named others
    with pytest.raises(UsageError, match="OPENAI_BASE_URL"):
        OpenAIChat("m", base_url=url or " ")


def test_the_key_is_not_in_the_representation() -> None:
    chat = OpenAIChat("m", base_url="https://user:word@host/v1", api_key=KEY)
    assert repr(chat) == "OpenAIChat('m', base_url='https://host/v1')"
