"""`wornpath why`: which candidates there were at a step, how likely each was, and who decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wornpath.cli.complete import run_ids

if TYPE_CHECKING:
    from rich.console import Console

BY = {"llm": "the model", "policy": "the policy", "person": "a person"}


def why(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the start of it.", autocompletion=run_ids)],
    step: Annotated[int, typer.Argument(metavar="STEP", help="The step's number.", min=1)],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show why a step was taken: the candidates with their probabilities and values, who decided, and the past it draws on."""
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import json_line
    from wornpath.policy.explain import explain

    with open_store() as store:
        found = explain(store, run, step)
    if json:
        json_line({name: value for name, value in found.items() if name != "decision"})
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    import sys

    from rich.text import Text

    from wornpath.cli import text as t
    from wornpath.cli.output import console

    screen = console(sys.stdout)
    value = "" if found["value"] is None else f", V(s) {found['value']:+.3f}"
    screen.print(Text.assemble((f"step {found['step']}", "bold"), f" of {found['run_id']}"), soft_wrap=True)
    outcome = found["outcome"]
    reward = "" if outcome["reward"] is None else f", reward {outcome['reward']:+.3f}"
    came = f"; outcome: {outcome['result']}{reward}" if outcome["result"] else ""
    asked = ", no model call" if found["skipped"] else ""
    screen.print(
        Text(f"{BY[found['by']]} decided (policy {found['policy_version']}{value}{asked}){came}"), soft_wrap=True
    )
    screen.print()
    _candidates(found)
    _evidence(found, screen)
    screen.print()
    screen.print(Text("state", style="bold"))
    for line in t.visible(found["state"]).splitlines():
        screen.print(Text("  " + line), soft_wrap=True)


def _candidates(found: dict[str, Any]) -> None:
    """The table of candidates, the one taken first; columns that would be empty are left out."""
    import sys

    from wornpath.cli import text as t
    from wornpath.cli.narrate import Marks
    from wornpath.cli.output import table

    marks = Marks.fitting(sys.stdout.encoding)
    chosen, candidates, now = found["chosen"], found["candidates"], found["now"]
    rows = []
    for i in sorted(range(len(candidates)), key=lambda i: (i != chosen, -candidates[i]["probability"])):
        one = candidates[i]
        past = one["evidence"]
        rows.append(
            [
                marks.active if i == chosen else "",
                f"{one['tool']} {t.arguments(one['arguments'])}".strip(),
                one["source"],
                f"{one['prior']:.2f}",
                f"{one['probability']:.2f}" if one["allowed"] else "masked",
                f"{one['q']:+.3f}" if one["q"] is not None else "",
                f"{past['success']:.0%} of {past['runs']}" if past["runs"] else "",
                f"{now['probabilities'][i]:.2f}" if now else "",
                one["note"],
            ]
        )
    columns = ["", "action", "source", "model", "policy", "Q", "went well", now["version"] if now else "now", "note"]
    always = ("", "action", "source", "model", "policy")
    keep = [at for at, name in enumerate(columns) if name in always or any(row[at] for row in rows)]
    table(
        [columns[at] for at in keep],
        [[row[at] for at in keep] for row in rows],
        right=[columns[at] for at in keep if columns[at] not in ("", "action", "source", "note")],
        flexible=["action"],
    )


def _evidence(found: dict[str, Any], screen: Console) -> None:
    """The past steps that the choice draws on."""
    from rich.text import Text

    from wornpath.cli import text as t

    if not found["evidence"]:
        return
    screen.print()
    screen.print(Text("drawn from", style="bold"))
    for past in found["evidence"][:6]:
        met = {True: "met", False: "not met", None: "unverified"}[past["met"]]
        line = f"  {past['run_id']} step {past['step']}: {past['action']}, {met}, return {past['return']:+.2f}"
        screen.print(Text("  " + t.one_line(line.strip())), soft_wrap=True)
