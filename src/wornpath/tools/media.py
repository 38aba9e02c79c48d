"""Pictures and sounds: what they show and say, told by the model. Offered where the model is one that sees and hears."""

from __future__ import annotations

import posixpath
from typing import Annotated

from wornpath.core import Entity, Observation, ToolError
from wornpath.tools.decorator import tool
from wornpath.tools.documents import describe
from wornpath.tools.files import need
from wornpath.tools.schema import Limit
from wornpath.tools.tool import ToolContext, WorkspacePath

MAX_IMAGE, MAX_SOUND = 15 << 20, 25 << 20
IMAGES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
SOUNDS = (".wav", ".mp3", ".m4a", ".ogg", ".flac", ".webm", ".mp4", ".mpga", ".mpeg", ".oga", ".opus")


@tool(risk="read", kinds=("find", "read"))
async def look_at_image(
    context: ToolContext,
    path: Annotated[str, WorkspacePath],
    question: Annotated[str, Limit(300)] = "What does it show? Write down all words and numbers in it.",
) -> Observation:
    """See what a picture shows, and the words in it.

    Args:
        path: a PNG, JPEG, GIF or WebP file
        question: what to look for
    """
    name, data = _read(context, path, MAX_IMAGE)
    kind = next((kind for begins, kind in IMAGES.items() if data.startswith(begins)), "")
    kind = "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else kind
    if not kind:
        raise ToolError(f"{name} is no PNG, JPEG, GIF or WebP picture; use read_file for texts and documents.")
    assert context.senses is not None
    return _told(context, name, await context.senses.see(name, data, kind, question), "shows")


@tool(risk="read", kinds=("find", "read"))
async def transcribe(context: ToolContext, path: Annotated[str, WorkspacePath]) -> Observation:
    """Write down what is said in a sound file."""
    name, data = _read(context, path, MAX_SOUND)
    if posixpath.splitext(name)[1].casefold() not in SOUNDS:
        raise ToolError(f"{name} is no sound file that can be heard; the endings are {', '.join(SOUNDS)}.")
    assert context.senses is not None
    return _told(context, name, await context.senses.hear(name, data), "says")


def _read(context: ToolContext, path: str, most: int) -> tuple[str, bytes]:
    need(context.workspace, path)
    name = context.workspace.relative(path)
    if context.workspace.is_folder(path):
        raise ToolError(f"{name} is a folder; use list_files to see what is in it.")
    if context.senses is None:
        raise ToolError("This model neither sees nor hears; an endpoint with a model that does is needed.")
    with context.workspace.open_read(name) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise ToolError(f"{name} is larger than {most >> 20} MB, more than the model takes; make it smaller first.")
    return name, data


def _told(context: ToolContext, name: str, text: str, verb: str) -> Observation:
    text = text.strip()
    entity = Entity(name, "file", detail=describe(name, context.workspace))
    if not text:
        return Observation.of(f"Nothing was made out in {name}.", "empty", entities=(entity,))
    shown = text if len(text) <= context.max_chars else text[: context.max_chars] + "…"
    return Observation.of(shown, facts=(f"{name} {verb}: {' '.join(text.split())[:200]}",), entities=(entity,))


MEDIA = (look_at_image, transcribe)
