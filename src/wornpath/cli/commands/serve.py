"""`wornpath serve`: the agent as a page and a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wornpath.cli.commands.run import Model, Yes


def serve(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="N", help="At which port; 0 takes a free one.")
    ] = 8420,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=256, metavar="N", help="How many runs work at once.")] = 2,
    workspaces: Annotated[
        Path | None,
        typer.Option(
            "--workspaces", metavar="DIR", help="The folder that runs may work in; each has its own below it."
        ),
    ] = None,
    no_token: Annotated[bool, typer.Option("--no-token", help="Ask for no token; on this machine only.")] = False,
    new_token: Annotated[
        bool, typer.Option("--new-token", help="Make a new token; the old one is worth nothing then.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="Another name this server answers to. Repeatable."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    model: Model = None,
    yes: Yes = False,
) -> None:
    """Serve the page, the HTTP interface, and the protocols of other programs. Ctrl-C checkpoints the runs and stops."""
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import note
    from wornpath.cli.settings import load
    from wornpath.cli.web import browser, opener_for, page_url, require_web, server_settings
    from wornpath.store.paths import data_dir

    require_web()
    from wornpath.serve import running
    from wornpath.serve.service import Service

    loaded, root = load({"model": model}), data_dir()
    with open_store() as store:
        store.last_seq()  # one that cannot be used is told here, in a sentence
    if workspaces is not None:
        workspaces = running.workspaces_folder(workspaces)
    address = running.bind(host, port)
    access = running.access_for(
        address, None if no_token else running.kept_token(root, new=new_token), tuple(allow_host or ())
    )
    with running.only_server(root, address.url), browser(root) as show:
        service = Service(
            root,
            opener_for(loaded, yes=yes),
            workspaces=workspaces,
            jobs=jobs,
            settings=server_settings(loaded),
        )
        url = page_url(address.url, access.token)

        def ready() -> None:
            typer.echo(url)
            note("Ctrl-C checkpoints the runs and stops.")
            if open_:
                show(url)

        running.serve(service, address, access, ready)
        note("Stopped. Runs that were at work go on when the server starts again.")
