"""Work that comes again, arm by arm: success and tokens for each goal met, as episodes go by. The figures are the last line, as JSON.

    python benchmarks/recurring.py --out recurring.jsonl [--model simulated] [--arm frozen,learning] [--episodes 300] [--seeds 5] [--jobs 2]

Every episode is a line in the file as it ends. What is there already, by code, model, learner, stream, arm and seed, is not done again; an
interrupted measurement goes on where it stopped (the arms' memories lie beside the file, in OUT.homes). `code` is a hash of the package's
source; `setup` is one of the options that make the stream another one (`--families`, `--only`, `--drift`, `--late`, `--max-steps`,
`--rated`), empty where they are left out. Lines from before `setup` was written count as such. `--plot NAME` draws NAME.svg and NAME.png
of what the file has; `--episodes 0` draws and reports only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import wornpath
from wornpath.bench.arms import ARMS, chosen
from wornpath.bench.recurring import run_specs
from wornpath.bench.report import report
from wornpath.bench.stream import Record, Spec, drawn, families
from wornpath.core import UsageError, WornpathError, canonical, digest

Key = tuple[str, str, str, str, str, int]
"""Code, model, learner, setup, arm, seed: what one memory belongs to."""
Done = Mapping[Key, set[tuple[str, int]]]
FAMILIES = "wornpath.bench.families"


def code_version() -> str:
    """A hash of all the source that an episode depends on, and of the data that lies with it."""
    folder = Path(wornpath.__file__).parent
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if not {"cli", "serve", "__pycache__"} & set(path.relative_to(folder).parts):
            found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]


def setup_of(options: argparse.Namespace) -> str:
    """A digest of the options that make the stream another one; empty where all are at their defaults."""
    told = [options.families, options.only, options.drift, sorted(options.late), options.max_steps]
    if options.rated:
        told.append("rated")
    return "" if told == [FAMILIES, [], 0, [], 0] else digest(canonical(told))[:8]


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


def planned(options: argparse.Namespace, code: str, done: Done) -> list[Spec]:
    """The streams that are not finished, each with the episodes it has already."""
    specs = []
    names, setup = list(options.only or families(options.families)), setup_of(options)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for arm in options.arms:
            have = done.get((code, options.model, options.algorithm, setup, arm, seed), set())
            spec = spec_of(options, code, arm, seed)
            if have and not Path(spec.home).exists():
                raise UsageError(
                    f"{options.out} has episodes of {arm}, seed {seed}, but their memory {spec.home} is gone; remove those lines."
                )
            todo = [(family, episode) for _, family, episode in drawn(spec, names)]
            start = next((n for n, draw in enumerate(todo) if draw not in have), len(todo))
            if start < min(len(have), len(todo)) and arm != "frozen":  # that one learns nothing, so order is no matter
                raise UsageError(
                    f"{options.out} has episodes of {arm}, seed {seed}, that this stream does not begin with; use another file."
                )
            if start < len(todo):
                specs.append(replace(spec, start=start))
    return specs


def spec_of(options: argparse.Namespace, code: str, arm: str, seed: int) -> Spec:
    """The whole stream of ARM on SEED."""
    setup = setup_of(options)
    name = "-".join([code, options.model, options.algorithm, arm, str(seed), *([setup] if setup else [])])
    home = Path(f"{options.out}.homes") / name.replace("/", "_")
    spec = Spec(
        arm, seed, options.episodes, options.families, tuple(options.only), options.model, options.algorithm, str(home)
    )
    spec = replace(
        spec, drift=options.drift, max_steps=options.max_steps, late=tuple(options.late), rated=options.rated
    )
    if options.short_frozen is not None and arm == "frozen":
        first, last = min(options.short_frozen, options.episodes), 2 * options.episodes // 3
        spec = replace(spec, leave_out=(first, last))
    return spec


def sorted_out(options: argparse.Namespace, code: str) -> tuple[Done, list[Record]]:
    """(what is done of each stream, the records to report on) of what is in OUT. Raises UsageError where episodes are to be added to some
    whose setup was not kept."""
    done: dict[Key, set[tuple[str, int]]] = {}
    kept: list[Record] = []
    setup = setup_of(options)
    for data, record in earlier(options.out):
        mine = (data["code"], data["model"], data["algorithm"]) == (code, options.model, options.algorithm)
        if mine and record.arm in options.arms and data.get("setup", setup) == setup:
            if "setup" not in data and setup and options.episodes:
                raise UsageError(
                    f"{options.out} does not tell the families and options of its episodes, so these cannot be added; use another file."
                )
            kept.append(record)
        key = (data["code"], data["model"], data["algorithm"], data.get("setup", ""), record.arm, record.seed)
        done.setdefault(key, set()).add((record.family, record.episode))
    return done, kept


def shown(value: float | None, form: str) -> str:
    """VALUE in FORM; where it has no bound or is not known, a dash."""
    return "-" if value is None else format(value, form)


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
    parser.add_argument("--families", default=FAMILIES, metavar="MODULE")
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
    parser.add_argument("--rated", action="store_true", help="without checks: a person rates each run when it is over")
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
    done, kept = sorted_out(options, code)
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
            keys = {"code": code, "model": options.model, "algorithm": options.algorithm, "setup": setup_of(options)}
            file.write(json.dumps({**keys, **record.as_dict()}) + "\n")
            file.flush()
            kept.append(record)
            tell(record)

        run_specs(specs, take, options.jobs)
    if not kept:
        raise UsageError(f"{options.out} has no episode of this code, model, learner and stream yet.")
    if options.plot:
        from recurring_plots import draw

        draw(kept, options.plot, options.model)
    figures = report(kept)
    for arm, row in figures.items():
        late = row["last_third"]
        fewer = shown(late["times_fewer_tokens"], ".1f") if "times_fewer_tokens" in late else ""
        fewer = f", {fewer} times fewer than frozen" if fewer else ""
        tokens = shown(late["tokens_per_met"], ",.0f")
        print(f"{arm:17} last third: met {late['success']:.2f} {late['success_ci95']}, tokens/met {tokens}{fewer}")
    out = {"model": options.model, "algorithm": options.algorithm, "code": code, "arms": figures}
    print(json.dumps(out, allow_nan=False))


if __name__ == "__main__":
    try:
        main()
    except WornpathError as error:
        sys.exit(f"recurring: {error}")
