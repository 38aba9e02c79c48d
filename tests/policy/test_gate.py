"""The skip gate and its bounds."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.experience.records import Evidence, Record
from wornpath.policy.gate import (
    CLEAN,
    DELTA,
    FIRST_LOOK,
    MIN_GOOD,
    Standing,
    lower_bound,
    may_plan,
    may_skip,
    may_write,
    standing,
    trusted,
    upper_bound,
)

COUNTS = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
OPEN = Standing(0, 0, 1.0)


def record(recent: str) -> Record:
    return Record("t", recent.count("+"), recent.count("-"), 0.5, recent[-8:])


def evidence(*recents: str | None) -> Evidence:
    return Evidence("t", tuple(record(r) if r is not None else None for r in recents))


@given(st.integers(1, 500), st.sampled_from([0.8, 0.95, 0.99]))
def test_bounds_without_failures_have_a_closed_form(n: int, confidence: float) -> None:
    assert upper_bound(0, n, confidence) == pytest.approx(1 - (1 - confidence) ** (1 / n), abs=1e-9)
    assert lower_bound(n, n, confidence) == pytest.approx((1 - confidence) ** (1 / n), abs=1e-9)
    assert upper_bound(n, n, confidence) == 1 and lower_bound(0, n, confidence) == 0


@pytest.mark.parametrize(("failures", "n", "upper"), [(1, 10, 0.394163), (2, 20, 0.282619), (0, 59, 0.049509)])
def test_known_upper_bounds(failures: int, n: int, upper: float) -> None:
    """Of the beta distribution's quantiles, as tables have them: qbeta(0.95, k + 1, n - k)."""
    assert upper_bound(failures, n, 0.95) == pytest.approx(upper, abs=2e-4)


@given(COUNTS)
def test_a_bound_is_where_so_few_failures_become_unlikely(counts: tuple[int, int]) -> None:
    failures, n = counts
    upper, lower = upper_bound(failures, n, 0.95), lower_bound(failures, n, 0.95)
    assert 0 <= lower <= failures / n <= upper <= 1
    if 0 < failures < n:
        tail = math.fsum(math.comb(n, k) * upper**k * (1 - upper) ** (n - k) for k in range(failures + 1))
        assert tail == pytest.approx(0.05, abs=1e-6)
        assert lower == pytest.approx(1 - upper_bound(n - failures, n, 0.95), abs=1e-9)


@given(COUNTS)
def test_bounds_are_monotone(counts: tuple[int, int]) -> None:
    failures, n = counts
    assert upper_bound(failures, n + 1, 0.95) <= upper_bound(failures, n, 0.95) + 1e-12
    assert upper_bound(failures, n, 0.9) <= upper_bound(failures, n, 0.95) + 1e-12
    if failures < n:
        assert upper_bound(failures, n, 0.95) <= upper_bound(failures + 1, n, 0.95)
        assert lower_bound(failures, n, 0.95) <= lower_bound(failures + 1, n, 0.95)


def test_no_outcome_says_nothing() -> None:
    assert upper_bound(0, 0, 0.95) == 1 and lower_bound(0, 0, 0.95) == 0
    assert standing([]) == Standing(0, 0, 1.0)


def test_a_template_is_tried_after_three_good_uses_and_none_bad_lately() -> None:
    assert not trusted(record("+" * (MIN_GOOD - 1))) and trusted(record("+" * MIN_GOOD))
    assert not trusted(record("+++++-")) and not trusted(record("-" + "+" * (CLEAN - 1)))
    assert trusted(record("-" + "+" * CLEAN))


def test_the_modes() -> None:
    good = evidence("+++")
    certain = Standing(100, 0, 0.03)
    assert may_skip(good, OPEN, "on") and may_skip(good, OPEN, "trial")
    assert not may_skip(good, OPEN, "off") and not may_skip(good, OPEN, "certified")
    assert may_skip(good, certain, "certified")
    assert not may_skip(evidence(None), OPEN, "on") and not may_skip(evidence("++"), OPEN, "on")
    assert not may_skip(good, Standing(30, 9, 0.5, 0.0, closed=True), "on")


def test_what_failed_lately_where_we_are_is_not_taken() -> None:
    """A template that is good in general is not tried where it just failed: the files here are written in another way."""
    assert not may_skip(evidence("+++++", None, None, "-"), OPEN, "on")
    assert may_skip(evidence("+++++", None, None, None), OPEN, "on")
    assert may_skip(evidence("----+", "+++", None, "+++"), OPEN, "on")


def test_a_family_is_certified_at_looks_alone() -> None:
    """Looking at every outcome would certify more families that fail once in twenty times than the bound says."""

    def certified(outcomes: list[bool]) -> list[int]:
        told = [standing([(met, "skipped") for met in outcomes[:n]]).certified for n in range(1, len(outcomes) + 1)]
        return [n for n, (before, now) in enumerate(pairwise([False, *told]), 1) if now != before]

    assert certified([True] * 200) == [FIRST_LOOK]
    late = [False] + [True] * 400
    assert certified(late) == [2 * FIRST_LOOK], "one failure among the first is waited out until the second look"
    worse = [True] * FIRST_LOOK + [False] * 3 + [True] * 400
    assert certified(worse)[:2] == [FIRST_LOOK, FIRST_LOOK + 1], "what fails after a look takes it back"


def test_a_family_is_certified_by_failure_free_outcomes_only() -> None:
    needed = next(n for n in range(1, 200) if standing([(True, "skipped")] * n).certified)
    assert needed == FIRST_LOOK == 72
    assert not standing([(True, "")] * 500).certified
    assert not standing([(True, "shadow")] * 500).certified
    known = [(True, "skipped"), (True, "shadow"), (True, "")]
    assert standing([*known, (True, "rescued")]) == standing([*known, (False, "shadow")]), "its own result was refused"
    assert not standing([(True, "skipped")] * 95 + [(False, "skipped")] * 5).certified


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["", "skipped", "shadow"])), max_size=150))
def test_a_standing_counts_what_it_says(outcomes: list[tuple[bool, str]]) -> None:
    found = standing(iter(outcomes))
    assert found.episodes == sum(arm == "skipped" for _, arm in outcomes)
    assert found.failures == sum(arm == "skipped" and not met for met, arm in outcomes)
    assert found.bound >= (found.failures / found.episodes if found.episodes else 1)
    assert found.certified == (found.bound <= DELTA)


def test_a_family_closes_when_skipping_does_worse_and_opens_again() -> None:
    good = [(True, "skipped")] * 100
    assert not standing(good).closed
    drifted = [*good, *[(False, "skipped")] * 10]
    assert standing(drifted).closed
    assert not standing([*drifted, *[(True, "skipped")] * 30]).closed  # in trials elsewhere, or after a mending


def test_failures_that_the_model_has_as_well_close_nothing() -> None:
    both = [(i % 2 == 0, "skipped") for i in range(30)] + [(i % 2 == 0, "") for i in range(30)]
    assert not standing(both).closed
    assert standing([o for o in both if o[1]] + [(True, "")] * 30).closed


@given(st.lists(st.booleans(), max_size=40))
def test_a_chance_lies_between_none_and_all(uses: list[bool]) -> None:
    found = evidence("".join("+" if u else "-" for u in uses) or None)
    assert 0 < found.chance < 1
    if uses and uses[0]:
        assert found.chance <= evidence("".join("+" if u else "-" for u in uses) + "+").chance


def named(template: str, ok: int, bad: int = 0) -> Evidence:
    return Evidence(template, (Record(template, ok, bad, 0.5, "+" * min(ok, 8)),))


def test_only_a_text_is_asked_for_where_one_action_is_ahead_of_all_others_together() -> None:
    assert may_write([], OPEN, "on") is None and may_write([evidence(None)], OPEN, "on") is None
    assert may_write([named("a", MIN_GOOD - 1)], OPEN, "on") is None
    found = may_write([named("b", 1), named("a", MIN_GOOD), named("c", 1)], OPEN, "on")
    assert found is not None and found.template == "a"
    assert may_write([named("a", MIN_GOOD), named("b", MIN_GOOD)], OPEN, "on") is None
    assert may_write([named("a", 4), named("b", 2), named("c", 2)], OPEN, "on") is None
    for uses in ([named("a", 3), named("b", 2)], [named("b", 2), named("a", 3), evidence(None)]):
        assert may_write(uses, OPEN, "on") is not None


def test_asking_for_the_text_alone_holds_to_the_modes() -> None:
    known = [named("a", 9)]
    assert may_write(known, OPEN, "trial") is not None
    assert may_write(known, OPEN, "off") is None and may_write(known, OPEN, "certified") is None
    assert may_write(known, Standing(100, 0, 0.03), "certified") is not None
    assert may_write(known, Standing(0, 0, 1.0, unwritten=True), "on") is None


@given(st.lists(st.integers(0, 12), max_size=5))
def test_at_most_one_action_can_be_written_and_it_has_the_majority(counts: list[int]) -> None:
    found = may_write([named(str(n), ok) for n, ok in enumerate(counts)], OPEN, "on")
    majority = [n for n, ok in enumerate(counts) if ok >= MIN_GOOD and 2 * ok > sum(counts)]
    assert (found.template if found else None) == (str(majority[0]) if majority else None)


def test_a_plan_is_judged_by_what_the_family_does_anyhow() -> None:
    def plan(ok: int, bad: int) -> Record:
        return Record("p", ok, bad, 0.5, "")

    well = Standing(0, 0, 1.0, usual=0.0, asked=200)
    badly = Standing(0, 0, 1.0, usual=0.5, asked=200)
    new = Standing(0, 0, 1.0, usual=0.0, asked=2)
    assert may_plan(plan(MIN_GOOD, 0), well, "on") and not may_plan(plan(MIN_GOOD - 1, 0), well, "on")
    assert may_plan(plan(9, 1), well, "on")  # one failure among ten says little
    assert not may_plan(plan(10, 10), well, "on")
    assert may_plan(plan(10, 10), badly, "on")  # the runs fail as often with the model's own plan
    assert not may_plan(plan(3, 40), badly, "on")
    assert may_plan(plan(10, 10), new, "on")  # of two runs nobody knows what is usual
    assert not may_plan(plan(9, 0), well, "off") and not may_plan(plan(9, 0), well, "certified")
    assert may_plan(plan(9, 0), Standing(100, 0, 0.03), "certified")


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 100), st.integers(1, 100))
def test_a_plan_is_shut_out_by_both_bounds_or_by_too_few_uses(ok: int, bad: int, failed: int, asked: int) -> None:
    failed = min(failed, asked)
    family = Standing(0, 0, 1.0, failed / asked, False, asked)
    allowed = max(DELTA, upper_bound(failed, asked, 0.95))
    good = ok >= MIN_GOOD and lower_bound(bad, ok + bad, 0.95) <= allowed
    assert may_plan(Record("p", ok, bad, 0.0, ""), family, "on") is good
    if good and ok + bad and bad / (ok + bad) <= failed / asked:
        assert may_plan(Record("p", ok, bad, 0.0, ""), family, "on")


def test_runs_with_texts_alone_have_a_standing_of_their_own() -> None:
    asked = [(True, "")] * 40
    bad = [*asked, *[(False, "written")] * 10]
    found = standing(bad)
    assert found.unwritten and not found.closed and found.episodes == 0 and found.asked == 40 and found.usual == 0
    assert not standing([*bad, *[(True, "written")] * 30]).unwritten  # the latest count
    skipped = standing([*asked, *[(False, "skipped")] * 10])
    assert skipped.closed and not skipped.unwritten
    assert not standing([(i % 2 == 0, arm) for i in range(60) for arm in ("", "written")]).unwritten


def test_what_never_went_well_is_not_worth_a_try() -> None:
    """One failure was the first use, which as a success would have taught it, and tells as much as any."""
    assert evidence("+").chance == pytest.approx(0.5) and evidence("-").chance == pytest.approx(1.5 / 4)
    assert evidence("--").chance == pytest.approx(0.3) and evidence("+-").chance == pytest.approx(1.5 / 4)
