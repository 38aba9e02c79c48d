"""`wornpath models`: the weights of the embedded models."""

from __future__ import annotations

from typing import Annotated

import typer

from wornpath.cli.commands.runs import Json, Yes
from wornpath.cli.complete import weight_names

group = typer.Typer(help="List, fetch and remove model weights.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="[NAME]", help="Which model.", autocompletion=weight_names)]


@group.command("ls")
def ls(json: Json = False) -> None:
    """List the embedded models, those that are here and those that are not."""
    from wornpath.cli import text as t
    from wornpath.cli.output import json_line, table
    from wornpath.llm import weights

    listed = weights.ls()
    if json:
        for one in listed:
            w = one.weights
            about = {"name": w.name, "title": w.title, "bytes": w.bytes, "licence": w.licence, "sha256": w.sha256}
            json_line({**about, "state": one.state, "partial_bytes": one.partial, "path": str(one.path)})
        return
    rows = []
    for one in listed:
        state = one.state if not one.partial else f"{one.state}, {t.size(one.partial)} fetched"
        rows.append([one.weights.name, state, t.size(one.weights.bytes), one.weights.licence, one.weights.title])
    table(["model", "state", "size", "licence", "about"], rows, right=["size"], flexible=["about"], spare=["licence"])


@group.command("pull")
def pull(name: Name = "local", yes: Yes = False) -> None:
    """Fetch the weights of a model and check them. An interrupted fetch is gone on with."""
    import sys

    from wornpath.cli import text as t
    from wornpath.cli.model import fetching
    from wornpath.cli.output import note
    from wornpath.cli.terminal import confirm, interactive
    from wornpath.core import NeedsPerson
    from wornpath.llm import weights

    wanted = weights.find(name)

    def agreed(w: weights.Weights) -> bool:
        question = f"Fetch {w.title} ({t.size(w.bytes)}, licence {w.licence})?"
        if not yes and not interactive():
            raise NeedsPerson(f"{question} Nobody can be asked here; add --yes.")
        confirm(question, yes=yes)
        return True

    with fetching(name, sys.stderr) as progress:
        path = weights.pull(wanted, progress=progress, confirm=agreed)
    note(f"{wanted.title} is here and checked.")
    typer.echo(path)


@group.command("rm")
def rm(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which model.", autocompletion=weight_names)],
    yes: Yes = False,
) -> None:
    """Remove the weights of a model."""
    from wornpath.cli import text as t
    from wornpath.cli.output import note
    from wornpath.cli.terminal import confirm
    from wornpath.llm import weights

    wanted = weights.find(name)
    confirm(f"Remove the weights of {wanted.title}?", yes=yes)
    note(f"{t.size(weights.rm(wanted))} freed.")


@group.command("path")
def path(name: Name = "local") -> None:
    """Print where the checked weights of a model are."""
    from wornpath.llm import weights

    typer.echo(weights.path(name))
