"""What each part of the learning core is worth on file finding: the default with one part changed, same seeds and draws.

python benchmarks/learning_ablations.py --episodes 200 --seeds 5 [--only "one step,no double"] [--log ablations.jsonl]

Prints, per ablation, success by seed and the paired difference to the default with its 95 % interval (Student's t over seeds). The draws
are those of the split dev, since what to keep is decided by them. With --log an interrupted measurement is gone on with.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from wornpath.bench.learning import Log, tested
from wornpath.envs.file_finding import FileFinding
from wornpath.envs.file_finding_rules import teacher
from wornpath.learn import train
from wornpath.learn.dqn import DQNConfig
from wornpath.learn.evaluation import bounds, mean_interval
from wornpath.learn.ppo import PPOConfig, regression

Change = tuple[Callable[..., Any], dict[str, Any], dict[str, Any]]
SHOWN = {"demonstrations": 50}
GROUPS: dict[str, dict[str, Change]] = {
    "dqn": {
        "default": (DQNConfig, {}, {}),
        "no hindsight": (DQNConfig, {}, {"hindsight": False}),
        "one step": (DQNConfig, {"lambda_weight": 0.0}, {}),
        "no double": (DQNConfig, {"double": False}, {}),
        "no shrinkage": (DQNConfig, {"n0": 0.0}, {}),
        "uniform replay": (DQNConfig, {"priority": 0.0, "balanced": False}, {}),
        "no success head": (DQNConfig, {"success_weight": 0.0}, {}),
        "epsilon exploration": (DQNConfig, {"exploration": "epsilon", "epsilon_steps": 800, "n0": 0.0}, {}),
        "n-grams": (DQNConfig, {"buckets": 4096}, {}),
        "warm start": (DQNConfig, {}, SHOWN),
    },
    "dqn, warm": {
        "default": (DQNConfig, {}, SHOWN),
        "no demo term": (DQNConfig, {"demo_weight": 0.0}, SHOWN),
        "no hindsight": (DQNConfig, {}, {**SHOWN, "hindsight": False}),
    },
    "ppo": {
        "default": (PPOConfig, {}, {}),
        "no imitation": (PPOConfig, {"imitation": 0}, {}),
        "far from the prior": (PPOConfig, {"prior_kl": 0.0}, {}),
        "rollouts of 64": (PPOConfig, {"rollout": 64}, {}),
        "regression, no hindsight": (regression, {}, {"hindsight": False}),
        "regression": (regression, {}, {}),
    },
}
"""Changes to the configuration and to the training options of three defaults: from scratch, with a warm start, policy gradient."""


def run(change: Change, seed: int, episodes: int, tests: int) -> dict[str, Any]:
    make, config, more = change
    made = make(**config)
    algorithm: Any = "dqn" if isinstance(made, DQNConfig) else "ppo"

    def arm(seed: int) -> Any:
        return train(
            lambda s: FileFinding("train"),
            algorithm,
            episodes=episodes,
            seed=seed,
            teacher=teacher,
            config=made,
            **more,
        )

    return tested(arm, seed, lambda s: FileFinding("dev"), tests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tests", type=int, default=120)
    parser.add_argument("--group", default="dqn", choices=list(GROUPS))
    parser.add_argument("--only", default="")
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    group = GROUPS[options.group]
    wanted = [w for w in options.only.split(",") if w] or list(group)
    log = Log(options.log, episodes=options.episodes, tests=options.tests, group=options.group)
    results: dict[str, list[float]] = {}
    for seed in range(options.seeds):
        for name in dict.fromkeys(["default", *wanted]):
            change = group[name]
            row = log.row(name, seed, lambda c=change, s=seed: run(c, s, options.episodes, options.tests))
            results.setdefault(name, []).append(round(row["success"], 4))
            print(f"seed {seed} {name}: {row['success']:.3f}, {row['cpu_s']:.1f} CPU s", file=sys.stderr, flush=True)
    out = {}
    for name, values in results.items():
        mean, low, high = mean_interval([v - d for v, d in zip(values, results["default"], strict=True)])
        out[name] = {"success": values, "difference": round(mean, 4), "interval": bounds(low, high)}
    print(json.dumps(out))


if __name__ == "__main__":
    main()
