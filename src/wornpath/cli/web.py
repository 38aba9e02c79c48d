"""What `wornpath serve` and `wornpath run --web` share: the server's settings out of ours, its models, and the page's address."""

from __future__ import annotations

import contextlib
import html
import locale
import os
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from wornpath.cli.output import note
from wornpath.core import UsageError, WornpathError

if TYPE_CHECKING:
    from wornpath.cli.settings import Loaded
    from wornpath.llm.chat import Chat
    from wornpath.serve.service import Settings


def require_web() -> None:
    """Raises UsageError where the extra `web` is not installed."""
    try:
        import cronsim  # noqa: F401
        import python_multipart  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(f'The server needs the package {error.name}; run: pip install "wornpath[web]"') from None


def opener_for(loaded: Loaded, *, yes: bool) -> Callable[[str | None], Chat]:
    """What gives the server its models. The settings' own is opened now, while somebody can be asked about a fetch; without it the server
    starts all the same, and says what is missing when a goal is handed in."""
    from wornpath.cli.model import open_model

    own: list[Chat] = []
    try:
        own.append(open_model(loaded, yes=yes, quiet=False))
    except WornpathError as error:
        note(f"No model yet: {error}")

    def opened(name: str | None) -> Chat:
        if name is not None:
            named = replace(loaded, settings=loaded.settings.model_copy(update={"model": name}))
            return open_model(named, yes=False, quiet=True, ask=False)
        if not own:
            own.append(open_model(loaded, yes=False, quiet=True, ask=False))
        return own[0]

    return opened


def server_settings(loaded: Loaded) -> Settings:
    """The settings that runs of the server begin with."""
    from wornpath.guard import Limits
    from wornpath.serve.service import Settings

    mine = loaded.settings
    return Settings(
        approve=mine.approve,
        sandbox=mine.sandbox,
        candidates=mine.candidates,
        limits=Limits(mine.max_steps, mine.max_tokens, mine.max_cost, mine.timeout),
        seed=mine.seed,
        learn=mine.learn,
        rules=mine.rules or (),
        language=language(),
    )


def language() -> str:
    """`zh` for a person whose locale is Chinese, else `en`."""
    names = [os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    spoken = next((name for name in names if name), "") or (locale.getlocale()[0] or "")
    return "zh" if spoken.lower().startswith("zh") else "en"


def page_url(base: str, token: str | None, run_id: str = "") -> str:
    """The address of the page, or of one run in it."""
    place = f"#/runs/{run_id}" if run_id else ""
    return f"{base}/?token={token}{place}" if token is not None else f"{base}/{place}"


@contextlib.contextmanager
def browser(root: Path) -> Iterator[Callable[[str], None]]:
    """What shows an address in the browser, by way of a file in the data folder at ROOT that goes at the end.

    Every user of the machine can read the arguments of programs, and the address holds the token; the file is for its owner alone.
    """
    from wornpath.store.database import private_folder

    file = root / "serve" / f"open-{os.getpid()}.html"

    def show(url: str) -> None:
        try:
            private_folder(file.parent)
            file.unlink(missing_ok=True)  # of a process that was killed
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
                out.write(_REDIRECT.format(url=html.escape(url)))
        except OSError as error:
            note(f"The browser was not opened, for {file} cannot be written: {error.strerror}.")
            return
        if typer.launch(str(file.resolve())) != 0:  # without xdg-open
            webbrowser.open(file.resolve().as_uri())

    try:
        yield show
    finally:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


_REDIRECT = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>Wornpath</title>
<p><a href="{url}">Wornpath</a></p>
"""
