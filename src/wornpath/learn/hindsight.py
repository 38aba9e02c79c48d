"""Hindsight: a failure at one goal can be a success at another (Andrychowicz et al., 1707.01495), where an environment can say which.

An environment opts in with `relabel(trace) -> (goal, checks) | None`, which sees the (action, observation) pairs of the episode and
nothing else, with `retrace(goal, trace) -> [(observation, info), ...]`, which shows the decisions as they look under that goal, and with
`relabelled_reward(action, checks, last)`. A step whose action is not on offer under the new goal is not learnt from, but what it brought
to light stays known. Relabelled steps go into the replay of off-policy learners, never into PPO's rollouts, evidence counts or success
probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from wornpath.learn.encode import Encoder
from wornpath.learn.inputs import Step
from wornpath.learn.learner import Learner

WEIGHT = 0.5
"""Weight of a relabelled step against one that was met with its own goal."""


def relabelled(env: Any, trace: Sequence[tuple[str, str]], encoder: Encoder, learner: Learner) -> list[Step] | None:
    """The steps of TRACE (whose first entry is ("", first observation)) under the goal that they reached; None where there is no such goal
    or where its last action would not have been on offer."""
    found = env.relabel(trace)
    if found is None:
        return None
    goal, checks = found
    views = env.retrace(goal, trace)
    steps: list[Step] = []
    inputs = encoder.reset(*views[0])
    for i, (action, _) in enumerate(trace[1:]):
        assert encoder.situation is not None
        offered = encoder.situation.actions
        last = i == len(trace) - 2
        if action in offered:
            chosen = offered.index(action)
            if steps:
                steps[-1].after = inputs
            p, value = learner.assess(inputs)
            logp = math.log(max(float(p[chosen]), 1e-12))
            reward = env.relabelled_reward(action, checks, last)
            step = Step(inputs, chosen, logp, reward, None, success=1.0, last=last, value=value, weight=WEIGHT)
            step.relabelled = True
            steps.append(step)
        elif last:
            return None
        if not last:
            inputs = encoder.follow(action, *views[i + 1])
    return steps
