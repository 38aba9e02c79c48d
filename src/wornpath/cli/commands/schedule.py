"""`wornpath schedule`: goals that come back; the server hands them in."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from wornpath.cli.commands.runs import Json


class _AddFirst(TyperGroup):
    """`schedule "0 8 * * 1" "GOAL"` is short for `schedule add ...`: what is no command and no option begins a schedule."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["add", *args]
        return super().parse_args(ctx, args)


group = typer.Typer(
    cls=_AddFirst,
    help='Hand in a goal again and again: wornpath schedule "0 8 * * 1" "GOAL". The server does it while it runs.',
    no_args_is_help=True,
)


@group.command("add")
def add(
    cron: Annotated[
        str, typer.Argument(metavar="CRON", help='Minute, hour, day, month, day of week: "0 8 * * 1" is Mondays at 8.')
    ],
    goal: Annotated[str, typer.Argument(metavar="GOAL", help="What should be done.")],
    workspace: Annotated[
        str | None,
        typer.Option("--workspace", "-w", metavar="DIR", help="A folder in the server's folder of workspaces."),
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option("--check", metavar="CMD", help="A command that exits 0 when the goal is met. Repeatable."),
    ] = None,
) -> None:
    """Add a schedule. Prints its id."""
    import time

    from wornpath.cli.goal import read_goal
    from wornpath.cli.output import note
    from wornpath.core import UsageError

    if any(not one.strip() for one in check or ()):
        raise UsageError("A check is empty; --check takes a command that exits 0 when the goal is met.")
    text, schedules = read_goal(goal), _schedules()
    made = schedules.add(cron, text, workspace=workspace, checks=tuple(check or ()))
    due = made.next()
    typer.echo(made.id)
    if due is not None:
        note(f"Next on {time.strftime('%Y-%m-%d %H:%M', due.timetuple())}, if `wornpath serve` runs then.")


@group.command("ls")
def ls(json: Json = False) -> None:
    """List the schedules and when they are due."""
    import time

    from wornpath.cli.output import json_line, note, table

    found = _schedules().all()
    if json:
        for one in found:
            json_line(one.as_dict())
    elif found:
        rows = []
        for one in found:
            due = one.next()
            when = time.strftime("%Y-%m-%d %H:%M", due.timetuple()) if due is not None else "never"
            rows.append([one.id, one.cron, when, one.problem or one.last_run or "not yet", one.goal])
        table(["id", "when", "next", "last run", "goal"], rows, flexible=["goal", "last run"])
    else:
        note('No schedules yet. Add one with: wornpath schedule "0 8 * * 1" "GOAL"')


@group.command("rm")
def rm(ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Which.")]) -> None:
    """Remove schedules. What they began goes on."""
    schedules = _schedules()
    from wornpath.core import UsageError

    known = {one.id for one in schedules.all()}
    missing = [one for one in ids if one not in known]
    if missing:
        raise UsageError(f"There is no schedule {missing[0]!r}; see wornpath schedule ls. Nothing was removed.")
    for one in ids:
        schedules.remove(one)


def _schedules() -> Any:
    from wornpath.cli.web import require_web
    from wornpath.store.paths import data_dir

    require_web()
    from wornpath.serve.schedules import Schedules

    return Schedules(data_dir())
