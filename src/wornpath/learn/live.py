"""Learning from the event store: past runs to training data, and a trained policy for the live agent.

Successful runs are cloned first; then DQN, or advantage-weighted regression (the off-policy form of the policy gradient,
since a person's runs are too few to be used once), learns from all of them. Returns are λ-returns over the rewards that the
runs really got; a run that was cut off (a limit, a stop) is bootstrapped through, with the value of its last state. Families
weigh alike however often each came; runs of another model, of a model judge's verdict, or with untrusted content weigh less.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from wornpath.core import Transition
from wornpath.learn.dqn import DQN, DQNConfig
from wornpath.learn.inputs import NEVER, Inputs, Step
from wornpath.learn.learner import Learner
from wornpath.learn.ppo import PPO, regression
from wornpath.policy import features, live
from wornpath.policy.calibration import reliability, said_of_runs
from wornpath.policy.choice import mixed_prior, shrinkage
from wornpath.policy.evidence import Evidence
from wornpath.policy.learnt import LearntPolicy
from wornpath.policy.network import Spec
from wornpath.policy.past import BAD_RESULTS, GAMMA, Lived, counted

Algorithm = Literal["dqn", "ppo"]


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """How a log is learnt from."""

    algorithm: Algorithm = "dqn"
    seed: int = 0
    clone_updates: int = 100
    """Gradient steps on the successful runs, before learning from all."""
    updates: int = 200
    """Gradient steps on all of them."""
    rounds: int = 2
    """How often the λ-returns are computed anew with what was learnt so far."""
    max_cpu_s: float | None = None
    """CPU seconds of updates after which the rest is left for the next time; None: no limit."""
    other_model: float = 0.3
    """Weight of a run that another language model acted in."""
    judged: float = 0.5
    """Weight of a run that only a model judge gave a verdict on."""
    tainted: float = 0.5
    """Weight of a run that words from outside may have steered; such a run is never cloned."""
    family_bounds: tuple[float, float] = (0.25, 4.0)
    """Least and largest weight that evens out the families."""


QUICK = LiveConfig(clone_updates=60, updates=140, max_cpu_s=0.9)
"""After a run: within a second of CPU."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """A trained policy and what it was trained on, as it is kept beside a version."""

    policy: LearntPolicy
    info: dict[str, Any]


def learn(
    episodes: Sequence[Lived],
    config: LiveConfig,
    *,
    model: str = "",
    start: LearntPolicy | None = None,
    evidence: Evidence | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Learnt:
    """A policy learnt from EPISODES, oldest first; raises TrainingDiverged.

    MODEL is the language model in use (default: the newest run's). START, when it is of the same kind, gives the weights to
    begin with. EVIDENCE is what the choice rule's trust is made of (default: the counts of EPISODES). PROGRESS is told the
    updates done and to do."""
    used = [e for e in episodes if e.steps]
    model = model or (used[-1].model if used else "")
    counts = evidence or counted(used)
    learner = _learner(config)
    warm = start is not None and start.network.spec == learner.network.spec
    if warm and start is not None:
        _begin_with(learner, start)
    weights = _family_weights(used, config)
    data = [steps_of(e, learner, counts, _weight(e, model, weights, config)) for e in used]
    demos = _demonstrations(data, used, learner)
    spent, done = _train(learner, data, demos, config, progress)
    policy = learner.policy(counts, "unsaved")
    info = {
        "algorithm": config.algorithm,
        "seed": config.seed,
        "episodes": len(used),
        "steps": sum(len(e.steps) for e in used),
        "updates": done,
        "warm": warm,
        "model": model,
        "families": dict(sorted(Counter(e.family for e in used).items())),
        "metrics": {
            **{k: round(v, 5) for k, v in sorted(learner.metrics.items()) if math.isfinite(v)},
            **fit(policy, used),
            "update_cpu_s": round(spent, 3),
        },
    }
    return Learnt(policy, info)


def inputs_of(t: Transition, evidence: Evidence, n0: float) -> Inputs:
    """The decision of T as numbers."""
    prior = mixed_prior([c.prior for c in t.candidates], t.mask)
    keys = tuple(features.evidence_keys(t.state, t.candidates))
    bias = np.full(len(prior), NEVER, dtype=np.float32)
    bias[prior > 0] = np.log(prior[prior > 0])
    trust = shrinkage(features.known_uses(t.state, t.candidates, evidence), n0).astype(np.float32)
    return Inputs(live.rows(t.state, t.candidates), bias, trust, None, keys)


def steps_of(one: Lived, learner: Learner, evidence: Evidence, weight: float) -> list[Step]:
    """The run ONE as steps to learn from; a step at which everything was masked is left out."""
    kept = [t for t in one.steps if any(t.mask)]
    inputs = [inputs_of(t, evidence, float(learner.config.n0)) for t in kept]
    good = one.success == 1.0 and one.source != "judge" and not one.tainted
    out = []
    for i, t in enumerate(kept):
        last = i == len(kept) - 1
        after = None if t.terminated else inputs[i] if last else inputs[i + 1]
        step = Step(inputs[i], t.chosen, math.log(max(t.probabilities[t.chosen], 1e-12)), t.reward, after)
        step.truncated, step.last, step.success = last and not t.terminated, last, one.success
        step.weight = weight
        step.demo = good and t.result not in BAD_RESULTS
        out.append(step)
    return out


def fit(policy: LearntPolicy, episodes: Sequence[Lived]) -> dict[str, float]:
    """How well the success head fits the newest of EPISODES: the Brier score of its probabilities, and that of always saying
    the base rate. On the data it was trained on, so it says little about new runs; `policy diff` tells how it did on those."""
    found = reliability(said_of_runs(policy, [e for e in episodes if not math.isnan(e.success)][-100:]))
    return {"brier": round(found.brier, 4), "brier_base": round(found.base, 4)} if found else {}


# -- parts -----------------------------------------------------------------------------------------


def _learner(config: LiveConfig) -> Learner:
    def of_live(spec: Spec) -> Spec:
        return dataclasses.replace(spec, view="live")

    if config.algorithm == "dqn":
        dqn = DQNConfig(gamma=GAMMA, learning_starts=1)
        return DQN(of_live(DQN.spec_for(dqn, kind="rows", inputs=live.WIDTH)), dqn, config.seed)
    ppo = regression(gamma=GAMMA, n0=DQNConfig().n0)
    return PPO(of_live(PPO.spec_for(ppo, kind="rows", inputs=live.WIDTH)), ppo, config.seed)


def _begin_with(learner: Learner, start: LearntPolicy) -> None:
    arrays = dict(start.network.weights)
    learner.network.load_arrays(arrays)
    if isinstance(learner, DQN):
        learner.target.load_arrays(arrays)
        learner.alpha = start.alpha


def _family_weights(episodes: Sequence[Lived], config: LiveConfig) -> dict[str, float]:
    """Weight of a step by family, so that the families weigh alike, within bounds."""
    steps = Counter[str]()
    for one in episodes:
        steps[one.family] += len(one.steps)
    mean = sum(steps.values()) / max(1, len(steps))
    low, high = config.family_bounds
    return {family: min(high, max(low, mean / n)) for family, n in steps.items()}


def _weight(one: Lived, model: str, families: dict[str, float], config: LiveConfig) -> float:
    weight = families[one.family]
    if one.model != model:
        weight *= config.other_model
    if one.source == "judge":
        weight *= config.judged
    if one.tainted:
        weight *= config.tainted
    return weight


def _demonstrations(
    data: Sequence[list[Step]], episodes: Sequence[Lived], learner: Learner, most: int = 2048
) -> list[Step]:
    """The steps to clone, drawn so that each family has as many."""
    by_family: dict[str, list[Step]] = {}
    for steps, one in zip(data, episodes, strict=True):
        by_family.setdefault(one.family, []).extend(s for s in steps if s.demo)
    pools = [pool for _, pool in sorted(by_family.items()) if pool]
    if not pools:
        return []
    each = min(most // len(pools) or 1, max(map(len, pools)))
    return [pool[i] for pool in pools for i in learner.rng.integers(0, len(pool), each)]


def _train(
    learner: Learner,
    data: Sequence[list[Step]],
    demos: Sequence[Step],
    config: LiveConfig,
    progress: Callable[[int, int], None] | None,
) -> tuple[float, int]:
    """Clone, then learn from everything; the CPU seconds and the updates that took."""
    if not any(data):
        return 0.0, 0
    began, todo = time.process_time(), (config.clone_updates if demos else 0) + config.updates

    def over() -> bool:
        if progress is not None:
            progress(learner.updates, todo)
        return config.max_cpu_s is not None and time.process_time() - began >= config.max_cpu_s

    _returns(learner, data, lam=1.0)
    left = config.clone_updates if demos else 0
    while left > 0 and not over():
        learner.clone(demos, min(20, left))
        left -= 20
    for number in range(config.rounds):
        if number:
            _returns(learner, data, lam=0.95)
        left = config.updates // config.rounds
        while left > 0 and not over():
            learner.rehearse(min(20, left))
            left -= 20
    return time.process_time() - began, learner.updates


def _returns(learner: Learner, data: Sequence[list[Step]], *, lam: float) -> None:
    """Put all runs into the replay with returns computed by the values as they are now."""
    learner.clear()
    for steps in data:
        if lam < 1.0:
            for step in steps:
                step.value = learner.assess(step.inputs)[1]
        if steps:
            learner.add(steps, lam=lam)
