"""`wornpath diff` and `undo`: what a run changed in its workspace, and the way back."""

from __future__ import annotations

import typer

from wornpath.cli.commands.runs import RunArgument, Yes


def diff(run: RunArgument) -> None:
    """Show what a run changed in its workspace."""
    import sys

    from rich.text import Text

    from wornpath.cli import text as t
    from wornpath.cli.approve import diff_style
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import console, note
    from wornpath.store.snapshot import run_snapshot

    with open_store() as store:
        changes = run_snapshot(store, store.run(run)).diff()
    if not changes:
        note("The run changed nothing.")
    screen = console(sys.stdout)
    for line in t.visible(changes).split("\n")[:-1]:
        screen.print(Text(line, style=diff_style(line)), soft_wrap=True)


def undo(run: RunArgument, yes: Yes = False) -> None:
    """Bring back what a run changed, moved or removed. What somebody else changed is left alone; where the run had changed it before, that
    is reported, with exit code 3."""
    from wornpath.cli import text as t
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import note
    from wornpath.cli.terminal import confirm
    from wornpath.core import UsageError
    from wornpath.store.snapshot import run_snapshot

    with open_store() as store:
        info = store.run(run)
        if info.status == "running":
            raise UsageError(f"Run {info.run_id} is still running; stop it first. Nothing was changed.")
        snapshot = run_snapshot(store, info)
        changes, left = snapshot.outlook()
        if changes:
            for change in changes:
                note(f"  {change.kind:8}{change.path}")
            confirm(f"Undo {t.plural(len(changes), 'change')} in {info.workspace}?", yes=yes)
            report = snapshot.undo()
            left = dict(report.why or {})
            for path in report.restored:
                typer.echo(f"restored  {t.visible(path)}")
            for path in report.removed:
                typer.echo(f"removed   {t.visible(path)}")
        elif not left:
            note("What the run changed is undone already." if snapshot.changes() else "The run changed nothing.")
    for path, why in sorted(left.items()):
        note(f"left alone  {path}: {why}")
    if left:
        raise typer.Exit(3)
