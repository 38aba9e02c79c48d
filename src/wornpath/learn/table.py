"""The count table as a policy: mean return by (family, subtask kind, result class, action template). A network that
does not beat it has only learnt to cache.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from wornpath.core import Candidate, Decision, State
from wornpath.envs.situation import Situation, Tracker, check_reward
from wornpath.learn.encode import MakeEnv
from wornpath.learn.evaluation import outcome_of
from wornpath.learn.returns import discounted
from wornpath.policy import choice
from wornpath.policy.evidence import Evidence
from wornpath.policy.features import evidence_key, evidence_keys

Teacher = Callable[[Situation], int]


class TablePolicy:
    """Chooses by the mean return its table holds, shrunk towards 0 as z = log μ̃ + c · mean/α; ties are broken by
    goal overlap of none: the first candidate wins.
    """

    version = "table"

    def __init__(self, evidence: Evidence, *, alpha: float = 0.1, n0: float = 2.0) -> None:
        self.evidence, self.alpha, self.n0 = evidence, alpha, n0

    def decide(
        self,
        state: State,
        candidates: Sequence[Candidate],
        mask: Sequence[bool],
        *,
        explore: bool = False,
        rng: random.Random,
    ) -> Decision:
        """The decision at STATE; see `policy.protocol.Policy.decide`. Equal candidates share their probability;
        greedy draws among them.
        """
        keys = evidence_keys(state, candidates)
        prior = choice.mixed_prior([c.prior for c in candidates], mask)
        means = [self.evidence.mean_return(k) or 0.0 for k in keys]
        trust = choice.shrinkage([self.evidence.count(k) for k in keys], self.n0)
        z = choice.combine(prior, means, trust, alpha=self.alpha)
        p = choice.softmax(z) if explore else _best(z)
        chosen = rng.choices(range(len(p)), p.tolist())[0]
        return Decision(
            state, tuple(candidates), chosen, tuple(p.tolist()), tuple(mask), "policy", policy_version=self.version
        )

    def value(self, state: State) -> float:
        return 0.0


def _best(z: choice.Array) -> choice.Array:
    best = z >= z.max() - 1e-9
    return np.asarray(best / best.sum())


def train_table(
    make_env: MakeEnv,
    episodes: int,
    *,
    seed: int = 0,
    demonstrations: int = 0,
    teacher: Teacher | None = None,
    gamma: float = 0.99,
) -> TablePolicy:
    """The table after EPISODES episodes of acting by it (the first DEMONSTRATIONS by TEACHER), on the episodes that
    `train` would draw.
    """
    from wornpath.learn.trainer import episode_seed

    env, tracker, rng = make_env(seed), Tracker(), random.Random(seed)
    policy = TablePolicy(Evidence())
    try:
        for i in range(episodes):
            observation, info = env.reset(seed=episode_seed(seed, i))
            situation, over = tracker.reset(observation, info), False
            keys: list[str] = []
            rewards: list[float] = []
            while not over:
                decision = policy.decide(situation.state, situation.candidates, situation.mask, explore=True, rng=rng)
                chosen = teacher(situation) if teacher and i < demonstrations else decision.chosen
                taken = situation.candidates[chosen]
                keys.append(evidence_key(situation.state, taken))
                observation, reward, terminated, truncated, info = env.step(situation.actions[chosen])
                rewards.append(check_reward(reward, len(rewards)))
                over = bool(terminated or truncated)
                if not over:
                    situation = tracker.step(taken.action, observation, info)
            policy.evidence.add_episode(keys, discounted(rewards, gamma).tolist(), outcome_of(info, over))
    finally:
        env.close()
    return policy
