"""`wornpath runs`, `show` and `rate`: what happened, and what a person makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wornpath.cli.complete import run_ids

if TYPE_CHECKING:
    from wornpath.store import RunInfo
    from wornpath.store.protocol import Store

group = typer.Typer(help="List and remove runs.", no_args_is_help=True)

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, the start of it, or last.", autocompletion=run_ids)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@group.command("ls")
def ls(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    status: Annotated[
        Literal["running", "paused", "cancelled", "met", "unmet", "unverified", "needs_person", "budget", "error"]
        | None,
        typer.Option("--status", help="Only runs of this status."),
    ] = None,
    tainted: Annotated[
        bool | None, typer.Option("--tainted/--untainted", help="Only runs that words from outside came into, or not.")
    ] = None,
    json: Json = False,
) -> None:
    """List runs, newest first."""
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import json_line, note, table

    with open_store() as store:
        if tainted is None:
            found = store.runs(limit=limit, status=status)
        else:
            found = [info for info in store.runs(status=status) if info.tainted == tainted][:limit]
    if json:
        for info in found:
            json_line(info.as_dict())
    elif found:
        columns = ["run", "status", "steps", "tokens", "time", "goal"]
        numbers = ("steps", "tokens", "time")
        table(
            columns, [_row(info) for info in found], right=numbers, flexible=["goal"], spare=("steps", "tokens", "time")
        )
    else:
        note("No runs yet." if status is None else f"No runs with status {status}.")


def _row(info: RunInfo) -> list[str]:
    from wornpath.cli import text as t

    rated = (f" ({info.rating})" if info.rating else "") + (", tainted" if info.tainted else "")
    tokens = f"{info.prompt_tokens + info.completion_tokens:,}"
    took = t.duration(info.finished - info.started) if info.finished else ""
    return [info.run_id, info.status + rated, str(info.steps), tokens, took, info.goal]


@group.command("rm")
def rm(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="The runs to forget.", autocompletion=run_ids)],
    yes: Yes = False,
) -> None:
    """Forget runs: their events, notes and kept files, what was learnt from them, and policy versions that may hold it. A run of several
    attempts goes with all of them. The workspaces stay as they are."""
    from wornpath.cli import text as t
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import note
    from wornpath.cli.terminal import confirm
    from wornpath.core import UsageError
    from wornpath.learn.forgetting import remove
    from wornpath.policy.forgetting import still_held, with_attempts

    with open_store() as store:
        named = [store.run(run).run_id for run in runs]
        found = {run_id: store.run(run_id) for one in named for run_id in with_attempts(store, one)}
        busy = [info.run_id for info in found.values() if info.status == "running"]
        if busy:
            raise UsageError(f"Run {busy[0]} is still running; stop it first. Nothing was removed.")
        for info in found.values():
            note(f"{info.run_id}  {info.status}  {t.clip(t.one_line(info.goal), 60)}")
        held = still_held(store, list(found))
        if held:
            note(f"Policy {', '.join(held)} may hold something of {'it' if len(found) == 1 else 'them'}, and goes too.")
        confirm(f"Forget {t.plural(len(found), 'run')} for good?", yes=yes)
        remove(store, list(found), note)


def show(
    run: RunArgument,
    format: Annotated[
        Literal["text", "json", "atif", "messages"], typer.Option("--format", help="How to show it.")
    ] = "text",
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Tell a run again from its events, or export it."""
    from wornpath.cli.drive import recorded
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import json_line

    with open_store() as store:
        info = store.run(run)
        if json or format == "json":
            for event in store.events(info.run_id):
                json_line(event.as_dict())
            if info.result:
                json_line({"type": "result", **recorded(info).as_dict()})
        elif format == "text":
            _tell(store, info)
        elif format == "atif":
            from wornpath.store import to_atif

            json_line(to_atif(store, info.run_id))
        else:
            from wornpath.store import to_messages

            for call in to_messages(store, info.run_id):
                json_line(call)


def _tell(store: Store, info: RunInfo) -> None:
    import sys

    from wornpath.cli import text as t
    from wornpath.cli.display import Lines
    from wornpath.cli.drive import recorded
    from wornpath.cli.output import print_result

    lines = Lines(sys.stdout)
    for event in store.events(info.run_id):
        lines.event(event)
    typer.echo()
    if info.result:
        print_result(recorded(info))
    else:
        typer.echo(info.status + (f": {t.one_line(info.reason)}" if info.reason else ""))


def rate(
    run: RunArgument,
    rating: Annotated[Literal["good", "bad"], typer.Argument(metavar="good|bad", help="What you think of it.")],
    comment: Annotated[str, typer.Option("--comment", help="Why.")] = "",
) -> None:
    """Say whether a run did its job. Your word counts before any judge's."""
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import note
    from wornpath.judge.person import rate as record

    with open_store() as store:
        info = store.run(run)
        record(store, info, rating, comment)
    note(f"Rated {info.run_id} {rating}.")
