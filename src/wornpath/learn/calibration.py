"""The success head on an environment's test draws: what it said at every step, and how the episodes came out."""

from __future__ import annotations

import math
import random
from html import escape
from pathlib import Path

from wornpath.core import UsageError
from wornpath.envs.situation import Tracker
from wornpath.learn.encode import MakeEnv
from wornpath.learn.evaluation import TEST_SEED, outcome_of
from wornpath.policy.calibration import Reliability, Said
from wornpath.policy.learnt import LearntPolicy

_SIZE, _PAD = 360, 46


def said_on(policy: LearntPolicy, make_env: MakeEnv, *, episodes: int, seed: int = TEST_SEED) -> list[Said]:
    """Run POLICY greedily for EPISODES of the text environment `make_env(seed)`: the success probability of every action
    taken, with the outcome of its episode. Raises UsageError for a policy without a success head, and where the
    environment does not say how an episode came out."""
    env, tracker, rng = make_env(seed), Tracker(), random.Random(seed)
    out: list[Said] = []
    try:
        for i in range(episodes):
            observation, info = env.reset(seed=seed + i)
            situation, over, said = tracker.reset(observation, info), False, []
            while not over:
                decision = policy.decide(situation.state, situation.candidates, situation.mask, rng=rng)
                probabilities = policy.success(situation.state, situation.candidates)
                if probabilities is None:
                    raise UsageError(f"{policy.version} has no success head; policies trained by dqn have one.")
                said.append(float(probabilities[decision.chosen]))
                observation, _, terminated, truncated, info = env.step(situation.actions[decision.chosen])
                over = bool(terminated or truncated)
                if not over:
                    situation = tracker.step(decision.action, observation, info)
            outcome = outcome_of(info, over)
            if math.isnan(outcome):
                raise UsageError("This environment does not say whether an episode succeeded (info['success']).")
            out += [(p, outcome) for p in said]
    finally:
        env.close()
    return out


def picture(found: Reliability, path: Path, title: str) -> None:
    """Draw FOUND to PATH as a reliability diagram: a dot a bin, its area by the steps in it."""

    def place(x: float, y: float) -> tuple[float, float]:
        room = _SIZE - 2 * _PAD
        return _PAD + room * x, _SIZE - _PAD - room * y

    (x0, y0), (x1, y1) = place(0, 0), place(1, 1)
    most = max(b.n for b in found.bins)
    dots = ""
    for b in found.bins:
        x, y = place(b.said, b.was)
        dots += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3 + 9 * math.sqrt(b.n / most):.1f}" fill="#1d4ed8" fill-opacity=".6"/>'
    told = f"Brier {found.brier:.3f} (base rate {found.base:.3f}), calibration error {found.error:.3f}, {found.n} steps"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIZE} {_SIZE}" font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="#fff"/><text x="{_PAD}" y="20">{escape(title)}</text>'
        f'<text x="{_PAD}" y="36" font-size="10">{told}</text>'
        f'<path d="M{x0},{y1}V{y0}H{x1}" fill="none" stroke="#666"/>'
        f'<path d="M{x0},{y0}L{x1},{y1}" stroke="#999" stroke-dasharray="4"/>{dots}'
        f'<text x="{(x0 + x1) / 2}" y="{_SIZE - 14}" text-anchor="middle">probability said</text>'
        f'<text x="14" y="{(y0 + y1) / 2}" text-anchor="middle" transform="rotate(-90 14 {(y0 + y1) / 2})">'
        "share that succeeded</text></svg>\n",
        encoding="utf-8",
    )
