"""The model that settings and options name, with its weights fetched first where somebody agrees."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, TextIO

from wornpath.cli import text as t
from wornpath.cli.endpoint import endpoint
from wornpath.cli.output import say
from wornpath.cli.terminal import ask_yes, interactive
from wornpath.core import UsageError

if TYPE_CHECKING:
    from wornpath.cli.settings import Loaded
    from wornpath.llm.chat import Chat
    from wornpath.llm.weights import Progress, Stage, Weights

STAGES = {"download": "fetching", "verify": "checking", "wait": "waiting for another process that fetches"}


def open_model(loaded: Loaded, *, yes: bool, quiet: bool, recorded: str = "", ask: bool = True) -> Chat:
    """The model of the settings; without one, that of RECORDED, the model that an earlier part of the run used. Without ASK, nobody is
    asked at the terminal.

    Raises what `wornpath.llm.resolve` raises, and UsageError for an endpoint that may not be used.
    """
    from wornpath.llm import resolve

    settings = loaded.settings
    base_url, key = endpoint(loaded)
    name = settings.model or known_name(recorded, has_endpoint=bool(base_url or key))
    with fetching(name or "local", sys.stderr, quiet=quiet) as progress:
        return resolve(
            name,
            base_url=base_url,
            api_key=key,
            prices=settings.prices or None,
            assume_yes=yes,
            confirm=agree if ask and interactive() else None,
            progress=progress,
            seed=settings.seed,
        )


def known_name(recorded: str, *, has_endpoint: bool) -> str | None:
    """The name that gives a RECORDED model again: events keep an embedded model under its file's name. None without a record.

    Raises UsageError for a record that names nothing here, such as a file that was given by its path.
    """
    from wornpath.llm.weights import REGISTRY

    for weights in REGISTRY.values():
        if recorded == PurePath(weights.file).stem:
            return weights.name
    if recorded and not has_endpoint:
        raise UsageError(
            f"The run began with the model {recorded}, which cannot be found by that name here; name one with --model."
        )
    return recorded or None


def agree(weights: Weights) -> bool:
    """Ask the person at the terminal whether WEIGHTS may be fetched."""
    return ask_yes(f"Fetch the weights of {weights.title} ({t.size(weights.bytes)}, licence {weights.licence})?")


@contextmanager
def fetching(name: str, stream: TextIO, *, quiet: bool = False) -> Iterator[Progress | None]:
    """What is told of a fetch on STREAM: a bar on a terminal, a line every tenth elsewhere, nothing when QUIET; and what Ctrl-C leaves."""
    begun = False

    def noticed(tell: Progress) -> Progress:
        def both(stage: Stage, done: int, total: int) -> None:
            nonlocal begun
            begun = True
            tell(stage, done, total)

        return both

    try:
        if quiet:
            yield None
        elif not stream.isatty():
            yield noticed(_lines(name, stream))
        else:
            with _bar(name, stream) as progress:
                yield noticed(progress)
    except KeyboardInterrupt:
        if begun:
            say(f"Interrupted; what was fetched is kept. Go on with: wornpath models pull {name}", stream)
        raise


def _lines(name: str, stream: TextIO) -> Progress:
    told: set[tuple[str, int]] = set()

    def tell(stage: str, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 0
        if (stage, tenth) not in told:
            told.add((stage, tenth))
            amount = f": {t.size(done)} of {t.size(total)}" if total else ""
            say(f"{STAGES[stage]} {name}{amount}", stream)

    return tell


@contextmanager
def _bar(name: str, stream: TextIO) -> Iterator[Callable[[str, int, int], None]]:
    """A bar that appears with the first news and is gone afterwards."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from wornpath.cli.output import console

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    bar = Progress(TextColumn("{task.description}"), *columns, console=console(stream), transient=True)
    tasks: dict[str, object] = {}

    def tell(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            bar.start()
            tasks[stage] = bar.add_task(f"{STAGES[stage]} {name}", total=total or None)
        bar.update(tasks[stage], completed=done, total=total or None)  # type: ignore[arg-type]

    try:
        yield tell
    finally:
        bar.stop()
