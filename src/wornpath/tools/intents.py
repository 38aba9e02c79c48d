"""What a tool notes before it changes something, so that a run that was cut off can tell whether the change was made.

The note lies in the run's folder under the idempotency key of the action, whole, before the change begins: no note for a key means that
nothing was done for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wornpath.core import ToolError
from wornpath.tools.tool import ToolContext

NAME = "intent.json"


def note(context: ToolContext, **marks: Any) -> None:
    """Keep MARKS (plain JSON) under the key of the action in hand; they replace those of the action before. Without a run there
    is nothing to note for. Raises ToolError when the run's folder cannot be written; then the change must not be made."""
    if context.run_folder is None or not context.key:
        return
    file = context.run_folder / NAME
    temporary = file.with_suffix(".new")
    try:
        with temporary.open("w", encoding="ascii") as stream:
            json.dump({"key": context.key, **marks}, stream)
        temporary.replace(file)
    except OSError as error:
        raise ToolError(
            f"The run's folder {context.run_folder} cannot be written: {error.strerror or error}; nothing was changed."
        ) from error


def noted(context: ToolContext) -> Mapping[str, Any] | None:
    """What was noted for the action in hand; None when it had not come to changing anything."""
    if context.run_folder is None or not context.key:
        return None
    try:
        marks = json.loads((context.run_folder / NAME).read_text("ascii"))
    except (OSError, ValueError):
        return None
    return marks if isinstance(marks, dict) and marks.get("key") == context.key else None
