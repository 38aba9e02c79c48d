"""File finding on unseen trees and wording: every arm after the same number of episodes.

python benchmarks/learning_file_finding.py --episodes 200 --seeds 5 [--algorithms dqn,ppo] [--split dev] [--log rows.jsonl]

The JSON on the last line is that of `wornpath bench file-finding`; this script is that command with one thread fixed. With --log every
finished run is a line of that file, and a second call goes on where the first stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from wornpath.bench.learning import file_finding


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--demonstrations", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tests", type=int, default=200)
    parser.add_argument("--algorithms", default="", help="arms, comma-separated; all if empty")
    parser.add_argument("--split", default="test", choices=("dev", "test"))
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    result = file_finding(
        episodes=options.episodes,
        demonstrations=options.demonstrations,
        seeds=range(options.seeds),
        tests=options.tests,
        only=[a for a in options.algorithms.split(",") if a],
        split=options.split,
        log=options.log,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
