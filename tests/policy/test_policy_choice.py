from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wornpath.core import Action, Candidate, Entity, State
from wornpath.policy import choice
from wornpath.policy.evidence import Evidence
from wornpath.policy.features import NAMES, SIGNATURE, WIDTH, dense, evidence_key, value_kind
from wornpath.policy.learnt import LearntPolicy
from wornpath.policy.network import Network, Spec

lists = st.integers(1, 16).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0, 1), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n).filter(any),
        st.lists(st.floats(-5, 5), min_size=n, max_size=n),
        st.lists(st.integers(0, 50), min_size=n, max_size=n),
    )
)


@settings(deadline=None)
@given(lists)
def test_masked_candidates_have_probability_zero_and_the_rest_sums_to_one(
    case: tuple[list[float], list[bool], list[float], list[int]],
) -> None:
    prior, mask, scores, counts = case
    mu = choice.mixed_prior(prior, mask)
    for alpha in (0.1, None):
        p = choice.softmax(choice.combine(mu, scores, choice.shrinkage(counts, 5), alpha=alpha))
        assert p.sum() == pytest.approx(1)
        assert all(p[i] == 0 for i, m in enumerate(mask) if not m)


@settings(deadline=None)
@given(lists)
def test_without_evidence_the_policy_is_the_prior(case: tuple[list[float], list[bool], list[float], list[int]]) -> None:
    prior, mask, scores, _ = case
    mu = choice.mixed_prior(prior, mask)
    p = choice.softmax(choice.combine(mu, scores, choice.shrinkage([0] * len(mu), 5), alpha=0.1))
    assert np.allclose(p, mu)


def test_the_prior_is_normalised_over_what_is_allowed_and_mixed_with_uniform() -> None:
    assert np.allclose(choice.mixed_prior([0.8, 0.1, 0.1], [False, True, True]), [0, 0.5, 0.5])
    assert np.allclose(choice.mixed_prior([0.6, 0.2, 0.2, 0.0], [True] * 4), [0.565, 0.205, 0.205, 0.025])
    with pytest.raises(ValueError, match="left to choose"):
        choice.mixed_prior([1.0], [False])
    with pytest.raises(ValueError, match="finite"):
        choice.mixed_prior([float("nan")], [True])


def test_an_advantage_shifts_z_by_c_over_alpha() -> None:
    mu = np.array([0.5, 0.5])
    z = choice.combine(mu, [1.0, 0.0], choice.shrinkage([5, 5], 5), alpha=0.25)
    assert z[0] - z[1] == pytest.approx(0.5 * 1.0 / 0.25)


def test_deployed_sampling_never_explores_what_cannot_be_undone() -> None:
    posterior = np.array([0.2, 0.5, 0.3])
    p = choice.deployed(posterior, [True, True, False])
    assert p[2] == 0
    assert p.tolist() == pytest.approx([0.1 * 0.2, 1 - 0.1 * 0.2, 0]), "as often as the posterior has it"
    assert choice.deployed(posterior, [False] * 3).tolist() == [0, 1, 0]


def policy(**more: float) -> LearntPolicy:
    spec = Spec(inputs=WIDTH, hidden=(8,), heads=("q", "success"))
    rng = np.random.default_rng(0)
    return LearntPolicy(
        Network(spec, {k: rng.standard_normal(s).astype(np.float32) for k, s in spec.shapes().items()}), **more
    )  # type: ignore[arg-type]


STATE = State("goal", {"goal": "What is the total of invoice INV-12?", "last_result": "ok"})
OFFER = (
    Candidate(Action.of("search_text", query="INV-12"), "llm", 0.7),
    Candidate(Action.of("list_files", path="."), "llm", 0.2),
    Candidate(Action.of("delete_file", path="a"), "recalled", 0.1),
)


def test_an_untrained_policy_follows_the_language_model_and_evidence_changes_that() -> None:
    fresh = policy(n0=5)
    assert fresh.decide(STATE, OFFER, [True] * 3, rng=random.Random(0)).chosen == 0
    rng = random.Random(1)
    drawn = [fresh.decide(STATE, OFFER, [True] * 3, explore=True, rng=rng) for _ in range(200)]
    assert {d.chosen for d in drawn} == {0, 1}
    assert drawn[0].probabilities == pytest.approx((1 - 0.1 * 0.2133, 0.1 * 0.2133, 0), abs=1e-3)
    scores, _ = fresh.score(STATE, OFFER)
    best = int(scores.argmax())
    evidence = Evidence()
    for _ in range(400):
        evidence.add_episode([evidence_key(STATE, c) for c in OFFER], [1.0] * 3, 1.0)
    assert policy(n0=5, alpha=0.001, evidence=evidence).decide(STATE, OFFER, [True] * 3, rng=rng).chosen == best  # type: ignore[arg-type]


def test_a_decision_holds_what_off_policy_learning_needs() -> None:
    chooser = policy(n0=0)
    d = chooser.decide(STATE, OFFER, [True, False, True], explore=True, rng=random.Random(0))
    assert d.q is not None and len(d.q) == 3 and d.probabilities[1] == 0 and sum(d.probabilities) == pytest.approx(1)
    assert d.value is not None and chooser.value(STATE) == d.value
    assert chooser.value(State("elsewhere")) == 0
    with pytest.raises(ValueError, match="mask"):
        chooser.decide(STATE, OFFER, [True], rng=random.Random(0))


def test_an_episode_counts_a_key_once() -> None:
    evidence = Evidence()
    evidence.add_episode(["a", "a", "b"], [1.0, 0.0, 0.5], 1.0)
    evidence.add_episode(["a"], [0.0], 0.0)
    assert (evidence.count("a"), evidence.mean_return("a"), evidence.success_rate("a")) == (2, 0.5, 0.5)
    assert evidence.mean_return("never") is None
    assert Evidence.from_dict(evidence.as_dict()).as_dict() == evidence.as_dict()


def test_features_do_not_see_who_proposed_an_action() -> None:
    a = Candidate(Action.of("search_text", query="INV-12"), "llm", 0.9, logprob=-1.0)
    b = Candidate(a.action, "enumerated", 0.0)
    rows = dense(STATE, [a, b])
    assert rows.shape == (2, WIDTH) and (rows[0] == rows[1]).all()
    assert len(SIGNATURE) == 16


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_features_are_finite_and_bounded_whatever_the_text(goal: str, value: str, seen: str) -> None:
    state = State(goal, {"goal": goal, "observation": seen})
    rows = dense(
        state, [Candidate(Action.of("read_file", path=value), "llm"), Candidate(Action.of("finish"), "control")]
    )
    assert np.isfinite(rows).all() and rows.min() >= 0 and rows.max() <= 3


def test_features_tell_what_is_new_what_was_tried_and_what_is_alike() -> None:
    line = "logs/m.log: start | {} "
    entities = (
        Entity("W12", "value", ("in_file",), line.format("警告代码: W12")),
        Entity("E34", "value", ("in_file",), line.format("错误代码: E34")),
        *(Entity(f"logs/{i}.log", "file", ("opened",)) for i in range(2)),
        Entity("logs/m.log", "file", ("listed",), "logs/m.log: 会员"),
    )
    state = State("", {"goal": "会员出错,代码是几?"}, entities)
    actions = [Action.of("finish", answer=a) for a in ("W12", "E34")]
    actions += [
        Action.of("read_file", path="logs/m.log"),
        *(Action.of("search_text", query=q) for q in ("代码", "出错")),
    ]
    rows = dense(state, [Candidate(a, "enumerated") for a in actions])
    column = {name: rows[:, i].tolist() for i, name in enumerate(NAMES)}
    assert column["line_roots_in_goal"][1] > column["line_roots_in_goal"][0]  # 出错 and 错误 share a root
    assert column["place_tried"] == [0, 0, 0.5, 0, 0]
    assert column["argument_new"][3:] == [0, 1]  # 代码 stands in a line met already, 出错 does not
    assert len(set(column["best_read"])) == 1 and column["best_read"][0] == column["goal_in_context"][2] > 0
    assert value_kind("user12@example.org") == "value" and value_kind("a/b.txt") == "path"


def test_where_something_is_recalled_a_version_meets_the_counts_half_way() -> None:
    """The network holds both alike; the counts know how this very action fared, and what the model usually achieves."""
    spec = Spec(inputs=WIDTH, hidden=(8,), heads=("q", "success"))
    silent = LearntPolicy(Network(spec, {k: np.zeros(s, np.float32) for k, s in spec.shapes().items()}), n0=0)
    known, other = (Candidate(Action.of("read_file", path=name), "llm", 0.5) for name in "ab")

    def scores(worth: float, **more: float) -> list[float]:
        state = State("", {"recalled": {known.action.key: ["t", 3, 1, worth]}, **more})
        return [round(float(q), 4) for q in silent.score(state, [known, other])[0]]

    assert scores(0.8, usual=0.2) == [0.4, 0.1]
    assert scores(-0.4, usual=0.2) == [-0.2, 0.1]
    assert scores(0.8) == [0.0, 0.0], "of older records it is not known what was usual"
