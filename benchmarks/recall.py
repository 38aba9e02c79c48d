"""What acting from experience costs, in CPU time: prints one JSON object, on the last line.

    python benchmarks/recall.py [--stored 1000] [--recalled 100000] [--repeats 200]

A memory is filled through `Memory.learn` with runs of several families, three lessons each, until it holds so many transitions. At
`--stored`: the choice alone (`CountPolicy.decide`) and a whole step without the model (observe, recall, gate, choice, record, the tool
itself left out, taking in its result). At `--recalled`: what is known of a position, said with today's things (evidence, bodies, filling),
and, once a run, the family of a new goal. Medians in milliseconds, with the 90th percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wornpath.agent import AutoGPT
from wornpath.core import Action, Candidate, Observation, Plan, Predicate, State, Subtask, to_json
from wornpath.experience.filling import fill
from wornpath.experience.lessons import FINISH, position
from wornpath.experience.lifting import Lifter
from wornpath.experience.live import Experience, ExperienceConfig
from wornpath.experience.memory import Memory
from wornpath.experience.records import Lesson, Outcome
from wornpath.experience.situation import Situation, take
from wornpath.experience.template import Template
from wornpath.llm import ScriptedChat
from wornpath.policy import CountPolicy
from wornpath.store import SqliteStore
from wornpath.tools.workspace import Workspace

FAMILIES = 40
GOAL = "Add up the amounts in sales.csv and write the sum to total.txt"
PROGRAM = """import csv
total = 0.0
with open("sales.csv", newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        total += float(row["amount"])
{more}with open("total.txt", "w", encoding="utf-8") as file:
    file.write(str(total))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stored", type=int, default=1000)
    parser.add_argument("--recalled", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "work").mkdir()
        for month in ("sales", "costs", "other"):
            text = "day,amount,who\n" + "".join(f"2026-01-{d:02},{d}.5,Ann\n" for d in range(1, 29))
            (root / "work" / f"{month}.csv").write_text(text, encoding="utf-8")
        here = take(GOAL, Workspace(root / "work"))
        small, large = Memory(root / "small.sqlite3"), Memory(root / "large.sqlite3")
        learn_ms = {
            name: filled(memory, n, here)
            for name, memory, n in (("small", small, options.stored), ("large", large, options.recalled))
        }
        figures: dict[str, Any] = {
            "stored": options.stored,
            "recalled": options.recalled,
            "families": FAMILIES,
            "choice_ms": choice(options.repeats),
            "step_ms": step(root, small, options.repeats),
            "recall_ms": recall(large, here, options.repeats),
            "family_ms": timed(lambda: large.family(here), max(5, options.repeats // 10)),
            "learn_run_ms": learn_ms["large"],
            "memory_mb": round((root / "large.sqlite3").stat().st_size / 1e6, 1),
        }
        small.close()
        large.close()
    print(json.dumps(figures))


def filled(memory: Memory, transitions: int, here: Situation) -> dict[str, float]:
    """Fill MEMORY; gives what learning one run took, over the last hundred."""
    lifter, rng, took = Lifter(here), random.Random(0), []
    variants = [
        lifter.lift(Action.of("python", code=PROGRAM.format(more=f"total = round(total, {i})\n")), {"code": "code"})
        for i in range(5)
    ]
    for run in range(transitions // 3):
        family = run % FAMILIES
        words = frozenset({"add", "sum", "write", *(f"kind{family}" for _ in range(family > 0))})
        situation = Situation(
            here.roles, here.groups, (), words, here.shape, here.layout if rng.random() < 0.7 else "other"
        )
        template, good = variants[0 if rng.random() < 0.6 else rng.randrange(5)], rng.random() < 0.95
        look = lifter.lift(Action.of("read_file", path="sales.csv"), {})
        lessons = [
            Lesson(position("find", []), look.id, good, 0.9, "action", look),
            Lesson(position("compute", []), template.id, good, 0.9, "action", template),
            Lesson(position("compute", [template.id]), FINISH.id, good, 0.9, "action", FINISH),
        ]
        began = time.process_time()
        memory.learn(f"run{run}", f"family{family}", situation, lessons, Outcome(good, "skipped" if run > 200 else ""))
        took.append(1000 * (time.process_time() - began))
    return summary(took[-100:])


def choice(repeats: int) -> dict[str, float]:
    actions = [Action.of("read_file", path=f"{i}.txt") for i in range(16)]
    candidates = [Candidate(a, "llm", 1 / 16) for a in actions]
    state = State("", {"recalled": {a.key: ["t", 5, 1, 0.5] for a in actions[:8]}})
    rng, policy = random.Random(0), CountPolicy()
    return timed(lambda: policy.decide(state, candidates, [True] * 16, rng=rng), repeats)


def recall(memory: Memory, here: Situation, repeats: int) -> dict[str, float]:
    def once() -> None:
        for known in memory.evidence("family0", position("compute", []), here.contexts)[:8]:
            for body in memory.bodies("family0", known.template):
                assert isinstance(body, Template) and fill(body, here)

    return timed(once, repeats)


def step(root: Path, memory: Memory, repeats: int) -> dict[str, float]:
    """Steps of runs that never ask the model, one step a run: its first."""
    took = []
    plan = Plan((Subtask(1, "Add up", "compute", "", (Predicate("exists", "total.txt"),)),))
    with SqliteStore(root / "store") as store:
        for _ in range(min(repeats, 60)):
            agent = AutoGPT(
                GOAL,
                workspace=root / "work",
                model=ScriptedChat([]),
                store=store,
                learn=False,
                family="family0",
                experience=Experience(memory, ExperienceConfig(policy="counts", shadow=0.0)),
            )
            took.append(asyncio.run(one_step(agent, plan)))
            agent.close()
    return summary(took)


async def one_step(agent: AutoGPT, plan: Plan) -> float:
    actor = agent._begin()
    actor.session.record("plan.made", {"plan": to_json(plan), "reason": ""})
    actor.session.record("subtask.started", {"subtask": 1})
    actor.look()
    began = time.process_time()
    decision = await actor.chooser.choose(actor.observe())
    assert decision.candidates[decision.chosen].source == "recalled" and actor.session.tracker.skipped == 1
    seen = actor.caller.finish(decision.action, "execute", Observation("ok", changed=("total.txt",)))
    actor.evaluate(seen)
    return 1000 * (time.process_time() - began)


def timed(work: Callable[[], Any], repeats: int) -> dict[str, float]:
    took = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        took.append(1000 * (time.process_time() - began))
    return summary(took)


def summary(took: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(took), 3), "p90": round(sorted(took)[int(0.9 * len(took))], 3)}


if __name__ == "__main__":
    main()
