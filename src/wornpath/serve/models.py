"""The models that runs use, opened once each and shared by all runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wornpath.core import WornpathError
from wornpath.llm.chat import Chat

Opener = Callable[[str | None], Chat]
"""Gives the model of a name, or the server's own for None. May take long; raises the errors of `wornpath.llm.resolve`."""


class Models:
    """Opens models by name with OPENER, in a thread, and keeps them."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._opened: dict[str | None, Chat] = {}
        self._lock = asyncio.Lock()
        self.problem = ""
        """Why the server's own model could not be opened at the last try."""

    @property
    def default(self) -> str:
        """The name of the server's own model; empty until it was opened."""
        chat = self._opened.get(None)
        return chat.model if chat is not None else ""

    async def open(self, name: str | None = None) -> Chat:
        """The model called NAME. Raises UsageError, NeedsPerson or ModelUnavailable."""
        async with self._lock:
            if name not in self._opened:
                try:
                    self._opened[name] = await asyncio.to_thread(self._opener, name)
                except WornpathError as error:
                    if name is None:
                        self.problem = str(error)
                    raise
            if name is None:
                self.problem = ""
            return self._opened[name]

    def opened(self) -> list[Chat]:
        return list(self._opened.values())
