"""What a tool returned or raised, as an observation of bounded size without a traceback or a path of the host."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
from collections.abc import Mapping
from typing import Any

from wornpath.core import Observation, Part, ToolError, to_json
from wornpath.tools.encoding import looks_like
from wornpath.tools.tool import ToolContext

_MAX_FACTS, _FACT_CHARS, _MAX_ENTITIES = 20, 300, 200
# C0 and C1 controls but tab and line feed, bidirectional overrides, and lone surrogates, which no store can encode
_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def to_observation(value: Any, limit: int) -> Observation:
    """VALUE as an observation of about LIMIT characters: text as it is, None as `done`, data as JSON, other objects as they print."""
    if isinstance(value, Observation):
        return _bounded_observation(value, limit)
    if value is None:
        return Observation.of("done")
    if isinstance(value, (str, bytes, list, tuple, dict, set, frozenset)) and not value:
        return Observation.of("The result is empty.", "empty")
    if isinstance(value, Part):
        told = (
            () if value.text else (Part(text=f"{value.kind} {value.path}".strip()),)
        )  # all that the model is told of it
        return _bounded_observation(Observation(parts=(*told, value)), limit)
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = _decoded(bytes(value), limit)
    elif not _is_data(value):
        value = str(value)
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return Observation.of(clip(value, limit))
    return Observation.of(clip(json_text(value, limit), limit))


def _decoded(value: bytes, limit: int) -> str:
    """VALUE as text where it is text, else what there is to say of it."""
    head = value[: 4 * limit + 4]
    try:
        return head.decode("utf-8") + ("" if len(head) == len(value) else " …")
    except UnicodeDecodeError as error:
        if error.start >= len(head) - 3 and len(head) < len(value):  # cut in the middle of a character
            return head[: error.start].decode("utf-8") + " …"
    looks = looks_like(value)
    return f"{len(value):,} bytes, no text" + (f"; looks like {looks}" if looks else "")


def _is_data(value: Any) -> bool:
    """Whether VALUE has a JSON form of its own."""
    if isinstance(value, (str, bool, int, float, enum.Enum, Mapping, list, tuple, set, frozenset)):
        return True
    return hasattr(value, "model_dump") or dataclasses.is_dataclass(value) or hasattr(value, "tolist")


def from_error(name: str, error: BaseException, context: ToolContext) -> Observation:
    """ERROR as an observation of class `error`: one sentence, with its type where it was not meant for people."""
    root = str(context.workspace.root)
    if isinstance(error, ToolError):  # written for people: only the workspace's own place is taken out
        text = _relative(str(error), root) or f"{name} could not do it."
        return Observation.of(clip(text, min(1200, context.max_chars)), "error")
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{name} failed: {error.strerror or type(error).__name__}: {error.filename}"
    else:
        message = " ".join(str(error)[:2000].split())
        text = f"{name} failed: {type(error).__name__}" + (f": {message}" if message else "")
    text = re.sub(r"(?<![\w:/.])/(?:[^\s/'\":]+/)+([^\s/'\":]*)", r"…/\1", _relative(text, root))
    return Observation.of(clip(text, min(600, context.max_chars)), "error")


def clip(text: str, limit: int) -> str:
    """TEXT, cleaned, at most about LIMIT characters of it: its beginning and its end with a note in between."""
    if len(text) <= limit:
        return clean(text)
    tail = limit // 4
    note = f"\n[… {len(text):,} characters in all; {len(text) - limit:,} left out here …]\n"
    return clean(text[: limit - tail]) + note + clean(text[-tail:] if tail else "")


def clean(text: str) -> str:
    """TEXT with Unix line ends and without characters that move a cursor, reverse direction, or cannot be stored."""
    if text.isascii() and text.isprintable():
        return text
    return _BAD.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def json_text(value: Any, limit: int) -> str:
    """VALUE as JSON, at most a little over LIMIT characters of it, without ever building the rest."""
    left = [limit]
    return json.dumps(_bounded(value, left, 0), ensure_ascii=False, default=lambda o: str(o)[: limit + 1])


def _bounded(value: Any, left: list[int], depth: int) -> Any:
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, (bool, int, float)):
        left[0] -= 6
        return value
    if isinstance(value, str):
        kept = value[: max(left[0], 0) + 1]
        left[0] -= len(kept) + 2
        return kept if len(kept) == len(value) else kept + f"… ({len(value):,} characters)"
    if depth > 40:
        return "…"
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        out: dict[str, Any] = {}
        for key, item in value.items():
            if left[0] <= 0:
                out["…"] = f"{len(value) - len(out):,} more"
                break
            left[0] -= len(str(key)) + 4
            out[str(key)] = _bounded(item, left, depth + 1)
        return out
    if isinstance(value, (list, tuple, set, frozenset)):
        items: list[Any] = []
        for item in value:
            if left[0] <= 0:
                items.append(f"… {len(value) - len(items):,} more")
                break
            items.append(_bounded(item, left, depth + 1))
        return items
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return _bounded(value.tolist(), left, depth + 1)
    try:
        return _bounded(to_json(value), left, depth + 1)
    except TypeError:
        return _bounded(str(value), left, depth + 1)


def _bounded_observation(seen: Observation, limit: int) -> Observation:
    left, parts = limit, []
    for part in seen.parts:
        if part.kind == "text" and part.text:
            if left <= 0:
                parts.append(Part(text=f"[… {len(part.text):,} more characters left out …]"))
                break
            text = clip(part.text, left)
            left -= len(text)
            part = part if text == part.text else dataclasses.replace(part, text=text)
        parts.append(part)
    return dataclasses.replace(
        seen,
        parts=tuple(parts),
        facts=tuple(clip(f, _FACT_CHARS) for f in seen.facts[:_MAX_FACTS]),
        entities=seen.entities[:_MAX_ENTITIES],
    )


def _relative(text: str, root: str) -> str:
    """TEXT with paths in the workspace at ROOT made relative."""
    return text.replace(root.rstrip("/") + "/", "").replace(root, ".") if root != "/" else text
