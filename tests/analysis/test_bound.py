"""The bound on the time to notice, against what was published for it."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_rollout.analysis.bound import bound_seconds, odds_times


@pytest.mark.parametrize(
    ("rate", "stable", "canary", "seconds"),
    [
        (100, 0.001, 0.01, 42.4),
        (100, 0.001, 0.05, 5.0),
        (100, 0.005, 0.01, 270.8),
        (100, 0.005, 0.02, 42.7),
        (100, 0.005, 0.05, 8.4),
        (100, 0.005, 0.20, 1.25),
        (100, 0.001, 1.0, 0.14),
        (1000, 0.001, 0.005, 13.8),
        (1, 0.005, 0.05, 836.0),
    ],
)
def test_the_bound_is_the_published_one(rate, stable, canary, seconds):
    found = bound_seconds(
        canary_rate=0.1 * rate, stable_rate=0.9 * rate, canary_share=canary, stable_share=stable,
        alpha=0.01,
    )  # fmt: skip
    assert found == pytest.approx(seconds, rel=0.03)


shares = st.floats(1e-6, 1.0)


@example(1.0, 0.9999999999999999, 1.0, 1.0)
@given(shares, shares, st.floats(0.1, 1000), st.floats(0.1, 1000))
def test_more_traffic_is_faster_and_a_smaller_alpha_slower(p, q, canary_rate, stable_rate):
    def seconds(traffic: float, alpha: float) -> float:
        return bound_seconds(
            canary_rate=canary_rate * traffic, stable_rate=stable_rate * traffic,
            canary_share=p, stable_share=q, alpha=alpha,
        )  # fmt: skip

    once = seconds(1.0, 0.01)
    if math.isfinite(once) and once > 0.0:
        assert seconds(2.0, 0.01) == pytest.approx(once / 2.0, rel=1e-6)
        assert seconds(1.0, 0.0001) == pytest.approx(2.0 * once, rel=1e-6)


def test_arms_that_do_not_differ_are_never_told_apart():
    same = {"canary_share": 0.01, "stable_share": 0.01, "alpha": 0.01}
    assert bound_seconds(canary_rate=10, stable_rate=90, **same) == math.inf
    assert bound_seconds(canary_rate=0, stable_rate=90, **same) == math.inf


def test_odds_are_multiplied_and_stay_shares():
    assert odds_times(0.5, 3.0) == pytest.approx(0.75)
    assert odds_times(0.001, 5.0) == pytest.approx(0.00498, rel=1e-2)
    assert odds_times(1.0, 5.0) == 1.0
    assert odds_times(0.0, 5.0) == 0.0
