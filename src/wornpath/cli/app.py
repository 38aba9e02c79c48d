"""The command tree. Nothing here or in `commands` may import more than typer at the top: `wornpath --help` pays for it."""

from __future__ import annotations

from typing import Annotated

import typer

from wornpath.cli.commands import (
    about,
    changes,
    doctor,
    learning,
    models,
    notes,
    policy,
    recurring,
    rules,
    run,
    runs,
    schedule,
    serve,
    why,
)

app = typer.Typer(
    name="wornpath",
    help="An autonomous agent that gets better and cheaper at your own recurring work.",
    epilog='Start with: wornpath run "total the invoices in this folder into report.md"',
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        from wornpath import __version__

        typer.echo(f"wornpath {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def command() -> typer.core.TyperGroup:
    """The command tree, in which a flag shows no type: `--json <bool>` reads as if it took a value."""
    tree = typer.main.get_command(app)
    assert isinstance(tree, typer.core.TyperGroup)
    _plain_flags(tree, typer.Context(tree, help_option_names=["-h", "--help"]))
    return tree


def _plain_flags(found: typer.core.TyperCommand | typer.core.TyperGroup, context: typer.Context) -> None:
    for option in (*found.params, found.get_help_option(context)):
        if getattr(option, "is_flag", False) and option is not None and option.metavar is None:
            option.metavar = ""
    for inner in getattr(found, "commands", {}).values():
        _plain_flags(inner, context)


WORK, LOOK, LEARN, SET = "Work", "Look and judge", "Learn", "Set up"
app.command("run", rich_help_panel=WORK)(run.run)
app.command("resume", rich_help_panel=WORK)(run.resume)
app.command("undo", rich_help_panel=WORK)(changes.undo)
app.command("serve", rich_help_panel=WORK)(serve.serve)
app.add_typer(schedule.group, name="schedule", rich_help_panel=WORK)
app.add_typer(runs.group, name="runs", rich_help_panel=LOOK)
app.command("show", rich_help_panel=LOOK)(runs.show)
app.command("why", rich_help_panel=LOOK)(why.why)
app.command("diff", rich_help_panel=LOOK)(changes.diff)
app.command("rate", rich_help_panel=LOOK)(runs.rate)
app.add_typer(notes.group, name="notes", rich_help_panel=LOOK)
app.add_typer(learning.learn_group, name="learn", rich_help_panel=LEARN)
app.add_typer(policy.group, name="policy", rich_help_panel=LEARN)
learning.bench_group.command("recurring")(recurring.recurring)
app.add_typer(learning.bench_group, name="bench", rich_help_panel=LEARN)
app.add_typer(models.group, name="models", rich_help_panel=SET)
app.command("tools", rich_help_panel=SET)(about.tools)
app.add_typer(rules.group, name="rules", rich_help_panel=SET)
app.command("doctor", rich_help_panel=SET)(doctor.doctor)
app.add_typer(about.config_group, name="config", rich_help_panel=SET)
app.command("paths", rich_help_panel=SET)(about.paths)
