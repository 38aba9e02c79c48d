"""How often the canary test promotes or refuses wrongly, when the success of the version in use is only estimated.

python benchmarks/promotion.py [--trials 1500]

Prints one JSON object a row: runs of the version in use to compare with, its true success, how much worse the candidate is, the shares
promoted, refused and undecided after 60 runs of the candidate, and the 10th, 50th and 90th percentile of the runs it took. One family.
"""

from __future__ import annotations

import argparse
import json
import random

from wornpath.policy import trials
from wornpath.policy.promotion import MAX_TRIAL_RUNS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1500)
    options = parser.parse_args()
    rng = random.Random(1)

    def runs(rate: float, n: int) -> list[tuple[str, bool]]:
        return [("f", rng.random() < rate) for _ in range(n)]

    for known in (20, 50, 2000):
        for rate in (0.6, 0.8, 0.95):
            for worse in (0.0, trials.DELTA):
                counts = {"promote": 0, "refuse": 0, "undecided": 0}
                took = []
                for _ in range(options.trials):
                    ruling = trials.canary(runs(rate - worse, MAX_TRIAL_RUNS), runs(rate, known))
                    counts[ruling.decision] += 1
                    took.append(int(ruling.figures["runs"]))
                took.sort()
                shares = {name: round(n / options.trials, 3) for name, n in counts.items()}
                tenths = [took[int(share * len(took))] for share in (0.1, 0.5, 0.9)]
                row = {"known": known, "success": rate, "worse_by": worse, **shares, "runs": tenths}
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
