"""`wornpath rules`: what is allowed, asked about and denied, in folders or always."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

group = typer.Typer(help="List, add and revoke permissions.", no_args_is_help=True)


@group.command("ls")
def ls(json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False) -> None:
    """List the rules. Of those that fit an action, a denial counts before a question, a question before an allowance."""
    import time

    from wornpath.cli.opening import open_store
    from wornpath.cli.output import json_line, note, table
    from wornpath.core import to_json

    with open_store() as store:
        rules = store.rules()
    if json:
        for rule in rules:
            json_line({name: to_json(getattr(rule, name)) for name in rule.__slots__})
    elif rules:
        from wornpath.guard import described

        rows = [
            [str(r.id), r.scope, r.where, time.strftime("%Y-%m-%d", time.localtime(r.time)), described(r), r.note]
            for r in rules
        ]
        table(
            ["id", "scope", "where", "since", "rule", "note"],
            rows,
            right=("id",),
            flexible=["rule", "note", "where"],
            spare=["since"],
        )
    else:
        note("No rules yet. Add one with: wornpath rules add deny --tool delete_file")


@group.command("add")
def add(
    effect: Annotated[Literal["allow", "ask", "deny"], typer.Argument(metavar="allow|ask|deny", help="What happens.")],
    tool: Annotated[
        str, typer.Option("--tool", metavar="NAME", help="A tool, or a pattern such as send_*; * is every tool.")
    ] = "",
    risk: Annotated[
        list[str] | None, typer.Option("--risk", help="read, write, execute, send, spend or delete. Repeatable.")
    ] = None,
    argument: Annotated[
        list[str] | None,
        typer.Option("--argument", metavar="NAME=PATTERN", help="What an argument must look like. Repeatable."),
    ] = None,
    host: Annotated[
        list[str] | None, typer.Option("--host", metavar="PATTERN", help="Which hosts links lead to. Repeatable.")
    ] = None,
    untrusted: Annotated[bool, typer.Option("--untrusted", help="Allow it with arguments from outside, too.")] = False,
    scope: Annotated[Literal["folder", "always"], typer.Option("--scope", help="Where it holds.")] = "folder",
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="The folder, for scope folder.")] = Path(),
    note: Annotated[str, typer.Option("--note", help="Why; shown with the rule and to the agent.")] = "",
) -> None:
    """Add a rule, for work in a folder (the current one) or always. Prints its number."""
    from dataclasses import replace

    from wornpath.cli.opening import open_store
    from wornpath.core import UsageError
    from wornpath.guard.rules import check_names, read_rule
    from wornpath.tools import Registry

    pairs = [text.partition("=") for text in argument or ()]
    if odd := [name for name, equals, _ in pairs if not equals or not name]:
        raise UsageError(f"--argument {odd[0]!r} is not NAME=PATTERN, such as path=tmp/*.")
    table = {
        "effect": effect,
        "tool": tool or "*",
        "risk": risk or [],
        "arguments": {name: pattern for name, _, pattern in pairs},
        "hosts": host or [],
        "untrusted": untrusted,
        "note": note,
    }
    rule = read_rule(table, "The rule")
    if not (tool or risk or pairs or host):  # for the whole folder, from a slip of the hand
        raise UsageError(f"Say what to {effect}: --tool, --risk, --argument or --host; for every action, --tool '*'.")
    check_names([rule], list(Registry.standard()))
    where = _folder(workspace) if scope == "folder" else ""
    with open_store() as store:
        typer.echo(store.add_rule(replace(rule, scope=scope, where=where)).id)


def _folder(given: Path) -> str:
    from wornpath.core import UsageError

    try:
        folder = given.expanduser()
    except RuntimeError:  # ~NAME of no user
        folder = given
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}; a rule of scope folder needs one that is there.")
    return str(folder.resolve())


@group.command("rm")
def rm(ids: Annotated[list[int], typer.Argument(metavar="ID...", help="The rules' numbers.")]) -> None:
    """Revoke rules. Running work notices at its next step."""
    from wornpath.cli.opening import open_store
    from wornpath.core import StoreError, UsageError

    with open_store() as store:
        try:
            known = {rule.id for rule in store.rules()}
        except StoreError:  # one of them is damaged, perhaps the one to go
            known = set(ids)
        if missing := [i for i in ids if i not in known]:
            raise UsageError(f"There is no rule {missing[0]}; see wornpath rules ls. Nothing was removed.")
        for number in ids:
            store.remove_rule(number)
