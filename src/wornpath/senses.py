"""A run's eyes and ears: its model, asked about a picture or a recording. The question and the answer are recorded, not what is sent."""

from __future__ import annotations

import base64
from collections.abc import Awaitable
from typing import Any

from wornpath.core import ModelAnswerError, ModelUnavailable, ToolError
from wornpath.llm.chat import Completion
from wornpath.model_calls import ModelCalls


class ModelSenses:
    """Implements `tools.tool.Senses` with a run's MODEL."""

    def __init__(self, model: ModelCalls) -> None:
        self.model = model

    async def see(self, name: str, image: bytes, media_type: str, question: str) -> str:
        link = f"data:{media_type};base64,{base64.b64encode(image).decode()}"
        content = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": link}}]
        request = self.model.chat.complete(
            [{"role": "user", "content": content}], max_tokens=self.model.chat.sizes.result
        )
        return await self._told("see", f"{question}\n[{name}: {media_type}, {len(image):,} bytes]", request, "picture")

    async def hear(self, name: str, sound: bytes) -> str:
        chat: Any = self.model.chat
        request = chat.transcribe(name, sound)
        return await self._told("hear", f"[{name}: a recording, {len(sound):,} bytes]", request, "recording")

    async def _told(self, purpose: str, shown: str, request: Awaitable[Completion], what: str) -> str:
        try:
            return (await self.model.ask(purpose, [{"role": "user", "content": shown}], request)).text
        except (ModelUnavailable, ModelAnswerError) as error:
            raise ToolError(f"The model was sent the {what} and did not take it. {error}") from None
