"""`wornpath policy`: the versions of what was learnt; put in use, taken back, carried, forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wornpath.cli.commands.run import MaxSteps, MaxTokens, Model
from wornpath.cli.commands.runs import Json, Yes

if TYPE_CHECKING:
    from wornpath.policy.registry import VersionInfo

group = typer.Typer(help="The versions of what was learnt: list, compare, put in use, take back.", no_args_is_help=True)


def _versions(incomplete: str) -> list[str]:
    """The versions whose names start with INCOMPLETE, for shell completion."""
    from wornpath.cli.opening import open_store
    from wornpath.core import WornpathError
    from wornpath.policy.registry import Registry

    try:
        with open_store() as store:
            return [v.version for v in Registry.of(store).versions() if v.version.startswith(incomplete)]
    except WornpathError:
        return []


Version = Annotated[str, typer.Argument(metavar="VERSION", help="A version's name.", autocompletion=_versions)]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="A reason, kept in the history.")]


@group.command("ls")
def ls(json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False) -> None:
    """List the versions, newest first."""
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import json_line, note, table
    from wornpath.core import to_json
    from wornpath.policy.registry import Registry

    with open_store() as store:
        registry = Registry.of(store)
        found, current, trial = registry.versions(), registry.current, registry.trial
    if json:
        for v in found:
            every = {"status": v.status, "algorithm": v.algorithm, "episodes": v.episodes, "why": v.why}
            json_line({**every, **to_json(v), "current": v.version == current, "trial": v.version == trial})
        return
    if found:
        columns = ["", "version", "status", "made", "by", "episodes", "why"]
        table(columns, [_row(v, current, trial) for v in found], right=["episodes"], flexible=["why"])
    else:
        note("Nothing was learnt yet. Versions are made after runs, or by: wornpath learn")
    if current == "prior" and found:
        note(
            "In use: prior, the language model's choice corrected by counts. wornpath policy promote VERSION puts a version in use."
        )


def _row(v: VersionInfo, current: str, trial: str) -> list[str]:
    import time

    mark = "*" if v.version == current else "?" if v.version == trial else ""
    status = "on trial" if v.version == trial else "removed" if v.removed else v.status
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(v.created))
    return [mark, v.version, status, made, v.algorithm, str(v.episodes), v.why]


@group.command("promote")
def promote(
    version: Version,
    why: Why = "",
    json: Json = False,
) -> None:
    """Put a version in use from the next run on; `prior` goes back to no learnt weights."""
    from wornpath.cli.opening import open_store
    from wornpath.policy.promotion import promote as put_in_use

    with open_store() as store:
        previous = put_in_use(store, version, why or "a person's decision")
    _told(json, f"{version} is in use from the next run on; before it, {previous} was.", version, previous)


@group.command("rollback")
def rollback(why: Why = "", json: Json = False) -> None:
    """Go back to the version that was in use before."""
    from wornpath.cli.opening import open_store
    from wornpath.policy.registry import Registry

    with open_store() as store:
        registry = Registry.of(store)
        previous = registry.current
        back = registry.rollback(why or "a person's decision")
    _told(json, f"{back} is in use again from the next run on; {previous} is retired.", back, previous)


def _told(json: bool, text: str, version: str, previous: str) -> None:
    from wornpath.cli.output import json_line

    if json:
        json_line({"type": "result", "version": version, "previous": previous})
    else:
        typer.echo(text)


@group.command("export")
def export(
    version: Version,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE when it exists.")] = False,
) -> None:
    """Write a version into one file. It holds weights and counts, no goals, file names or texts."""
    from wornpath.cli.opening import open_store
    from wornpath.policy import bundle
    from wornpath.policy.registry import Registry

    with open_store() as store:
        size = bundle.export(Registry.of(store), version, file, force=force)
    typer.echo(f"{version} is in {file} ({size:,} bytes).")


@group.command("import")
def take_in(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `policy export` wrote.")],
    json: Json = False,
) -> None:
    """Add an exported version as a candidate; it is not in use until it is promoted."""
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import json_line
    from wornpath.policy import bundle
    from wornpath.policy.registry import Registry

    with open_store() as store:
        info = bundle.take_in(Registry.of(store), file)
    if json:
        json_line({"type": "result", "version": info.version, "why": info.why})
    else:
        typer.echo(f"It is {info.version} here, a candidate. To use it: wornpath policy promote {info.version}")


@group.command("diff")
def diff(
    first: Annotated[
        str, typer.Argument(metavar="A", help="A version; the one in use if left out.", autocompletion=_versions)
    ] = "",
    second: Annotated[
        str, typer.Argument(metavar="B", help="Another; the newest candidate if left out.", autocompletion=_versions)
    ] = "",
    json: Json = False,
) -> None:
    """Say how two versions differ: what they learnt from, where they choose otherwise, and what is known of each."""
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import json_line
    from wornpath.policy.compare import differences

    with open_store() as store:
        found = differences(store, first, second)
    if json:
        json_line({"type": "result", **found})
    else:
        for line in _diff_lines(found):
            typer.echo(line)


def _diff_lines(found: dict[str, Any]) -> list[str]:
    from wornpath.cli import text as t

    lines = []
    for side in (found["a"], found["b"]):
        made = f", {side['algorithm']} on {t.plural(side['episodes'], 'episode')}" if side["algorithm"] else ""
        runs = side["runs"]
        lived = f"{runs['met']} of {t.plural(runs['judged'], 'run')} met with it" if runs["judged"] else "not run yet"
        lines.append(f"{side['version']} ({side['status']}{made}): {lived}")
        fresh = side["calibration"]
        if fresh:
            against = f"Brier {fresh['brier']:.3f}, {fresh['brier_base']:.3f} for the base rate"
            lines.append(f"  its success probabilities on the runs since it was made: {against}")
        lines += [f"  {change['change']}: {t.one_line(change['why'])}" for change in side["history"]]
    seen, other = found["decisions"], found["different"]
    lines.append("")
    if not seen:
        lines.append("No decision was recorded yet that they could be compared on.")
        return lines
    lines.append(f"On the last {seen} decisions they choose differently in {other} ({other / seen:.0%}).")
    for one in found["examples"]:
        lines.append(f"  {one['run_id']} step {one['step']}: {t.one_line(one['a'])}  ->  {t.one_line(one['b'])}")
    lines += [f"Advice from the log: {t.one_line(found['advice']['text'])}"] if found.get("advice") else []
    return lines


@group.command("try")
def try_out(
    version: Annotated[
        str,
        typer.Argument(
            metavar="[VERSION]", help="A version; the newest candidate if left out.", autocompletion=_versions
        ),
    ] = "",
    goals: Annotated[int, typer.Option("--goals", metavar="N", min=1, help="How many past goals at most.")] = 8,
    model: Model = None,
    max_steps: MaxSteps = None,
    max_tokens: MaxTokens = None,
    keep: Annotated[bool, typer.Option("--keep", help="Only report: promote and refuse nothing.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Do past goals that have checks again, in copies, with the version in use and with VERSION; promote it when it wins.

    It calls the model for either; the limits hold for each run."""
    from wornpath.cli.model import open_model
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import json_line, note
    from wornpath.cli.settings import load
    from wornpath.core import UsageError
    from wornpath.guard import Limits
    from wornpath.policy.promotion import newest_candidate
    from wornpath.policy.registry import Registry
    from wornpath.trying import trial_goals, try_version

    loaded = load({"model": model, "max_steps": max_steps, "max_tokens": max_tokens})
    with open_store() as store:
        waiting = newest_candidate(Registry.of(store).versions())
        if not version and waiting is None:
            raise UsageError("There is no candidate to try; wornpath policy ls lists the versions.")
        name = version or (waiting.version if waiting else "")
        chosen = trial_goals(store, name, goals)
        chat = open_model(loaded, yes=yes, quiet=json)
        limits = Limits(max_steps=loaded.settings.max_steps, max_tokens=loaded.settings.max_tokens)
        report = try_version(
            store,
            name,
            chosen,
            model=chat,
            limits=limits,
            seed=loaded.settings.seed,
            decide=not keep,
            say=(lambda line: None) if json else note,
        )
    done = (
        "promoted" if report.promoted else "refused" if report.ruling.decision == "refuse" and not keep else "unchanged"
    )
    if json:
        ruling = {"decision": report.ruling.decision, "why": report.ruling.why, "figures": report.ruling.figures}
        json_line(
            {"type": "result", "version": name, "done": done, **ruling, "goals": [g.run_id for g in report.goals]}
        )
    else:
        typer.echo(f"{name}: {report.ruling.why}.")
        typer.echo(
            {"promoted": f"{name} is in use now.", "refused": f"{name} is retired."}.get(done, "Nothing was changed.")
        )


@group.command("forget")
def forget(
    what: Annotated[
        str, typer.Argument(metavar="[RUN|FAMILY]", help="A run's id (or its start), or a task family.")
    ] = "",
    tainted: Annotated[
        bool, typer.Option("--tainted", help="All runs that what others wrote may have steered.")
    ] = False,
    why: Why = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Unlearn a run or a task family: mark it as forgotten and learn again without it. Its history stays; `runs rm` removes that."""
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import json_line, note
    from wornpath.cli.terminal import confirm
    from wornpath.learn.forgetting import forget as unlearn
    from wornpath.policy.forgetting import runs_of, tainted_runs

    with open_store() as store:
        runs = tainted_runs(store) if tainted and not what else runs_of(store, what)
        confirm(f"Forget what was learnt from {len(runs)} run{'s' if len(runs) > 1 else ''}?", yes=yes)
        done = unlearn(store, runs, why or "a person's decision", note)
    if json:
        json_line({"type": "result", **done})
    else:
        typer.echo(done["text"])
