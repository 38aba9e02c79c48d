"""`wornpath bench recurring`: arms on streams of tasks that come again."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wornpath.cli.commands.runs import Json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wornpath.bench.stream import Record


def recurring(
    families: Annotated[
        str,
        typer.Option("--families", metavar="MODULE", help="A module or Python file with FAMILIES: name to task maker."),
    ] = "wornpath.bench.families",
    only: Annotated[str, typer.Option("--only", metavar="A,B", help="Only these of its families.")] = "",
    model: Annotated[
        str, typer.Option("--model", help="`simulated`, or a model as `wornpath run` has it.")
    ] = "simulated",
    algorithm: Annotated[str, typer.Option("--algorithm", help="dqn or ppo.")] = "dqn",
    episodes: Annotated[int, typer.Option("--episodes", min=1, help="Episodes of each family and arm.")] = 50,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many streams.")] = 1,
    arm: Annotated[str, typer.Option("--arm", metavar="ARM,…", help="Only these arms.")] = "",
    rated: Annotated[
        bool, typer.Option("--rated", help="Without checks: what they say is a rating when the run is over.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=2, help="Streams at a time.")] = 1,
    json: Json = False,
) -> None:
    """Work that comes again: success and tokens of each arm, episode by episode."""
    from wornpath.bench.arms import chosen
    from wornpath.bench.recurring import recurring as run
    from wornpath.bench.stream import families as load
    from wornpath.cli.output import json_line
    from wornpath.core import UsageError

    if algorithm not in ("dqn", "ppo"):
        raise UsageError(f"There is no algorithm {algorithm!r}; use dqn or ppo.")
    if families.endswith(".py") and not Path(families).is_file():
        raise UsageError(f"There is no file {families}; --families takes a Python file or a module with FAMILIES.")
    arms, some = chosen(arm), [n.strip() for n in only.split(",") if n.strip()]
    total = len(arms) * seeds * episodes * len(some or load(families))
    with _progress(total) as take:
        result = run(
            families=families,
            only=some,
            model=model,
            algorithm="dqn" if algorithm == "dqn" else "ppo",
            episodes=episodes,
            seeds=range(seeds),
            arms=arms,
            rated=rated,
            jobs=jobs,
            take=take,
        )
    if not json:
        _show(result, model)
    json_line(result)


def _show(result: dict[str, Any], model: str) -> None:
    """A line an arm: the whole stream and its last third."""
    from wornpath.cli.output import table

    rows = []
    for name, row in result.items():
        success, tokens = row["success"], row["llm_tokens"]
        rows.append([name, *_figures(success, tokens, 0), *_figures(success, tokens, 2 / 3)])
    typer.echo(f"Model: {model}. The last two columns are of the last third of the stream.")
    table(
        ["arm", "met", "tokens/met", "met, late", "tokens/met, late"],
        rows,
        right=["met", "tokens/met", "met, late", "tokens/met, late"],
    )


def _figures(success: list[list[int]], tokens: list[list[int]], since: float) -> tuple[str, str]:
    met = [m for seed in success for m in seed[int(len(seed) * since) :]]
    spent = [t for seed in tokens for t in seed[int(len(seed) * since) :]]
    return f"{sum(met) / max(len(met), 1):.2f}", f"{sum(spent) / sum(met):,.0f}" if sum(met) else "none met"


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Record], None]]:
    """A progress bar on stderr, where that is a terminal."""
    import sys

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from wornpath.cli.output import console

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr), disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("episodes", total=total)
        yield lambda record: progress.update(bar, advance=1, description=f"{record.arm} {record.family}")
