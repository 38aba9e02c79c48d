"""The reliability of success probabilities, by hand-made cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from version_world import policy, record_run

from wornpath.policy.calibration import reliability, said_of_runs
from wornpath.policy.past import lived
from wornpath.store import SqliteStore


def test_a_perfect_and_a_useless_forecast() -> None:
    perfect = reliability([(1.0, 1.0), (0.0, 0.0)] * 5)
    assert perfect is not None and (perfect.brier, perfect.error) == (0.0, 0.0) and perfect.base == 0.25
    useless = reliability([(0.9, 0.0)] * 4 + [(0.9, 1.0)] * 4)
    assert useless is not None and useless.error == pytest.approx(0.4) and useless.brier == pytest.approx(0.41)
    assert [(b.n, b.was) for b in useless.bins] == [(8, 0.5)]
    assert reliability([]) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0])), min_size=1, max_size=60))
def test_bins_hold_every_step_once(pairs: list[tuple[float, float]]) -> None:
    found = reliability(pairs)
    assert found is not None and sum(b.n for b in found.bins) == len(pairs)
    assert all(b.low - 1e-9 <= b.said <= b.high + 1e-9 for b in found.bins)
    assert 0 <= found.brier <= 1 and 0 <= found.error <= 1


def test_only_runs_with_an_outcome_are_held_against_it(store: SqliteStore) -> None:
    record_run(store, "a", "met")
    record_run(store, "b", "unverified")
    record_run(store, "c", "unmet", taken=(1,))
    said = said_of_runs(policy(0), lived(store))
    assert [was for _, was in said] == [1.0, 1.0, 0.0] and all(0 <= p <= 1 for p, _ in said)
