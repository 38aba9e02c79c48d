"""The policy that counts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.core import Action, Candidate, State
from wornpath.policy import CountPolicy, PriorPolicy

ACTIONS = [Action.of("read_file", path=name) for name in "abcd"]
CANDIDATES = [Candidate(a, "llm", p) for a, p in zip(ACTIONS, (0.5, 0.3, 0.2, 0.0), strict=True)]
RNG = random.Random(0)


def state(**known: tuple[int, int, float]) -> State:
    rows = {
        Action.of("read_file", path=name).key: ["t", good, bad, value] for name, (good, bad, value) in known.items()
    }
    return State("", {"recalled": rows} if rows else {})


def test_without_experience_it_is_the_model() -> None:
    mine = CountPolicy().decide(state(), CANDIDATES, [True] * 4, rng=RNG)
    model = PriorPolicy().decide(state(), CANDIDATES, [True] * 4, rng=RNG)
    assert (mine.chosen, mine.by, mine.q, mine.value) == (model.chosen, "llm", None, None) == (0, "llm", None, None)
    assert mine.policy_version == "counts"


def test_what_went_well_before_wins_over_the_model_and_what_failed_loses() -> None:
    good = CountPolicy().decide(state(c=(6, 0, 1.0)), CANDIDATES, [True] * 4, rng=RNG)
    assert (good.chosen, good.by) == (2, "policy") and good.q is not None and good.q[2] == 1.0
    bad = CountPolicy().decide(state(a=(0, 6, -1.0)), CANDIDATES, [True] * 4, rng=RNG)
    assert bad.chosen == 1


def test_one_use_is_not_trusted_like_many() -> None:
    policy = CountPolicy()
    few = policy.decide(state(c=(1, 0, 0.3)), CANDIDATES, [True] * 4, explore=True, rng=RNG)
    many = policy.decide(state(c=(50, 0, 0.3)), CANDIDATES, [True] * 4, explore=True, rng=RNG)
    none = policy.decide(state(), CANDIDATES, [True] * 4, explore=True, rng=RNG)
    assert none.probabilities[2] < few.probabilities[2] < many.probabilities[2]


def test_what_is_recalled_has_to_do_better_than_the_model_usually_does() -> None:
    """Half of the goals met is no reason against a model that meets a third, and one against a model that meets nearly all."""
    known = state(c=(6, 6, 0.25))

    def chosen(usual: float) -> int:
        there = State("", {**known.features, "usual": usual})
        return CountPolicy().decide(there, CANDIDATES, [True] * 4, rng=RNG).chosen

    assert chosen(-0.4) == 2 and chosen(0.9) == 0


ROW = st.tuples(st.integers(0, 500), st.integers(0, 500), st.floats(-100, 100))


@given(
    st.dictionaries(st.sampled_from("abcd"), ROW),
    st.lists(st.booleans(), min_size=4, max_size=4).filter(any),
    st.booleans(),
    st.integers(),
)
def test_what_is_masked_is_never_taken(
    known: dict[str, tuple[int, int, float]], mask: list[bool], explore: bool, seed: int
) -> None:
    made = CountPolicy().decide(state(**known), CANDIDATES, mask, explore=explore, rng=random.Random(seed))
    assert mask[made.chosen] and made.probabilities[made.chosen] > 0
    assert sum(made.probabilities) == pytest.approx(1)
    assert all(free or p == 0 for free, p in zip(mask, made.probabilities, strict=True))


def test_exploring_follows_the_probabilities_that_it_records() -> None:
    rng = random.Random(3)
    made = [
        CountPolicy().decide(state(b=(2, 1, 0.2)), CANDIDATES, [True] * 4, explore=True, rng=rng) for _ in range(800)
    ]
    shares = [sum(m.chosen == i for m in made) / 800 for i in range(4)]
    assert shares == pytest.approx(list(made[0].probabilities), abs=0.06)


def test_nothing_is_counted_of_a_state_alone() -> None:
    assert CountPolicy().value(State("")) == 0.0
