"""How good a policy is: success with an interval, mean return, mean steps and CPU time over episodes drawn by seed."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wornpath.core import Candidate, Decision, State
from wornpath.envs.situation import Situation, Tracker, check_reward
from wornpath.learn.encode import MakeEnv, shape_of, vector_situation
from wornpath.policy.protocol import Policy
from wornpath.policy.report import wilson

TEST_SEED = 1_000_000
"""Seeds from here on are test draws."""


@dataclass(frozen=True, slots=True)
class EpisodeTrace:
    """One episode as a person reads it."""

    goal: str
    family: str
    actions: tuple[str, ...]
    observations: tuple[str, ...]
    ret: float
    success: float
    """1 or 0; not a number where the environment does not say."""
    truncated: bool


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The outcome of an evaluation. Intervals are 95 %: Wilson's for success, normal for the mean return."""

    episodes: int
    success: float
    success_interval: tuple[float, float]
    mean_return: float
    return_interval: tuple[float, float]
    mean_steps: float
    cpu_s: float
    families: dict[str, float] = field(default_factory=dict)
    returns: tuple[float, ...] = ()
    traces: tuple[EpisodeTrace, ...] = ()

    def __str__(self) -> str:
        known = "" if math.isnan(self.success) else f"success {self.success:.2f} {_shown(self.success_interval)}, "
        returned = f"return {self.mean_return:.2f} {_shown(self.return_interval)}"
        episodes = "1 episode" if self.episodes == 1 else f"{self.episodes} episodes"
        return f"{episodes}: {known}{returned}, {self.mean_steps:.1f} steps"

    def as_dict(self) -> dict[str, Any]:
        """The figures for JSON, which has no NaN: None for what is not known."""
        return {
            "episodes": self.episodes,
            "success": _number(self.success),
            "success_interval": _pair(self.success_interval),
            "mean_return": _number(self.mean_return),
            "return_interval": _pair(self.return_interval),
            "mean_steps": _number(self.mean_steps),
            "families": {name: _number(success) for name, success in self.families.items()},
        }


def evaluate(
    policy: Policy,
    make_env: MakeEnv,
    *,
    episodes: int = 100,
    seed: int = TEST_SEED,
    explore: bool = False,
    max_steps: int = 10_000,
    keep_traces: bool = False,
) -> EvaluationReport:
    """Run POLICY for EPISODES of `make_env(seed)`, reset with seeds SEED, SEED + 1, ...; greedy unless EXPLORE. An
    episode is cut after MAX_STEPS. Raises UsageError when the environment breaks its contract.
    """
    env = make_env(seed)
    shape = shape_of(env)
    rng = random.Random(seed)
    started = time.process_time()
    results: list[tuple[float, float, int, str]] = []
    traces: list[EpisodeTrace] = []
    try:
        for i in range(episodes):
            trace, steps = _episode(
                policy, env, shape.outputs if shape.kind == "vector" else 0, seed + i, explore, rng, max_steps
            )
            results.append((trace.ret, trace.success, steps, trace.family))
            if keep_traces:
                traces.append(trace)
    finally:
        env.close()
    return summarise(results, time.process_time() - started, tuple(traces))


def summarise(
    results: Sequence[tuple[float, float, int, str]], cpu_s: float, traces: tuple[EpisodeTrace, ...] = ()
) -> EvaluationReport:
    """A report on RESULTS: (return, success, steps, family) of every episode."""
    returns = [r[0] for r in results]
    outcomes = [r[1] for r in results]
    known = bool(outcomes) and not any(math.isnan(o) for o in outcomes)
    success = float(np.mean(outcomes)) if known else math.nan
    by_family: dict[str, list[float]] = {}
    for _, outcome, _, family in results:
        if family:
            by_family.setdefault(family, []).append(outcome)
    mean = float(np.mean(returns)) if returns else math.nan
    half = 1.96 * float(np.std(returns, ddof=1)) / math.sqrt(len(returns)) if len(returns) > 1 else math.nan
    return EvaluationReport(
        episodes=len(results),
        success=success,
        success_interval=wilson(sum(outcomes), len(outcomes)) if known else (math.nan, math.nan),
        mean_return=mean,
        return_interval=(mean - half, mean + half),
        mean_steps=float(np.mean([r[2] for r in results])) if results else math.nan,
        cpu_s=cpu_s,
        families={k: float(np.mean(v)) for k, v in sorted(by_family.items())},
        returns=tuple(returns),
        traces=traces,
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _pair(interval: tuple[float, float]) -> list[float] | None:
    return None if math.isnan(interval[0]) else list(interval)


def _shown(interval: tuple[float, float]) -> str:
    """An interval for people; one episode has none."""
    return "[-]" if math.isnan(interval[0]) else f"[{interval[0]:.2f}, {interval[1]:.2f}]"


def bounds(low: float, high: float, digits: int = 4) -> list[float] | None:
    """An interval for JSON, which has no NaN: None for that of one seed."""
    return None if math.isnan(low) else [round(low, digits), round(high, digits)]


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of VALUES (one a seed) with its 95 % interval by Student's t."""
    n = len(values)
    mean = float(np.mean(values))
    if n < 2:
        return mean, math.nan, math.nan
    half = _t(n - 1) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return mean, mean - half, mean + half


def difference_interval(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Difference of the means of two independent samples with its 95 % interval by Welch's t."""
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    mean = float(a.mean() - b.mean())
    if len(a) < 2 or len(b) < 2:
        return mean, math.nan, math.nan
    u, v = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    if u + v == 0:
        return mean, mean, mean
    freedom = (u + v) ** 2 / (u * u / (len(a) - 1) + v * v / (len(b) - 1))
    half = _t(int(freedom)) * math.sqrt(u + v)
    return mean, mean - half, mean + half


_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    *(2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def _t(freedom: int) -> float:
    """The .975 quantile of Student's t."""
    return _T[min(freedom, len(_T)) - 1]


def outcome_of(info: Any, terminated: bool) -> float:
    """1, 0 or not a number (not known) from the last INFO of an episode."""
    if "success" in info:
        return float(bool(info["success"]))
    return math.nan


def _episode(
    policy: Policy, env: Any, outputs: int, seed: int, explore: bool, rng: random.Random, max_steps: int
) -> tuple[EpisodeTrace, int]:
    tracker = Tracker()
    observation, info = env.reset(seed=seed)
    situation = vector_situation(observation, outputs) if outputs else tracker.reset(observation, info)
    goal, family = str(info.get("goal", "")), str(info.get("task_family", info.get("family", "")))
    actions: list[str] = []
    seen = [observation if isinstance(observation, str) else ""]
    total, steps, terminated, truncated = 0.0, 0, False, False
    while not (terminated or truncated) and steps < max_steps:
        decision: Decision = policy.decide(
            situation.state, situation.candidates, situation.mask, explore=explore, rng=rng
        )
        action = situation.actions[decision.chosen]
        observation, reward, terminated, truncated, info = env.step(action)
        steps += 1
        total += check_reward(reward, steps)
        if outputs:
            situation = vector_situation(observation, outputs)
        else:
            actions.append(str(action))
            seen.append(str(observation))
            if not (terminated or truncated):
                situation = tracker.step(decision.action, observation, info)
    outcome = outcome_of(info, terminated)
    return EpisodeTrace(goal, family, tuple(actions), tuple(seen), total, outcome, bool(truncated)), steps


class RulePolicy:
    """A policy made of a plain function from a situation's state and candidates to the index taken: baselines and
    teachers.
    """

    def __init__(self, rule: Any, version: str = "rule") -> None:
        self._rule, self.version = rule, version

    def decide(
        self, state: State, candidates: Any, mask: Any, *, explore: bool = False, rng: random.Random
    ) -> Decision:
        """The rule's choice, with probability 1."""
        allowed: tuple[Candidate, ...] = tuple(candidates)
        chosen = int(self._rule(state, allowed, rng))
        p = tuple(float(i == chosen) for i in range(len(allowed)))
        return Decision(state, allowed, chosen, p, tuple(mask), "policy", policy_version=self.version)

    def value(self, state: State) -> float:
        return 0.0


def random_policy() -> RulePolicy:
    """Every candidate alike."""
    return RulePolicy(lambda state, candidates, rng: rng.randrange(len(candidates)), "random")


__all__ = [
    "TEST_SEED",
    "EpisodeTrace",
    "EvaluationReport",
    "RulePolicy",
    "Situation",
    "evaluate",
    "mean_interval",
    "random_policy",
    "wilson",
]
