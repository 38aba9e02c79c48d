"""Any endpoint that speaks Chat Completions, through the `openai` SDK with plain dicts (its typed layer costs far more CPU)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wornpath.core import Usage
from wornpath.llm import clients
from wornpath.llm.capabilities import Capabilities, CapabilityCache, adapt
from wornpath.llm.chat import Completion, Message, Sizes
from wornpath.llm.faults import Fault
from wornpath.llm.pricing import Price, price_of
from wornpath.llm.wire import Request, Streamed, joined, read_answer, told_usage

OPENAI_URL = "https://api.openai.com/v1"
_LONGEST_WAIT = 120.0
_capabilities = CapabilityCache()


class OpenAIChat:
    """MODEL at BASE_URL (api.openai.com when None), with API_KEY.

    `timeout` is the longest silence in seconds; an attempt ends after five times that in any case. Attempts that end in a time-out, a lost
    connection, 408, 409, 429, 5xx or a malformed answer are repeated `retries` times, after `backoff` seconds doubling each time, or
    after what Retry-After says. `prices` come before the built-in table. `capabilities` is a cache, or the path of its file.
    `senses`: whether pictures and recordings are sent to it; `audio_model` writes down recordings.
    One object may serve several event loops, one after another or at once; connections are shared between objects.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        sizes: Sizes | None = None,
        prices: Mapping[str, Price] | None = None,
        capabilities: CapabilityCache | Path | None = None,
        timeout: float = 120.0,
        retries: int = 3,
        backoff: float = 0.5,
        max_bytes: int = 32 * 2**20,
        senses: bool = True,
        audio_model: str = "whisper-1",
    ) -> None:
        self.model = model
        self.senses, self.audio_model = senses, audio_model
        self.sizes = sizes or Sizes.large()
        self.base_url = (base_url or OPENAI_URL).rstrip("/")
        clients.check_url(self.base_url)
        self.price = price_of(model, prices)
        """None when it is unknown: then `Usage.cost_usd` stays 0, unless the endpoint says what a call cost."""
        self.timeout, self.retries, self.backoff, self.max_bytes = timeout, retries, backoff, max_bytes
        self._key = api_key or ""
        self._cache = CapabilityCache(capabilities) if isinstance(capabilities, Path) else capabilities or _capabilities
        self._known: Capabilities | None = None

    def __repr__(self) -> str:
        return f"OpenAIChat({self.model!r}, base_url={clients.shown(self.base_url)!r})"

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        n: int = 1,
        max_tokens: int = 256,
        temperature: float = 0.0,
        stop: Sequence[str] | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Completion:
        """As `Chat` has it. Under a schema the pieces that ON_TEXT gets are as the endpoint sends them; where it does not stream, the
        text comes as one piece.

        Raises ModelUnavailable when the endpoint cannot be used, ModelAnswerError when the prompt is too long for the model. Either
        has `usage`: what the requests cost that were answered all the same.
        """
        request = Request(messages, schema, max(n, 1), max_tokens, temperature, stop, on_text if n == 1 else None)
        known = self._known or self._cache.get(self.base_url, self.model) or self._first_guess()
        try:
            completion, learnt = await self._ask(request, known)
        except Fault as fault:
            raise fault.for_people(clients.shown(self.base_url), self.model, self._key) from None
        self._known = learnt
        if learnt != known:
            self._cache.put(self.base_url, self.model, learnt)
        return completion

    async def transcribe(self, name: str, sound: bytes) -> Completion:
        """What is said in the recording SOUND, the file NAME, by the endpoint's `audio/transcriptions`. Raises as `complete`."""
        attempt = 0
        while True:
            try:
                async with asyncio.timeout(5 * self.timeout):
                    client = clients.acquire(self, self.base_url, self._key, self.timeout, self.max_bytes)
                    made = await client.audio.transcriptions.create(model=self.audio_model, file=(name, sound))
                return Completion((str(made.text),), usage=Usage(calls=1), model=self.audio_model, tries=attempt + 1)
            except Exception as error:
                fault = Fault.of(error)
                if fault is None:
                    raise
            attempt += 1
            try:
                wait = self._wait(fault, attempt)
            except Fault:
                raise fault.for_people(clients.shown(self.base_url), self.audio_model, self._key) from None
            await asyncio.sleep(wait)

    async def aclose(self) -> None:
        """Close this event loop's connections, unless another object uses them. The object may be used again."""
        await clients.release(self)

    def _first_guess(self) -> Capabilities:
        # Every model of OpenAI takes the new name; hardly any other server does.
        return Capabilities(token_field="max_completion_tokens" if self.base_url == OPENAI_URL else "max_tokens")

    async def _ask(self, request: Request, can: Capabilities) -> tuple[Completion, Capabilities]:
        """The completion, and what has been learnt on the way to it. A Fault that it raises has the usage of all that was sent."""
        had: list[Completion] = []
        spent, sent = Usage(), 0
        while True:
            several = request.n > 1 and not can.n
            body = {} if several else request.body(self.model, can)
            try:
                if several:
                    completion, can = await self._several(request, can)
                else:
                    completion = await self._send(request, body)
            except Fault as fault:
                spent, sent = spent + fault.usage, sent + fault.sent
                fault.usage, fault.sent = spent, sent
                weaker = adapt(can, body, fault.detail, fault.param) if fault.refused_option else None
                if weaker is None or weaker == can:
                    raise
                can = weaker
                continue
            spent, sent = spent + completion.usage, sent + completion.tries
            if completion.finish_reason == "length" and not any(completion.texts) and not can.reasoning:
                can = replace(can, reasoning=True)
                continue  # all of max_tokens went into thinking
            had.append(completion)
            missing = request.n - len(completion.texts)
            if missing <= 0:
                return replace(joined(had), usage=spent, tries=sent), can
            can = replace(can, n=False)  # it overlooked `n`
            request = replace(request, n=missing, one_of_several=True)

    async def _several(self, request: Request, can: Capabilities) -> tuple[Completion, Capabilities]:
        """The n completions by as many calls at once, for an endpoint without `n`. All are waited for, even when one fails: what the
        others cost is known only then."""
        single = replace(request, n=1, one_of_several=True)
        results = await asyncio.gather(*(self._ask(single, can) for _ in range(request.n)), return_exceptions=True)
        made: list[tuple[Completion, Capabilities]] = []
        faults: list[Fault] = []
        for result in results:
            if isinstance(result, Fault):
                faults.append(result)
            elif isinstance(result, BaseException):
                raise result  # no fault of the endpoint's
            else:
                made.append(result)
        if faults:
            usage = sum([fault.usage for fault in faults] + [part.usage for part, _ in made], Usage())
            sent = sum(fault.sent for fault in faults) + sum(part.tries for part, _ in made)
            faults[0].usage, faults[0].sent = usage, sent
            raise faults[0]
        return joined([part for part, _ in made]), made[0][1]

    async def _send(self, request: Request, body: dict[str, Any]) -> Completion:
        """The endpoint's answer to BODY, which is REQUEST in its terms. Raises Fault when it fails for good."""
        attempt, spent, shown = 0, Usage(), False
        while True:
            streamed = Streamed(request.on_text) if "stream" in body else None
            answer: Any = None
            try:
                async with asyncio.timeout(5 * self.timeout):
                    answer = await self._attempt(body, streamed)
                completion = read_answer(answer, request, self.model, self.price)
                break
            except Exception as error:
                fault = Fault.of(error)
                if fault is None:
                    raise
            attempt += 1
            told = {"usage": streamed.usage} if streamed is not None else answer
            spent += told_usage(told, request.messages, self.price)
            fault.usage = spent
            wait = self._wait(fault, attempt)
            if streamed is not None and (fault.kind != "status" or streamed.began):
                # The endpoint may not know streams; and what was shown cannot be taken back, so the next attempt is quiet.
                body = {key: value for key, value in body.items() if key not in ("stream", "stream_options")}
                shown = streamed.began
            await asyncio.sleep(wait)
        if request.on_text is not None and streamed is None and completion.text and not shown:
            request.on_text(completion.text)
        return replace(completion, usage=completion.usage + spent, tries=attempt + 1)

    def _wait(self, fault: Fault, attempt: int) -> float:
        """Seconds to wait after attempt number ATTEMPT, which ended in FAULT. Raises FAULT where another is not worth it."""
        fault.tries = fault.sent = attempt
        wait = fault.retry_after or min(8.0, self.backoff * 2 ** (attempt - 1)) * random.uniform(0.75, 1.0)
        if attempt > self.retries or not fault.transient or wait > _LONGEST_WAIT:
            raise fault
        return wait

    async def _attempt(self, body: dict[str, Any], streamed: Streamed | None) -> Any:
        client = clients.acquire(self, self.base_url, self._key, self.timeout, self.max_bytes)
        if streamed is None:
            return await client.post("/chat/completions", body=body, cast_to=object)
        from openai import AsyncStream

        stream = await client.post(
            "/chat/completions", body=body, cast_to=object, stream=True, stream_cls=AsyncStream[object]
        )
        async with stream:
            async for chunk in stream:
                streamed.add(chunk)
        return streamed.whole()
