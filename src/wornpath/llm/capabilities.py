"""What an endpoint can do, learnt from what it refuses: no call is spent on asking.

A request is first sent with everything. When the endpoint answers 400 or 422, the option that its message names (else the most optional one
that was sent) is given up, the request is sent again, and what worked is remembered under the base URL and model.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from wornpath.core import from_json

_KEEP_SECONDS = 30 * 86400
"""An endpoint may learn, too: after this it is tried with everything again."""

SchemaMode = Literal["strict", "json_schema", "json_object", "none"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an endpoint and model take. `reasoning` models think within `max_tokens`, so they are given more of them."""

    n: bool = True
    logprobs: bool = True
    schema: SchemaMode = "strict"
    temperature: bool = True
    stop: bool = True
    stream: bool = True
    stream_usage: bool = True
    token_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    reasoning: bool = False


# In the order in which they are given up when the endpoint does not say what it minds.
_OPTIONS: Mapping[str, re.Pattern[str]] = {
    "stream_options": re.compile(r"stream_options|include_usage"),
    "stream": re.compile(r"\bstream(?:ing|ed)?\b"),
    "logprobs": re.compile(r"log_?prob"),
    "response_format": re.compile(
        r"response_format|json_?schema|json_?object|json mode|structured output|grammar|\bschema\b"
    ),
    "n": re.compile(
        r"""['"`]n['"`]|\bn ?(?:>|=|must|should|is|parameter)|multiple (?:completion|choice)"""
        "|number of (?:completion|choice)|n_parallel|n_cmpl"
    ),
    "stop": re.compile(r"\bstop\b"),
    "temperature": re.compile(r"temperature"),
    "max_tokens": re.compile(r"max_tokens|max_completion_tokens"),
    "max_completion_tokens": re.compile(r"max_completion_tokens"),
}


def adapt(capabilities: Capabilities, body: Mapping[str, Any], message: str, param: str | None) -> Capabilities | None:
    """CAPABILITIES without what made the endpoint refuse BODY with MESSAGE; None when nothing is left to give up."""
    sent = [option for option in _OPTIONS if option in body]
    text = message.lower()
    named = [o for o in sent if param and param.split(".")[0].split("[")[0] == o] or [
        o for o in sent if _OPTIONS[o].search(text)
    ]
    if not named and param:
        return None  # it minds something that has to be sent
    for option in named or sent[:1]:
        if option == "response_format":
            return replace(capabilities, schema=_weaker(body["response_format"]))
        if option == "max_tokens":
            return replace(capabilities, token_field="max_completion_tokens")
        if option == "max_completion_tokens":
            return replace(capabilities, token_field="max_tokens") if "max_tokens" in text.replace(option, "") else None
        if option == "stream_options":
            return replace(capabilities, stream_usage=False)
        return replace(capabilities, **{option: False})  # type: ignore[arg-type]
    return None


def _weaker(response_format: Mapping[str, Any]) -> SchemaMode:
    if response_format["type"] == "json_schema":
        return "json_schema" if response_format["json_schema"].get("strict") else "json_object"
    return "none"


class CapabilityCache:
    """What is known of endpoints, in this process and, given a PATH, in a small JSON file. A file that cannot be used is done without."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._known: dict[str, Capabilities] = {}
        self._read = path is None

    def get(self, base_url: str, model: str) -> Capabilities | None:
        if not self._read:
            self._known = {**self._load(), **self._known}
            self._read = True
        return self._known.get(f"{base_url} {model}")

    def put(self, base_url: str, model: str, capabilities: Capabilities) -> None:
        key = f"{base_url} {model}"
        self._known[key] = capabilities
        if self.path is None:
            return
        records = {**self._records(), key: {"time": int(time.time()), **asdict(capabilities)}}
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(records, file, indent=1)
            Path(name).replace(self.path)

    def _records(self) -> dict[str, Any]:
        assert self.path is not None
        try:
            records = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return records if isinstance(records, dict) else {}

    def _load(self) -> dict[str, Capabilities]:
        known = {}
        for key, record in self._records().items():
            with contextlib.suppress(TypeError, ValueError, AttributeError):
                if time.time() - record["time"] < _KEEP_SECONDS:
                    known[key] = from_json(Capabilities, record)
        return known
