"""Fit the simulated model to recorded runs of a real one: counts of what it did, by situation, and the rates that follow from them.

    python benchmarks/fit_simulated.py STORE [STORE ...] [--model qwen] [--out src/wornpath/llm/simulated/rates.json]

STORE is a folder with an event store (a `WORNPATH_HOME`). The counts are kept in the file beside the rates; no text of any run is. Where
little was seen, the rates that the file held before count as PRIOR observations.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wornpath.core import Event
from wornpath.llm.parse import parse_actions, parse_json
from wornpath.llm.simulated.rates import FILE
from wornpath.llm.tokens import count
from wornpath.store import SqliteStore

PRIOR = 6.0
KINDS = {"python": "program", "shell": "program", "list_files": "list", "find_files": "names", "search_text": "search"}
Counts = dict[str, Counter[str]]


class Run:
    """A walk over one run's events, counting into COUNTS."""

    def __init__(self, counts: Counts, *, ended: bool) -> None:
        self.counts, self.ended = counts, ended
        self.kinds: dict[int, str] = {}
        self.kind, self.last, self.tool = "other", "start", ""
        self.files: set[str] = set()
        self.failed_before = False
        self.pending: tuple[bool, int] | None = None
        """A program that awaits its verdict: whether it is the first, and its tokens."""

    def take(self, event: Event) -> None:
        data = event.data
        match event.type:
            case "plan.made" | "plan.changed":
                self.kinds = {s["id"]: s.get("kind", "other") for s in data["plan"]["subtasks"]}
            case "subtask.started":
                self.kind, self.last = self.kinds.get(data["subtask"], "other"), "start"
            case "model.called":
                self._called(data)
            case "action.started":
                self.tool = data["action"]["tool"]
            case "action.finished":
                seen = data["observation"]
                self.last = seen.get("result") or "ok"
                self.files |= {e["value"] for e in seen.get("entities", ())}
                if self.tool == "python" and self.pending is not None and self.last != "ok":
                    self._judged(False)
            case "evaluation.made" if data["scope"] == "run" and self.pending is not None:
                self._judged(data["evaluation"].get("verdict") == "met")
            case _:
                pass

    def _called(self, data: Mapping[str, Any]) -> None:
        if not data["texts"]:
            return
        text = "\n".join(str(m["content"]) for m in data["messages"])
        match data["purpose"]:
            case "plan" | "replan":
                self.counts["plan"][plan_class(data["texts"][0], text)] += 1
            case "propose":
                table = "find" if self.kind in ("find", "read") else "make"
                for sample in data["texts"]:
                    self.counts[f"propose {table} {self.last}"][self._action(sample, text)] += 1
                self.counts["agree"]["same" if len(set(data["texts"])) == 1 else "differ"] += len(data["texts"]) > 1
                self.counts["narrow"].update(narrow(data["texts"]))
            case "progress":
                answer = parse_json(data["texts"][0])
                state = answer.get("state", "") if isinstance(answer, dict) else ""
                did = (
                    "made"
                    if self.tool in ("python", "shell")
                    else "moved"
                    if re.match("move|copy|write|edit", self.tool)
                    else "looked"
                )
                self.counts[f"progress {did}"]["done" if state == "done" else "open"] += 1
            case "argument" if "You write one short Python" in text:
                self.pending = (not self.failed_before, count(data["texts"][0]))
            case _:
                pass

    def _judged(self, right: bool) -> None:
        assert self.pending is not None
        first, tokens = self.pending
        if (
            first or self.ended
        ):  # of runs that were stopped in the middle nobody knows whether they would have recovered
            self.counts["program first" if first else "program again"]["right" if right else "wrong"] += 1
        if first:
            self.counts["program tokens"]["sum"] += tokens
        self.failed_before, self.pending = not right, None

    def _action(self, sample: str, prompt: str) -> str:
        actions = parse_actions(sample)
        if not actions:
            return "unusable"
        tool, arguments = actions[0]
        if tool in KINDS:
            return KINDS[tool]
        path = str(arguments.get("source") or arguments.get("path") or "")
        if tool in ("copy_file", "move_file"):
            return "copy" if path in prompt else "missing"
        if tool == "read_file":
            return "read" if path in prompt else "missing"
        return "finish" if tool in ("finish", "replan", "ask_person") else "read"


def plan_class(answer: str, prompt: str) -> str:
    """How a plan went wrong, if it did: too many parts, an output the goal does not name."""
    data = parse_json(answer)
    items = data.get("subtasks") if isinstance(data, dict) else None
    if not items:
        return "unusable"
    goal = re.search(r"Goal: (.*)", prompt.rsplit("\nGoal: ", 1)[-1] if "\nGoal: " in prompt else prompt)
    named = (prompt.rsplit("\nGoal: ", 1)[-1] if goal is None else goal[0]).casefold()
    outputs = [str(i.get("output", "")) for i in items]
    if any(o and o.casefold() not in prompt.rsplit("Goal: ", 1)[-1].casefold() for o in outputs):
        return "output"
    wanted = len(set(re.findall(r"[\w/-]+\.[a-z]\w{1,4}\b", named)))
    return "split" if len(items) > max(1, wanted) else "good"


def narrow(samples: list[str]) -> Iterator[str]:
    """Whether searches are in one folder or everywhere."""
    for sample in samples:
        for tool, arguments in parse_actions(sample)[:1]:
            if tool in ("find_files", "search_text"):
                yield "everywhere" if str(arguments.get("path", ".")).strip("/.") == "" else "folder"


def fit(counts: Counts, before: Mapping[str, Any]) -> dict[str, Any]:
    """Rates out of COUNTS, with the rates BEFORE as a prior."""
    rates = json.loads(json.dumps(before))
    rates["plan"] = smooth(counts["plan"], before["plan"])
    for table, situations in before["propose"].items():
        for situation, weights in situations.items():
            rates["propose"][table][situation] = smooth(counts[f"propose {table} {situation}"], weights)
    rates["agree"] = share(counts["agree"], "same", before["agree"])
    rates["narrow"] = share(counts["narrow"], "folder", before["narrow"])
    for did in before["progress"]:
        rates["progress"][did] = share(counts[f"progress {did}"], "done", before["progress"][did])
    first, again = counts["program first"], counts["program again"]
    program = before["program"]
    if first.total():
        tokens = counts["program tokens"]["sum"] / first.total()
        expected = math.exp(-program["hazard"] * tokens / 100)
        right = share(first, "right", expected)
        rates["program"]["hazard"] = round(-math.log(max(right, 0.02)) * 100 / tokens, 3)
        wrong = share(again, "wrong", program["cling"])
        rates["program"]["cling"] = round(min(0.95, wrong), 3)
    return rates


def smooth(seen: Mapping[str, int], prior: Mapping[str, float]) -> dict[str, float]:
    total = sum(seen.get(name, 0) for name in prior) + PRIOR
    scale = PRIOR / sum(prior.values())
    return {name: round((seen.get(name, 0) + weight * scale) / total, 3) for name, weight in prior.items()}


def share(seen: Mapping[str, int], name: str, prior: float) -> float:
    return round((seen.get(name, 0) + prior * PRIOR) / (sum(seen.values()) + PRIOR), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="+", type=Path, metavar="STORE")
    parser.add_argument(
        "--model", default="qwen|local", metavar="PATTERN", help="only runs whose model matches (default qwen|local)"
    )
    parser.add_argument("--out", type=Path, default=FILE, metavar="FILE", help="read for the prior, then replaced")
    options = parser.parse_args()
    before = json.loads(options.out.read_text("utf-8"))
    counts: Counts = defaultdict(Counter)
    runs = 0
    for folder in options.stores:
        with SqliteStore(folder) as store:
            for summary in store.runs(limit=100_000):
                events = list(store.events(summary.run_id))
                if not events or not re.search(options.model, str(events[0].data.get("model")), re.IGNORECASE):
                    continue
                runs += 1
                run = Run(counts, ended=summary.status in ("met", "unmet", "budget"))
                for event in events:
                    run.take(event)
    rates = fit(counts, before.get("guess") or {k: v for k, v in before.items() if k != "fitted_to"})
    rates["guess"] = before.get("guess") or {k: v for k, v in before.items() if k != "fitted_to"}
    rates["fitted_to"] = {"runs": runs, "counts": {name: dict(sorted(c.items())) for name, c in sorted(counts.items())}}
    options.out.write_text(json.dumps(rates, indent=1) + "\n", "utf-8")
    print(json.dumps(rates["fitted_to"], indent=1))


if __name__ == "__main__":
    main()
