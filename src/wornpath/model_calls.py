"""Calls of the language model, each within the run's budget and recorded."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wornpath.core import WornpathError, to_json
from wornpath.guard import Session
from wornpath.llm.chat import Chat, Completion, Message


@dataclass(slots=True)
class ModelCalls:
    """Awaits requests to CHAT for the run of SESSION."""

    session: Session
    chat: Chat

    async def ask(
        self, purpose: str, messages: Sequence[Message], request: Awaitable[Completion], n: int = 1
    ) -> Completion:
        """Await REQUEST within the budget, and record the call."""
        data: dict[str, Any] = {"purpose": purpose, "model": self.chat.model, "n": n, "messages": list(messages)}
        started = time.monotonic()
        try:
            completion = await request
        except WornpathError as error:
            wasted = to_json(getattr(error, "usage", {}))  # answers that are of no use are paid, too
            self.session.record(
                "model.called",
                {
                    **data,
                    "usage": {"calls": 1, **wasted},
                    "seconds": time.monotonic() - started,
                    "texts": [],
                    "error": str(error),
                    "tries": getattr(error, "tries", 1),
                },
            )
            raise
        usage = completion.usage if completion.usage.calls else replace(completion.usage, calls=1)
        data |= {
            "usage": to_json(usage),
            "seconds": round(time.monotonic() - started, 3),
            "texts": list(completion.texts),
            "tries": completion.tries or usage.calls,
        }
        self.session.record("model.called", data)
        return completion
