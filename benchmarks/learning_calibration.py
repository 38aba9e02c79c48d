"""Whether the success head means what it says: file finding, trained with a warm start, on unseen test draws.

python benchmarks/learning_calibration.py --episodes 200 --seeds 3 --tests 200 [--picture docs/images/calibration.svg]

Prints the Brier score against that of the base rate, the expected calibration error, and the bins of the reliability diagram
(low, high, steps, mean probability said, share that succeeded), a seed at a time and pooled, as one JSON object. The steps of an
episode share its outcome, so the bins hold fewer independent outcomes than steps.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from wornpath.envs.file_finding import FileFinding
from wornpath.envs.file_finding_rules import teacher
from wornpath.learn import train
from wornpath.learn.calibration import picture, said_on
from wornpath.policy.calibration import reliability


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--demonstrations", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tests", type=int, default=200)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pooled, out = [], {}
    for seed in range(options.seeds):
        policy = train(
            lambda s: FileFinding("train"),
            "dqn",
            episodes=options.episodes,
            demonstrations=options.demonstrations,
            teacher=teacher,
            seed=seed,
        )
        said = said_on(policy, lambda s: FileFinding("test"), episodes=options.tests)
        pooled += said
        found = reliability(said)
        assert found is not None
        out[f"seed {seed}"] = found.as_dict()
        print(f"seed {seed}: Brier {found.brier:.3f} (base {found.base:.3f}), error {found.error:.3f}", file=sys.stderr)
    found = reliability(pooled)
    assert found is not None
    out["pooled"] = found.as_dict()
    if options.picture:
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        picture(found, options.picture, "Success head on unseen file-finding goals")
    print(json.dumps(out))


if __name__ == "__main__":
    main()
