from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wornpath.learn.checkpoint import pack_steps, unpack_steps
from wornpath.learn.dqn import DQN, DQNConfig
from wornpath.learn.inputs import NEVER, Inputs, Step, pack
from wornpath.learn.learner import posterior
from wornpath.learn.ppo import PPO, PPOConfig, regression
from wornpath.learn.replay import Replay
from wornpath.learn.returns import advantages, discounted, lambda_returns
from wornpath.policy import choice
from wornpath.policy.network import Spec

floats = st.floats(-3, 3)
series = st.integers(1, 12).flatmap(
    lambda n: st.tuples(st.lists(floats, min_size=n, max_size=n), st.lists(floats, min_size=n, max_size=n))
)


@settings(deadline=None)
@given(series, st.floats(0, 1))
def test_lambda_returns_run_from_one_step_to_monte_carlo(case: tuple[list[float], list[float]], gamma: float) -> None:
    rewards, following = case
    one = lambda_returns(rewards, following, gamma, 0.0)
    assert np.allclose(one, np.asarray(rewards) + gamma * np.asarray(following))
    whole = lambda_returns(rewards, following, gamma, 1.0)
    assert np.allclose(whole, discounted(rewards, gamma, tail=following[-1]))


@settings(deadline=None)
@given(series, st.floats(0, 1), st.floats(0, 1))
def test_advantages_are_lambda_returns_less_values(
    case: tuple[list[float], list[float]], gamma: float, lam: float
) -> None:
    rewards, following = case
    values = [0.5, *following[:-1]]
    gains = advantages(rewards, values, following, [False] * len(rewards), gamma, lam)
    assert np.allclose(gains + np.asarray(values), lambda_returns(rewards, following, gamma, lam), atol=1e-9)


def test_a_truncation_is_bootstrapped_and_a_termination_is_not() -> None:
    assert lambda_returns([0.0, 1.0], [2.0, 0.0], 0.5, 1.0).tolist() == [0.5, 1.0]
    assert lambda_returns([0.0, 1.0], [2.0, 4.0], 0.5, 1.0).tolist() == [1.5, 3.0]


def test_advantages_do_not_cross_the_end_of_an_episode() -> None:
    alone = advantages([1.0], [0.2], [0.0], [True], 0.9, 0.9)
    joined = advantages([1.0, 7.0], [0.2, 0.0], [0.0, 0.0], [True, True], 0.9, 0.9)
    assert joined[0] == alone[0]


def step(i: int, success: float = 0.0, grams: bool = False, after: Inputs | None = None) -> Step:
    rng = np.random.default_rng(i)
    n = 1 + i % 5
    bags = tuple(np.array([b, 3], dtype=np.int32)[: 1 + i % 2] for b in rng.integers(1, 9, n)) if grams else None
    bias = np.full(n, -np.log(n), dtype=np.float32)
    inputs = Inputs(
        rng.random((n, 6), dtype=np.float32), bias, np.ones(n, dtype=np.float32), bags, tuple(f"k{j}" for j in range(n))
    )
    return Step(inputs, i % n, -0.1 * i, float(i), after, success=success, value=0.25, last=after is None)


def test_half_of_a_batch_is_success_however_rare() -> None:
    replay = Replay(1000, balanced=True, priority=0.0)
    replay.add([step(i, success=float(i == 7)) for i in range(300)])
    _, drawn, weights = replay.sample(64, np.random.default_rng(0))
    assert sum(s.success for s in drawn) == 32 and (weights == 1).all()


def test_large_errors_are_drawn_more_often_and_weighed_less() -> None:
    replay = Replay(10, balanced=False, priority=0.6)
    replay.add([step(i) for i in range(10)])
    replay.update(np.arange(10), np.asarray([9.0] + [0.1] * 9, dtype=np.float32))
    places, _, weights = replay.sample(2000, np.random.default_rng(0))
    share = (places == 0).mean()
    want = 9.001**0.6 / (9.001**0.6 + 9 * 0.101**0.6)
    assert share == pytest.approx(want, abs=0.05)
    assert weights[places == 0].max() < weights[places != 0].min()


def test_the_oldest_steps_go_first_and_memory_is_bounded() -> None:
    replay = Replay(50)
    for i in range(5):
        replay.add([step(100 * i + j) for j in range(40)])
    assert len(replay) == 50
    assert {s.reward for s in replay.steps} == {float(400 + j) for j in range(40)} | {float(330 + j) for j in range(10)}
    with pytest.raises(ValueError, match="empty"):
        Replay(5).sample(1, np.random.default_rng(0))


@pytest.mark.parametrize("grams", [False, True])
def test_steps_survive_a_checkpoint_with_their_links(grams: bool) -> None:
    third = step(3, 1.0, grams)
    second = step(2, 1.0, grams, third.inputs)
    first = step(1, float("nan"), grams, second.inputs)
    arrays, keys = pack_steps("x.", [first, second, third])
    back = unpack_steps("x.", arrays, keys)
    assert back[0].after is back[1].inputs and back[1].after is back[2].inputs and back[2].after is None
    for old, new in zip([first, second, third], back, strict=True):
        assert (old.inputs.rows == new.inputs.rows).all()
        assert [b.tolist() for b in old.inputs.grams or ()] == [b.tolist() for b in new.inputs.grams or ()]
        assert (old.inputs.keys, old.chosen, old.logp, old.reward, old.last) == (
            new.inputs.keys,
            new.chosen,
            new.logp,
            new.reward,
            new.last,
        )
        assert old.success == new.success or np.isnan(old.success)
    assert unpack_steps("y.", pack_steps("y.", [])[0], []) == []


def test_padding_is_never_chosen() -> None:
    batch = pack([step(i).inputs for i in (0, 3, 4)], Spec(inputs=6))
    assert batch.shape == (3, 5)
    assert (batch.bias[0, 1:] == NEVER).all() and (batch.bias[2] > NEVER).all()


def test_training_and_deployment_use_the_same_choice_rule() -> None:
    rng = np.random.default_rng(0)
    prior = choice.mixed_prior([0.5, 0.2, 0.3, 0.0], [True, True, False, True])
    q, trust = rng.standard_normal(4).astype(np.float32), np.asarray([0.2, 0.9, 0.5, 1.0])
    bias = np.full(4, NEVER, dtype=np.float32)
    bias[prior > 0] = np.log(prior[prior > 0])
    ours = posterior(Inputs(np.zeros((4, 1), dtype=np.float32), bias, trust.astype(np.float32)), q, 0.3)
    theirs = choice.softmax(choice.combine(prior, q, trust, alpha=0.3))
    assert np.allclose(ours, theirs, atol=1e-6) and ours[2] == 0


def test_imitation_goes_towards_what_was_better_than_expected_and_never_away() -> None:
    config = PPOConfig(hidden=(8,), entropy=0.0, prior_kl=0.0)
    for returned, better in ((5.0, True), (-5.0, False)):
        learner = PPO(PPO.spec_for(config, kind="rows", inputs=6), config)
        one = step(2)
        one.lam_return = returned
        before = learner.assess(one.inputs)[0][one.chosen]
        for _ in range(5):
            learner.imitate([one])
        after = learner.assess(one.inputs)[0][one.chosen]
        assert after > before if better else after == before


def learnt_success(config: DQNConfig, *, relabelled: bool = False) -> dict[int, tuple[float, float]]:
    """By group of two that a feature tells apart, of which one is met half of the time and one nine times of ten: what the success head
    says, and what was. RELABELLED adds as many steps again that were met under another goal."""
    rng = np.random.default_rng(0)
    learner = DQN(DQN.spec_for(config, kind="rows", inputs=2), config)
    met: dict[int, list[float]] = {0: [], 1: []}

    def seen(group: int) -> Inputs:
        rows = np.array([[group, 1.0]] * 2, dtype=np.float32)
        return Inputs(rows, np.full(2, -np.log(2), dtype=np.float32), np.ones(2, dtype=np.float32))

    for i in range(300):
        group = i % 2
        ok = float(rng.random() < (0.5, 0.9)[group])
        met[group].append(ok)
        learner.add([Step(seen(group), 0, 0.0, 1.0 if ok else -0.5, None, success=ok, last=True)])
        if relabelled:
            learner.add([Step(seen(group), 0, 0.0, 1.0, None, success=1.0, last=True, relabelled=True)])
    learner.rehearse(1500)
    view = learner.network.view()
    return {g: (float(view.scores("success", seen(g).rows)[0]), float(np.mean(met[g]))) for g in met}


@pytest.mark.parametrize("relabelled", [False, True])
@pytest.mark.parametrize("priority", [0.0, 0.6])
def test_the_success_head_says_how_often_goals_are_met(priority: float, relabelled: bool) -> None:
    config = DQNConfig(hidden=(16,), priority=priority, kl_target=0.0, learning_rate=3e-3)
    for said, was in learnt_success(config, relabelled=relabelled).values():
        assert abs(said - was) < 0.05


@pytest.mark.parametrize("demo", [False, True])
def test_a_step_of_no_weight_teaches_nothing(demo: bool) -> None:
    steps = [step(i, success=float(i % 2)) for i in range(8)]
    for one in steps:
        one.weight, one.demo = 0.0, demo
    dqn = DQNConfig(hidden=(8,), kl_target=0.0, priority=0.0)
    awr = regression(hidden=(8,), entropy=0.0, prior_kl=0.0)
    value = DQN(DQN.spec_for(dqn, kind="rows", inputs=6), dqn)
    policy = PPO(PPO.spec_for(awr, kind="rows", inputs=6), awr)
    for learner in (value, policy):
        before = {k: v.copy() for k, v in learner.network.arrays().items()}
        learner.add(steps)
        learner.rehearse(3)
        learner.clone(steps, 2)
        assert all((learner.network.arrays()[k] == v).all() for k, v in before.items())
