"""`wornpath notes`: what the agent was told to remember."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from wornpath.cli.complete import run_ids

group = typer.Typer(help="List, add and remove what the agent remembers.", no_args_is_help=True)

MAX_NOTE = 2000


@group.command("ls")
def ls(
    json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """List all notes."""
    import time

    from wornpath.cli.opening import open_store
    from wornpath.cli.output import json_line, note, table

    with open_store() as store:
        notes = store.notes(everything=True)
    if json:
        for n in notes:
            json_line(
                {"id": n.id, "text": n.text, "scope": n.scope, "where": n.where, "time": n.time, "run_id": n.run_id}
            )
    elif notes:
        rows = [[str(n.id), n.scope, n.where, time.strftime("%Y-%m-%d", time.localtime(n.time)), n.text] for n in notes]
        table(
            ["id", "scope", "where", "since", "note"], rows, right=("id",), flexible=["note", "where"], spare=["since"]
        )
    else:
        note('No notes yet. Add one with: wornpath notes add "TEXT"')


@group.command("add")
def add(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to remember.")],
    scope: Annotated[Literal["user", "folder", "run"], typer.Option("--scope", help="Where it holds.")] = "user",
    workspace: Annotated[Path, typer.Option("--workspace", help="The folder, for scope folder.")] = Path(),
    run: Annotated[str, typer.Option("--run", help="The run, for scope run.", autocompletion=run_ids)] = "",
) -> None:
    """Remember something: everywhere, in one folder, or in one run."""
    from wornpath.cli.opening import open_store
    from wornpath.core import UsageError

    if not text.strip():
        raise UsageError("The note is empty; give a text to remember.")
    if len(text.strip()) > MAX_NOTE:
        raise UsageError(
            f"The note is longer than {MAX_NOTE:,} characters; put the material into a file and note where it is."
        )
    if scope == "folder" and not workspace.is_dir():
        raise UsageError(f"There is no folder {workspace}; a note of scope folder needs one that is there.")
    if scope == "run" and not run:
        raise UsageError("A note of scope run needs the run: add --run RUN.")
    with open_store() as store:
        run_id = store.run(run).run_id if run else ""
        where = {"folder": str(workspace.resolve()), "run": run_id}.get(scope, "")
        typer.echo(store.add_note(text.strip(), scope=scope, where=where, run_id=run_id).id)


@group.command("rm")
def rm(ids: Annotated[list[int], typer.Argument(metavar="ID...", help="The notes' numbers.")]) -> None:
    """Forget notes."""
    from wornpath.cli.opening import open_store
    from wornpath.core import UsageError

    with open_store() as store:
        known = {n.id for n in store.notes(everything=True)}
        missing = [i for i in ids if i not in known]
        if missing:
            raise UsageError(f"There is no note {missing[0]}; see wornpath notes ls. Nothing was removed.")
        for number in ids:
            store.remove_note(number)
