"""How often a model meets the goals of the examples, in how many steps and tokens. The summary is the last line, as JSON.

    python benchmarks/examples.py --model local --runs 10 --out results.jsonl [--families invoices,tidy] [--seed 0]

Every run draws a fresh task of its family (`examples/families.py`) and works in a folder and a store of its own; the task's checks decide.
A line is added to the file as each run ends. Runs that are in the file already, by family, seed, model and code, are not done again,
so an interrupted measurement goes on where it stopped. `code` is a hash of the agent's and the families' source.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wilson import wilson

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples"))

if TYPE_CHECKING:
    from wornpath import Event
    from wornpath.llm.chat import Chat

MEASURED = ("steps", "llm_calls", "prompt", "completion", "evaluated", "seconds")
PER_STEP = ("prompt", "completion", "evaluated")


def code_version() -> str:
    """A hash of all the source that a run depends on."""
    import families

    import wornpath

    folder = Path(wornpath.__file__).parent
    found = hashlib.sha256()
    for path in [*sorted(folder.rglob("*.py")), Path(families.__file__)]:
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]


async def attempt(family: str, seed: int, chat: Chat) -> dict[str, Any]:
    """One run of FAMILY's task number SEED, as a record."""
    from families import FAMILIES

    from wornpath import AutoGPT, WornpathError
    from wornpath.core import ModelUnavailable
    from wornpath.store import SqliteStore

    task = FAMILIES[family](seed)
    spent = dict.fromkeys((*PER_STEP, "llm_calls"), 0)
    steps, comment = 0, ""

    def count(event: Event) -> None:
        nonlocal steps, comment
        if event.type == "model.called":
            usage = event.data["usage"]
            spent["llm_calls"] += usage.get("calls", 1)
            spent["prompt"] += usage.get("prompt", 0)
            spent["completion"] += usage.get("completion", 0)
            spent["evaluated"] += usage.get("prompt", 0) - usage.get("cached", 0)
        elif event.type == "action.started":
            steps += 1
        elif event.type == "evaluation.made" and event.data["scope"] == "run":
            comment = event.data["evaluation"].get("comment", "")

    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder, "home")) as store:
        workspace = Path(folder, "work")
        task.write(workspace)
        agent = AutoGPT(
            task.goal, workspace=workspace, model=chat, checks=task.checks, store=store, seed=seed, on_event=count
        )
        began = time.monotonic()
        try:
            status, summary = (result := (await agent.arun()).result).status, result.summary
        except ModelUnavailable:
            raise  # says nothing about the model's work
        except WornpathError as error:
            status, summary = "error", str(error)
    seconds = round(time.monotonic() - began, 1)
    return {"status": status, "steps": steps, **spent, "seconds": seconds, "comment": comment, "summary": summary[:200]}


def earlier(out: Path) -> list[dict[str, Any]]:
    """The records in OUT. A last line that was cut off is passed over."""
    records = []
    for line in out.read_text("utf-8").splitlines() if out.exists() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            print(f"A line of {out} is no JSON and was passed over.", file=sys.stderr)
    return records


async def measure(families: Sequence[str], seeds: Sequence[int], name: str, out: Path) -> list[dict[str, Any]]:
    """The records of all runs asked for, those that are missing in OUT made now and added to it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from wornpath.llm import resolve

    code = code_version()
    wanted = [(family, seed) for seed in seeds for family in families]
    found = {(r["family"], r["seed"]): r for r in earlier(out) if r["code"] == code and r["model"] == name}
    missing = [key for key in wanted if key not in found]
    chat = resolve(name, assume_yes=True) if missing else None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, out.open("a", encoding="utf-8") as file:
        if file.tell() and not out.read_bytes().endswith(b"\n"):
            file.write("\n")
        bar = progress.add_task("", total=len(wanted), completed=len(wanted) - len(missing))
        for family, seed in missing:
            progress.update(bar, description=f"{family} {seed}")
            assert chat is not None
            record = {"family": family, "seed": seed, "model": name, "code": code, **await attempt(family, seed, chat)}
            found[family, seed] = record
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            file.flush()
            progress.advance(bar)
            progress.console.print(
                f"{family} {seed}: {record['status']}, {record['steps']} steps, {record['seconds']} s"
            )
    if chat is not None:
        await chat.aclose()
    return [found[key] for key in wanted]


def summary(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Success with its interval, means of a run, and tokens a step."""
    met = sum(record["status"] == "met" for record in records)
    steps = sum(record["steps"] for record in records)
    out: dict[str, Any] = {"runs": len(records), "met": met, "share": round(met / len(records), 4)}
    out["share_ci95"] = wilson(met, len(records))
    out |= {name: round(statistics.mean(record[name] for record in records), 2) for name in MEASURED}
    return out | {
        f"{name}_per_step": round(sum(record[name] for record in records) / steps, 1) if steps else None
        for name in PER_STEP
    }


def main() -> None:
    os.environ["WORNPATH_AFTER_RUN"] = "off"  # no learner beside what is measured
    from families import FAMILIES

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", default="local", metavar="NAME", help="as `wornpath run --model` has it (default local)"
    )
    parser.add_argument("--families", default=",".join(FAMILIES), metavar="LIST", help="default: all of them")
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="runs of each family (default 10)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the first run's seed; the others follow it")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON Lines, added to")
    options = parser.parse_args()
    families = options.families.split(",")
    if unknown := [family for family in families if family not in FAMILIES]:
        parser.error(f"there is no family {unknown[0]!r}; there are {', '.join(FAMILIES)}")
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    seeds = range(options.seed, options.seed + options.runs)
    records = asyncio.run(measure(families, seeds, options.model, options.out))
    by_family = {family: summary([r for r in records if r["family"] == family]) for family in families}
    for family, found in by_family.items():
        low, high = found["share_ci95"]
        print(
            f"{family:12} {found['met']}/{found['runs']} met ({low:.0%}-{high:.0%}), {found['steps']} steps, {found['llm_calls']} calls, "
            f"tokens a step: {found['prompt_per_step']} prompt ({found['evaluated_per_step']} evaluated), "
            f"{found['completion_per_step']} completion; {found['seconds']} s"
        )
    whole = {"model": options.model, "code": records[0]["code"], "families": by_family, "all": summary(records)}
    print(json.dumps(whole, ensure_ascii=False))


if __name__ == "__main__":
    main()
