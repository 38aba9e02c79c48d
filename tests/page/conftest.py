from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

HERE = Path(__file__).parent
sys.path += [
    str(HERE),
    *(str(HERE.parent / room) for room in ("agent", "policy")),
]  # page_world, agent_world, version_world

if TYPE_CHECKING:
    from page_world import Site
    from playwright.sync_api import Browser, BrowserContext

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Of one module, for Playwright's loop must not be there for the asynchronous tests of others."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def contexts(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browser contexts, as separate as two people's browsers. A failing script or a request that leaves the host fails the test."""
    made: list[BrowserContext] = []
    problems: list[str] = []

    def make(**options: Any) -> BrowserContext:
        context = browser.new_context(**{"locale": "en-US", "viewport": {"width": 1440, "height": 900}, **options})
        context.forgive = problems.clear
        context.on("weberror", lambda error: problems.append(f"{error.error}"))
        context.on("request", lambda request: problems.append(request.url) if foreign(request.url) else None)
        context.on("console", lambda said: problems.append(said.text) if broken(said) else None)
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()
    assert not problems


def foreign(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "data:", "blob:", "about:"))


def broken(said: Any) -> bool:
    """A refusal of the content security policy, or a warning of the page's own."""
    return "Content Security Policy" in said.text or said.type == "warning"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Starts servers: on a model played by a Brain of these parts, or on `chat`."""
    from contextlib import ExitStack

    from agent_world import Brain
    from page_world import PlayedChat, Site

    with ExitStack() as stack:

        def start(
            *,
            chat: Any = None,
            token: str | None = "a-token-for-the-tests-of-the-page",
            settings: Any = None,
            **brain: Any,
        ) -> Site:
            made = chat or PlayedChat(Brain(**brain))
            return stack.enter_context(Site(tmp_path / "home", made, token=token, **(settings or {})))

        yield start
