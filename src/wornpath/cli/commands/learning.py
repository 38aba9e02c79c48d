"""`wornpath learn` and `wornpath bench`: learn from past runs, train on an environment, and measure the learning core."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from wornpath.cli.commands.runs import Json

learn_group = typer.Typer(
    help="Learn from past runs, or train a policy on an environment.", invoke_without_command=True
)
bench_group = typer.Typer(help="Measure the learning core; the JSON is the last line on stdout.", no_args_is_help=True)

Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random; equal seeds give equal results.")]
Episodes = Annotated[int, typer.Option("--episodes", min=1, help="Training episodes a seed.")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="How many seeds.")]
Tests = Annotated[int, typer.Option("--tests", min=1, help="Test episodes a seed.")]
Arms = Annotated[str, typer.Option("--only", metavar="A,B", help="Only these arms.")]


@learn_group.callback()
def learn(
    context: typer.Context,
    env: Annotated[
        str,
        typer.Option(
            "--env",
            metavar="ENV",
            help="Train on this instead: file-finding, textworld:GAME, MODULE:FACTORY or a Gymnasium id.",
        ),
    ] = "",
    algorithm: Annotated[
        str, typer.Option("--algorithm", help="dqn, or ppo (on past runs: its off-policy form, AWR).")
    ] = "dqn",
    after: Annotated[
        str,
        typer.Option(
            "--after", metavar="RUN", help="What is done after every run: a second of learning, and the trials."
        ),
    ] = "",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start from nothing rather than from the newest version's weights.")
    ] = False,
    episodes: Annotated[
        int | None, typer.Option("--episodes", min=1, help="With --env: how many episodes to train for.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="With --env: how many steps to train for, instead.")
    ] = None,
    seed: Seed = 0,
    demonstrations: Annotated[
        int,
        typer.Option(
            "--demonstrations", min=0, help="With --env: episodes at the start that the environment's teacher acts in."
        ),
    ] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="With --env: where policy, metrics and curve go.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="With --env: go on from the checkpoint in --out.")] = False,
    tests: Annotated[int, typer.Option("--tests", min=1, help="With --env: test episodes afterwards.")] = 100,
    json: Json = False,
) -> None:
    """Learn from all past runs and make a policy version of it; or, with --env, train on an environment and say how good it is."""
    if context.invoked_subcommand is not None:
        return
    if algorithm not in ("dqn", "ppo"):
        from wornpath.core import UsageError

        raise UsageError(f"There is no algorithm {algorithm!r}; use dqn or ppo.")
    if env and (after or fresh):
        from wornpath.core import UsageError

        raise UsageError("--after and --fresh are about past runs; leave them out, or leave out --env.")
    if not env:
        only = {"--episodes": episodes, "--steps": steps, "--demonstrations": demonstrations, "--out": out}
        _from_runs(algorithm, after, fresh, seed, {**only, "--resume": resume}, json)
        return
    _on_environment(env, algorithm, episodes, steps, seed, demonstrations, out, resume, tests, json)


def _from_runs(algorithm: str, after: str, fresh: bool, seed: int, only: dict[str, Any], json: bool) -> None:
    """Learn from the store. ONLY are options that belong to environments."""
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import json_line, note
    from wornpath.core import UsageError, to_json

    odd = next((name for name, value in only.items() if value), None)
    if odd is not None:
        raise UsageError(
            f"{odd} needs an environment; add --env ENV. Without it, wornpath learn learns from past runs."
        )
    from wornpath.learn.after import after_run, only_learner, train_candidate

    with open_store() as store:
        if after:
            import time

            stamp = time.strftime("%Y-%m-%d %H:%M:%S")
            after_run(store, store.run(after).run_id, lambda line: typer.echo(f"{stamp} {line}"))
            return
        from wornpath.learn import require_torch

        require_torch()
        from wornpath.learn.live import LiveConfig

        config = LiveConfig("dqn" if algorithm == "dqn" else "ppo", seed)
        with only_learner(store, note), _bar(0, "updates") as advance:
            made, said = train_candidate(store, config=config, fresh=fresh, progress=advance)
    if json:
        json_line(
            {
                "type": "result",
                "version": made.version if made else None,
                "text": said,
                **(to_json(made) if made else {}),
            }
        )
        return
    typer.echo(said)
    if made:
        typer.echo(f"It is a candidate: some runs will try it. To use it now: wornpath policy promote {made.version}")


@learn_group.command("status")
def status(json: Json = False) -> None:
    """Say in one line whether it is getting better, with an interval."""
    from wornpath.cli.opening import open_store
    from wornpath.cli.output import json_line
    from wornpath.policy.report import status as found

    with open_store() as store:
        now = found(store)
    if json:
        json_line({"type": "result", **now})
    else:
        typer.echo(now["text"])


def _on_environment(
    env: str,
    algorithm: str,
    episodes: int | None,
    steps: int | None,
    seed: int,
    demonstrations: int,
    out: Path | None,
    resume: bool,
    tests: int,
    json: bool,
) -> None:
    """Train on ENV, and say how good the policy is on test draws."""
    from wornpath.cli.output import note
    from wornpath.learn import evaluate, require_torch, train

    require_torch()
    import torch

    torch.set_num_threads(1)  # the networks are small: threads would wait for each other most of the time
    from wornpath.envs.named import environment

    named = environment(env)
    if episodes is None and steps is None:
        episodes = 200
    if out is None:
        named.make(seed).close()  # one that cannot be made is told first
        note("Without --out DIR the policy is measured and not kept; name a folder to keep it in.")
    with _bar(episodes or steps or 0, "return") as progress:

        def advance(row: dict[str, Any]) -> None:
            progress(row["episode"] if episodes else row["steps"], episodes or steps or 0, row["return"])

        policy = train(
            named.make,
            "dqn" if algorithm == "dqn" else "ppo",
            episodes=episodes,
            steps=steps,
            seed=seed,
            demonstrations=demonstrations,
            teacher=named.teacher,
            out=out,
            resume=resume,
            progress=advance,
            make_test_env=named.make_test,
        )
    report = evaluate(policy, named.make_test, episodes=tests)
    _tell(policy.version, report, out, json)


def _tell(version: str, report: Any, out: Path | None, json: bool) -> None:
    import math

    from wornpath.cli.output import json_line

    if not json:
        typer.echo(f"{version}: {report}")
        for family, success in report.families.items():
            typer.echo(f"  {family}: {'-' if math.isnan(success) else f'{success:.2f}'}")
        if out:
            typer.echo(f"The policy is in {out / 'policy'}, the learning curve in {out / 'curve.svg'}.")
        return
    policy = str(out / "policy") if out else None
    json_line({"type": "result", "version": version, **report.as_dict(), "policy": policy})


class _bar:  # noqa: N801 (a context manager used like a function)
    """A progress bar on stderr, where that is a terminal; called with what is done, what is to do, and a figure to show
    the recent mean of, as NAMED."""

    def __init__(self, total: int, named: str) -> None:
        self._total, self._named = total, named

    def __enter__(self) -> Callable[..., None]:
        import sys

        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from wornpath.cli.output import console

        columns = (
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[told]}"),
        )
        self._progress = Progress(*columns, console=console(sys.stderr), disable=not sys.stderr.isatty())
        self._progress.start()
        task = self._progress.add_task("", total=self._total, told="")
        recent: list[float] = []

        def advance(done: int, total: int, figure: float | None = None) -> None:
            told = self._named
            if figure is not None:
                recent.append(figure)
                told = f"{self._named} {sum(recent[-25:]) / len(recent[-25:]):.2f}"
            self._progress.update(task, completed=min(done, total), total=total, told=told)

        return advance

    def __exit__(self, *error: object) -> None:
        self._progress.stop()


@bench_group.command("file-finding")
def file_finding(
    episodes: Episodes = 200,
    demonstrations: Annotated[
        int, typer.Option("--demonstrations", min=0, help="How many of the episodes the teacher acts in.")
    ] = 50,
    seeds: Seeds = 5,
    tests: Tests = 200,
    only: Arms = "",
    json: Json = False,
) -> None:
    """Finding things in unseen folders under unseen wording."""
    from wornpath.bench import learning

    _bench(
        learning.file_finding,
        json,
        episodes=episodes,
        demonstrations=min(demonstrations, episodes),
        seeds=range(seeds),
        tests=tests,
        only=_names(only),
    )


@bench_group.command("textworld")
def textworld(
    game: Annotated[str, typer.Option("--game", help="twc, cookingworld, mapreader or coin.")] = "twc",
    episodes: Episodes = 200,
    seeds: Seeds = 3,
    tests: Tests = 50,
    only: Arms = "",
    json: Json = False,
) -> None:
    """TextWorldExpress, trained on the train fold and tested on the test fold."""
    from wornpath.bench import learning

    _bench(learning.textworld, json, game=game, episodes=episodes, seeds=range(seeds), tests=tests, only=_names(only))


@bench_group.command("cartpole")
def cartpole(
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=100, help="Training steps a seed; as many as the algorithm needs if not given."),
    ] = None,
    seeds: Seeds = 3,
    only: Arms = "",
    json: Json = False,
) -> None:
    """CartPole-v1, against Stable-Baselines3 where it is installed."""
    from wornpath.bench import learning

    _bench(learning.cartpole, json, steps=steps, seeds=range(seeds), only=_names(only))


def _names(only: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in only.split(",") if name.strip())


def _bench(run: Any, json: bool, **options: Any) -> None:
    """Run a benchmark; progress on stderr, a table unless JSON is wanted, and the JSON as the last line on stdout."""
    import sys

    from wornpath.cli.output import json_line, table
    from wornpath.learn import require_torch

    require_torch()
    import torch

    torch.set_num_threads(1)  # figures of CPU time mean one thread
    result = run(**options, say=lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    if not json:
        from wornpath.learn.evaluation import mean_interval

        rows = []
        for name, row in result.items():
            values = row.get("success") or row.get("returns") or [0.0]
            mean, low, high = mean_interval(values)
            rows.append(
                [
                    name,
                    f"{mean:.2f}",
                    f"{low:.2f} to {high:.2f}" if len(values) > 1 else "one seed",
                    str(row["episodes"]),
                    f"{sum(row['cpu_s']) / len(row['cpu_s']):.1f}",
                ]
            )
        table(["arm", "mean", "95 %", "episodes", "CPU s"], rows, right=["mean", "episodes", "CPU s"])
    json_line(result)
