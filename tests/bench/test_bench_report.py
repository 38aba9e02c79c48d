"""Figures of recurring work: shares, ratios, and intervals that hold what they should."""

from __future__ import annotations

import json
import math
import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wornpath.bench.report import (
    Table,
    against,
    arm_figures,
    curve,
    fewer_interval,
    interval,
    per_met,
    ratios,
    report,
    skip_price,
)
from wornpath.bench.stream import Record


def record(arm: str, seed: int, episode: int, met: bool, tokens: int, skipped: int = 0, family: str = "a") -> Record:
    return Record(arm, seed, family, episode, met, "met" if met else "unmet", tokens, 4 - skipped, skipped, 3, 0.1)


def streams(share: dict[str, float], tokens: dict[str, int], episodes: int = 60, seeds: int = 3) -> list[Record]:
    rng = random.Random(4)
    return [
        record(arm, seed, episode, rng.random() < share[arm], tokens[arm], 2 * (arm != "frozen"), family)
        for arm in share
        for seed in range(seeds)
        for episode in range(episodes)
        for family in "ab"
    ]


def test_a_known_table() -> None:
    table = Table.of([record("x", 0, e, e % 2 == 0, 100) for e in range(6)])
    whole = np.ones(6, dtype=bool)
    figures = arm_figures(table, "x", whole)
    assert (figures["episodes"], figures["success"], figures["tokens_per_met"]) == (6, 0.5, 200.0)
    assert list(table.last()) == [False] * 4 + [True] * 2
    assert figures["success_ci95"][0] < 0.5 < figures["success_ci95"][1]


def test_no_goal_met_costs_without_bound() -> None:
    table = Table.of([record("x", 0, e, False, 100) for e in range(4)])
    assert math.isinf(arm_figures(table, "x", np.ones(4, dtype=bool))["tokens_per_met"])
    assert math.isinf(per_met(np.ones((1, 2)), np.zeros((1, 2))))


def test_what_is_not_known_or_has_no_bound_is_none_in_json() -> None:
    """Of six episodes learning met the last one or none, frozen none: how many times fewer tokens that takes has no bound or is not known,
    and with no success in most samples it may be anything."""
    for met in (False, True):
        found = [record("frozen", 0, e, False, 100) for e in range(6)]
        found += [record("learning", 0, e, met and e == 5, 100) for e in range(6)]
        figures = report(found, rounds=200)
        late = json.loads(json.dumps(figures, allow_nan=False))["learning"]["last_third"]
        assert (late["times_fewer_tokens"], late["times_fewer_tokens_ci95"]) == (None, [0.0, None])
        assert figures["frozen"]["last_third"]["tokens_per_met_ci95"] == [None, None]


def test_samples_in_which_no_arm_met_anything_widen_the_interval() -> None:
    base, own = np.full(100, 600.0), np.full(100, 200.0)
    assert fewer_interval(base, own) == [3.0, 3.0]
    base[:5], own[:5] = np.inf, np.inf
    assert fewer_interval(base, own) == [0.0, math.inf]
    base[:5] = 600.0
    assert fewer_interval(base, own) == [0.0, 3.0], "where only the arm met none it is no times fewer"


def test_an_episode_in_which_nothing_was_asked_takes_times_fewer_without_bound() -> None:
    found = [record(arm, 0, e, True, 100 * (arm == "frozen")) for arm in ("frozen", "learning") for e in range(6)]
    late = report(found, rounds=50)["learning"]["last_third"]
    assert (late["times_fewer_tokens"], late["times_fewer_tokens_ci95"]) == (None, [None, None])


def test_samples_without_an_episode_say_nothing_of_success() -> None:
    """Frozen did one of the late draws only, so half of the samples or so have none of its episodes."""
    found = [record("learning", 0, e, True, 100) for e in range(6)] + [record("frozen", 0, 5, True, 100)]
    late = report(found, rounds=200)
    assert late["frozen"]["last_third"]["success_ci95"] == [1.0, 1.0]
    assert late["learning"]["last_third"]["success_gain_ci95"] == [0.0, 0.0]


def test_arms_are_compared_on_the_same_draws() -> None:
    records = streams({"frozen": 0.6, "learning": 0.9}, {"frozen": 6000, "learning": 1000})
    figures = report(records, rounds=300)["learning"]["last_third"]
    low, high = figures["times_fewer_tokens_ci95"]
    assert 6 < low < figures["times_fewer_tokens"] < high < 14  # 6 times 0.9 / 0.6
    assert 0.1 < figures["success_gain_ci95"][0] < figures["success_gain"] < figures["success_gain_ci95"][1] < 0.5
    missing = [r for r in records if not (r.arm == "frozen" and r.episode < 50)]
    table = Table.of(missing)
    assert against(table, "learning", "frozen", table.last(), 100)["times_fewer_tokens"] > 6


def test_equal_arms_show_no_gain() -> None:
    records = streams({"frozen": 0.7, "placebo": 0.7}, {"frozen": 500, "placebo": 500}, episodes=90)
    late = report(records, rounds=300)["placebo"]["last_third"]
    assert late["success_gain_ci95"][0] <= 0 <= late["success_gain_ci95"][1]
    assert late["times_fewer_tokens_ci95"][0] <= 1 <= late["times_fewer_tokens_ci95"][1]


def test_the_price_of_skipping_is_the_failures_it_adds() -> None:
    def both(seed: int, episode: int) -> list[Record]:
        fails = episode % 10 == 0
        return [record("frozen", seed, episode, True, 9), record("learning", seed, episode, not fails, 1, 3)]

    price = skip_price(Table.of([r for s in range(2) for e in range(200) for r in both(s, e)]), "learning")
    assert (price["episodes"], price["failed"], price["failed_frozen"], price["price"]) == (400, 0.1, 0.0, 0.1)
    assert 0.1 < price["price_upper95"] < 0.15
    assert price["calls_skipped"] == 0.75
    assert skip_price(Table.of([record("frozen", 0, 0, True, 9)]), "learning") == {}


def test_a_curve_covers_every_episode() -> None:
    table = Table.of(streams({"frozen": 0.5}, {"frozen": 10}, episodes=25))
    points = curve(table, "frozen", 10, rounds=20)
    assert [(p["from"], p["to"], p["episodes"]) for p in points] == [(0, 10, 60), (10, 20, 60), (20, 30, 30)]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(1, 5)), min_size=1, max_size=12))
def test_an_interval_lies_within_what_was_seen(pairs: list[tuple[float, int]]) -> None:
    above, below = np.asarray([[p[0] for p in pairs]]), np.asarray([[float(p[1]) for p in pairs]])
    low, high = interval(ratios(above, below, rounds=50))
    each = above / below
    assert each.min() - 1e-3 <= low <= high <= each.max() + 1e-3
