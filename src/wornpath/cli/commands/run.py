"""`wornpath run` and `wornpath resume`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from wornpath.cli.complete import run_ids, weight_names

LIMITS, SAFETY, OUTPUT = "Limits", "Safety", "Output"

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        autocompletion=weight_names,
        help="local, local:small, a path to a GGUF, or the endpoint's model name.",
    ),
]
MaxSteps = Annotated[
    int | None, typer.Option("--max-steps", metavar="N", help="Stop before more actions.", rich_help_panel=LIMITS)
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", help="Stop before more model tokens.", rich_help_panel=LIMITS)
]
MaxCost = Annotated[
    float | None, typer.Option("--max-cost", metavar="USD", help="Stop before more dollars.", rich_help_panel=LIMITS)
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", help="Stop after so many seconds.", rich_help_panel=LIMITS),
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask before downloading weights.", rich_help_panel=SAFETY)
]
Rules = Annotated[
    str | None,
    typer.Option(
        "--rules", metavar="FILE", help="A policy file: what is allowed, asked, denied.", rich_help_panel=SAFETY
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Events as JSON Lines on stdout, the result last.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only the result.", rich_help_panel=OUTPUT)]


def run(
    goal: Annotated[
        str | None, typer.Argument(metavar="GOAL", help="What should be done; without it, standard input is read.")
    ] = None,
    workspace: Annotated[
        str | None,
        typer.Option("--workspace", "-w", metavar="DIR", help="The folder to work in; made if its parent is there."),
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option("--check", metavar="CMD", help="A command that exits 0 when the goal is met. Repeatable."),
    ] = None,
    model: Model = None,
    candidates: Annotated[
        int | None, typer.Option("--candidates", metavar="K", help="Actions proposed at each step.")
    ] = None,
    continue_: Annotated[
        str | None,
        typer.Option(
            "--continue", metavar="RUN", autocompletion=run_ids, help="Go on from the result of an earlier run."
        ),
    ] = None,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Make the plan, do nothing.")] = False,
    no_learn: Annotated[bool, typer.Option("--no-learn", help="Do not learn from this run.")] = False,
    family: Annotated[
        str, typer.Option("--family", metavar="NAME", help="The kind of task this is; found out without it.")
    ] = "",
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of everything random.")] = None,
    approve: Annotated[
        Literal["ask", "on-risk", "never"] | None,
        typer.Option(
            "--approve", help="Which actions ask first; with never they are denied instead.", rich_help_panel=SAFETY
        ),
    ] = None,
    sandbox: Annotated[
        Literal["read-only", "workspace", "full"] | None,
        typer.Option(
            "--sandbox", help="What actions may reach; full runs code without a sandbox.", rich_help_panel=SAFETY
        ),
    ] = None,
    rules: Rules = None,
    yes: Yes = False,
    max_steps: MaxSteps = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    timeout: Timeout = None,
    json: Json = False,
    quiet: Quiet = False,
    web: Annotated[
        bool, typer.Option("--web", help="Watch and answer on a page in the browser.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Do a goal: plan, act, judge. Ctrl-C stops after the step in hand, and the run can be resumed.

    Exit codes: 0 met, 1 internal error, 2 usage, 3 not met or not verified, 4 needs a person, 5 limit, 6 no model, 130 interrupted,
    141 output unread.
    """
    from wornpath.cli.goal import read_goal
    from wornpath.cli.launch import Launch
    from wornpath.cli.opening import open_store
    from wornpath.cli.settings import load

    flags = {
        "model": model,
        "candidates": candidates,
        "seed": seed,
        "approve": approve,
        "sandbox": sandbox,
        "rules": rules,
        "max_steps": max_steps,
        "max_tokens": max_tokens,
        "max_cost": max_cost,
        "timeout": timeout,
        "learn": False if no_learn else None,
    }
    text, loaded = read_goal(goal), load(flags)
    if web:
        from wornpath.cli.page import run_on_page
        from wornpath.core import UsageError

        if json or quiet or plan_only:
            raise UsageError("--web shows the run on a page; leave out --json, --quiet and --plan-only.")
        code = run_on_page(
            text,
            loaded,
            workspace=workspace,
            checks=check or (),
            parent=continue_,
            family=family.strip(),
            yes=yes,
        )
        raise typer.Exit(code)
    with open_store() as store:
        launch = Launch(store, loaded, yes=yes, json=json, quiet=quiet)
        code = launch.start(
            text, workspace=workspace, checks=check or (), parent=continue_, plan_only=plan_only, family=family.strip()
        )
    raise typer.Exit(code)


def resume(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, the start of it, or last.", autocompletion=run_ids)
    ],
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="ID", help="Allow the action that was asked about.")
    ] = None,
    deny: Annotated[list[str] | None, typer.Option("--deny", metavar="ID", help="Deny it.")] = None,
    comment: Annotated[
        str, typer.Option("--comment", metavar="TEXT", help="Why it was denied; the agent reads it.")
    ] = "",
    answer: Annotated[str | None, typer.Option("--answer", metavar="TEXT", help="The answer to the question.")] = None,
    arguments: Annotated[
        str | None,
        typer.Option("--arguments", metavar="JSON", help="Carry the allowed action out with these arguments instead."),
    ] = None,
    scope: Annotated[
        Literal["once", "run", "folder", "always"],
        typer.Option("--scope", help="How long --allow or --deny holds for actions like this."),
    ] = "once",
    answers: Annotated[
        str | None, typer.Option("--answers", metavar="FILE", help="Answers in JSON, by request id; - reads stdin.")
    ] = None,
    rules: Rules = None,
    model: Model = None,
    yes: Yes = False,
    max_steps: MaxSteps = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    timeout: Timeout = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a run that was stopped, that waits for a person, or that reached a limit."""
    from wornpath.cli.answers import Said
    from wornpath.cli.launch import Launch
    from wornpath.cli.opening import open_store
    from wornpath.cli.settings import load

    limits = {"max_steps": max_steps, "max_tokens": max_tokens, "max_cost": max_cost, "timeout": timeout}
    loaded = load({"model": model, "rules": rules, **limits})
    said = Said(allow or (), deny or (), comment, answer, arguments, scope, answers)
    with open_store() as store:
        info = store.run(run)
        launch = Launch(store, loaded, yes=yes, json=json, quiet=quiet)
        code = launch.go_on(info, said)
    raise typer.Exit(code)
