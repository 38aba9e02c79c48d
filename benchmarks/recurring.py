"""Work that comes again, arm by arm: success and tokens for each goal met, as episodes go by. The figures are the last line, as JSON.

    python benchmarks/recurring.py --out recurring.jsonl [--model simulated] [--arm frozen,learning] [--episodes 300] [--seeds 5] [--jobs 2]

Every episode is a line in the file as it ends. What is there already, by code, model, learner, arm and seed, is not done again; an
interrupted measurement goes on where it stopped (the arms' memories lie beside the file, in OUT.homes). `code` is a hash of the source
of the package. `--plot NAME` draws NAME.svg and NAME.png of what the file has; `--episodes 0` draws and reports only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import wornpath
from wornpath.bench.arms import ARMS, chosen
from wornpath.bench.recurring import run_specs
from wornpath.bench.report import report
from wornpath.bench.stream import Record, Spec, families
from wornpath.core import UsageError

Key = tuple[str, str, str, str, int]


def code_version() -> str:
    """A hash of all the source that an episode depends on."""
    folder = Path(wornpath.__file__).parent
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        if not {"cli", "serve"} & set(path.relative_to(folder).parts):
            found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]


def earlier(out: Path) -> list[tuple[dict[str, Any], Record]]:
    """(the keys, the record) of every line in OUT. A last line that was cut off is passed over."""
    found = []
    for line in out.read_text("utf-8").splitlines() if out.exists() else []:
        try:
            data = json.loads(line)
            found.append((data, Record(**{name: data[name] for name in Record.__slots__})))
        except (ValueError, KeyError):
            print(f"A line of {out} is no record and was passed over.", file=sys.stderr)
    return found


def planned(options: argparse.Namespace, code: str, done: Counter[Key]) -> list[Spec]:
    """The streams that are not finished, each with the episodes it has already."""
    specs = []
    every = len(options.only or families(options.families))
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for arm in options.arms:
            key = (code, options.model, options.algorithm, arm, seed)
            home = Path(f"{options.out}.homes") / "-".join(map(str, key)).replace("/", "_")
            if done[key] and not home.exists():
                raise UsageError(
                    f"{options.out} has episodes of {arm}, seed {seed}, but their memory {home} is gone; remove those lines."
                )
            spec = Spec(
                arm,
                seed,
                options.episodes,
                options.families,
                tuple(options.only),
                options.model,
                options.algorithm,
                str(home),
            )
            spec = replace(spec, drift=options.drift, max_steps=options.max_steps, late=tuple(options.late))
            if options.short_frozen is not None and arm == "frozen":
                first, last = min(options.short_frozen, options.episodes), 2 * options.episodes // 3
                spec = replace(spec, leave_out=(first, last))
            if done[key] < spec.length * every:
                specs.append(replace(spec, start=done[key]))
    return specs


@contextmanager
def bar(total: int) -> Iterator[Callable[[Record], None]]:
    """A progress bar on stderr with the episode in hand."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("episodes", total=total)
        yield lambda r: progress.update(task, advance=1, description=f"{r.arm} {r.seed} {r.family}")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON Lines, added to")
    parser.add_argument(
        "--model", default="simulated", metavar="NAME", help="`simulated` (default), or as `wornpath run` has it"
    )
    parser.add_argument("--algorithm", choices=("dqn", "ppo"), default="dqn")
    parser.add_argument("--families", default="wornpath.bench.families", metavar="MODULE")
    parser.add_argument("--only", default="", metavar="A,B", help="only these families")
    parser.add_argument("--arm", default="", metavar="LIST", help=f"default: all of {', '.join(ARMS)}")
    parser.add_argument("--episodes", type=int, default=100, metavar="N", help="of each family and arm (default 100)")
    parser.add_argument("--seeds", type=int, default=1, metavar="N")
    parser.add_argument("--first-seed", type=int, default=0, metavar="S")
    parser.add_argument(
        "--short-frozen",
        type=int,
        nargs="?",
        const=50,
        metavar="N",
        help="the frozen arm does the first N (50) and the last third of the episodes only",
    )
    parser.add_argument(
        "--drift", type=int, default=0, metavar="E", help="from episode E on names, layouts and wordings are others"
    )
    parser.add_argument(
        "--late", default="", metavar="A,B", help="these families come after all episodes of the others"
    )
    parser.add_argument(
        "--max-steps",
        type=int,
        default=0,
        metavar="N",
        help="an episode ends after N steps (default: the agent's own limit)",
    )
    parser.add_argument("--jobs", type=int, default=1, choices=(1, 2), help="streams at a time")
    parser.add_argument(
        "--code", default="", metavar="HASH", help="report on records of this code; default: the present one"
    )
    parser.add_argument("--plot", default="", metavar="NAME", help="draw NAME.svg and NAME.png")
    options = parser.parse_args()
    options.only = [name for name in options.only.split(",") if name]
    options.late = [name for name in options.late.split(",") if name]
    options.arms = chosen(options.arm)
    return options


def main() -> None:
    options = parsed()
    code = options.code or code_version()
    done = Counter[Key]()
    kept: list[Record] = []
    for data, record in earlier(options.out):
        key = (data["code"], data["model"], data["algorithm"], record.arm, record.seed)
        done[key] += 1
        if key[:3] == (code, options.model, options.algorithm) and record.arm in options.arms:
            kept.append(record)
    specs = planned(options, code, done) if options.episodes else []
    every = len(options.only or families(options.families))
    if specs and options.code and options.code != code_version():
        raise UsageError(
            "Episodes of another code cannot be added to; leave --code out, or report on it with --episodes 0."
        )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", encoding="utf-8") as file, bar(sum(s.length * every - s.start for s in specs)) as tell:
        if file.tell() and not options.out.read_bytes().endswith(b"\n"):
            file.write("\n")

        def take(record: Record) -> None:
            keys = {"code": code, "model": options.model, "algorithm": options.algorithm}
            file.write(json.dumps({**keys, **record.as_dict()}) + "\n")
            file.flush()
            kept.append(record)
            tell(record)

        run_specs(specs, take, options.jobs)
    if not kept:
        raise UsageError(f"{options.out} has no episode of this code, model and learner yet.")
    if options.plot:
        from recurring_plots import draw

        draw(kept, options.plot, options.model)
    figures = report(kept)
    for arm, row in figures.items():
        late = row["last_third"]
        fewer = f", {late['times_fewer_tokens']:.1f} times fewer than frozen" if "times_fewer_tokens" in late else ""
        print(
            f"{arm:17} last third: met {late['success']:.2f} {late['success_ci95']}, tokens/met {late['tokens_per_met']:,.0f}{fewer}"
        )
    print(json.dumps({"model": options.model, "algorithm": options.algorithm, "code": code, "arms": figures}))


if __name__ == "__main__":
    try:
        main()
    except UsageError as error:
        sys.exit(f"recurring: {error}")
