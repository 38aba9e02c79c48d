"""Which endpoint is used with which key, and what a folder's own file may not decide by itself."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from wornpath.cli.output import note
from wornpath.cli.terminal import confirm, interactive
from wornpath.core import UsageError

if TYPE_CHECKING:
    from wornpath.cli.settings import Loaded

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def endpoint(loaded: Loaded) -> tuple[str | None, str | None]:
    """The base URL and the key to use; None where there is none.

    A base URL from a project file came with the folder, perhaps from a stranger, and gets the user's files and key: it is asked about,
    except for a server on this machine, which is used without the key. A key from the same file may go where that file says.

    Raises UsageError where it must be asked and nobody is there.
    """
    from urllib.parse import urlsplit

    _name_setters(loaded)
    settings = loaded.settings
    url, key = settings.base_url, settings.api_key.get_secret_value() if settings.api_key else None
    origin = loaded.origin("base_url")
    if url is None or origin.kind != "project":
        return url, key
    own = key if loaded.origin("api_key").kind == "project" else None
    if urlsplit(url).hostname in LOOPBACK:
        if key and not own:
            note(f"Your key is not sent to {url}, which {origin.name} names.")
        return url, own
    goes = "your key and the material of this run" if key and not own else "the material of this run"
    if not interactive():
        raise UsageError(
            f"{origin.name} would send {goes} to {url}, and nobody can be asked here. Set OPENAI_BASE_URL={url} yourself if that is right."
        )
    confirm(f"{origin.name} in this folder sends {goes} to {url}. Is that right?", yes=False)
    return url, key


def _name_setters(loaded: Loaded) -> None:
    """Let the endpoint's errors say which variable or file to look at."""
    from wornpath.llm.clients import shown
    from wornpath.llm.faults import Setters, set_by
    from wornpath.llm.openai_chat import OPENAI_URL

    named: dict[str, str] = {}
    for name in ("base_url", "api_key"):
        origin = loaded.origin(name)
        if origin.kind != "default":
            named[name] = origin.name if origin.kind == "environment" else f"{name} in {origin.name}"
    url = loaded.settings.base_url or OPENAI_URL
    set_by(url, Setters(**named))
    with contextlib.suppress(ValueError):  # no address; the model's resolver says so
        set_by(shown(url), Setters(**named))
