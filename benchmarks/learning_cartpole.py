"""CartPole-v1 against Stable-Baselines3: the same hyper-parameters and numbers of updates, runs interleaved, one thread.

python benchmarks/learning_cartpole.py --seeds 10 --log cartpole.jsonl

With --log every finished run is a line of that file, and a second call goes on where the first stopped. Prints, for DQN
and PPO, the mean difference in return with its 95 % interval (Welch's t over seeds) and the ratio of CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wornpath.bench.learning import cartpole
from wornpath.learn.evaluation import bounds, difference_interval


def compared(result: dict[str, Any], algorithms: Sequence[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in algorithms:
        ours, theirs = result[name], result[f"sb3_{name}"]
        mean, low, high = difference_interval(ours["returns"], theirs["returns"])
        out[name] = {
            "median": float(np.median(ours["returns"])),
            "sb3_median": float(np.median(theirs["returns"])),
            "difference": round(mean, 1),
            "interval": bounds(low, high, 1),
            "cpu_ratio": round(sum(ours["cpu_s"]) / sum(theirs["cpu_s"]), 3),
            "updates_ratio": round(sum(ours["updates"]) / sum(theirs["updates"]), 3),
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--algorithms", default="dqn,ppo")
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    algorithms = options.algorithms.split(",")
    result = cartpole(
        seeds=range(options.seeds),
        only=[prefix + name for name in algorithms for prefix in ("", "sb3_")],
        log=options.log,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(json.dumps({**result, "compared": compared(result, algorithms)}))


if __name__ == "__main__":
    main()
