"""What a histogram says: quantiles as Prometheus counts them, and shares slower than a limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.analysis.histogram import quantile, slower_than
from airflow_rollout.analysis.readings import ArmCounts

EDGES = (0.1, 0.25, 0.5, 1.0)


def histogram(*buckets: int) -> ArmCounts:
    """Requests per bucket, the last one beyond every boundary."""
    slower = [sum(buckets[k + 1 :]) for k in range(len(EDGES))]
    return ArmCounts(requests=sum(buckets), bad=tuple(slower))


@pytest.mark.parametrize(
    ("buckets", "q", "expected"),
    [
        ((100, 0, 0, 0, 0), 0.5, 0.05),
        ((100, 0, 0, 0, 0), 0.99, 0.099),
        ((50, 50, 0, 0, 0), 0.5, 0.1),
        ((50, 50, 0, 0, 0), 0.75, 0.175),
        ((90, 0, 0, 10, 0), 0.99, 0.95),
        ((0, 0, 100, 0, 0), 0.99, 0.4975),
        ((50, 0, 0, 0, 50), 0.99, 1.0),
        ((0, 0, 0, 0, 7), 0.5, 1.0),
        ((10, 0, 0, 0, 0), 1.0, 0.1),
    ],
)
def test_quantile_is_linear_inside_the_bucket(buckets, q, expected):
    assert quantile(EDGES, histogram(*buckets), q) == pytest.approx(expected)


def test_no_requests_or_no_buckets_have_no_quantile():
    assert quantile(EDGES, histogram(0, 0, 0, 0, 0), 0.99) is None
    assert quantile((), ArmCounts(requests=5, bad=()), 0.99) is None


def test_a_first_boundary_that_is_not_positive_is_its_own_quantile():
    assert quantile((0.0, 1.0), ArmCounts(requests=10, bad=(0, 0)), 0.5) == 0.0


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(0.25, 30.0), (0.5, 10.0), (0.375, 20.0), (0.05, 75.0), (1.0, 5.0), (0.1, 50.0)],
)
def test_slower_than_is_exact_at_a_boundary_and_linear_between(limit, expected):
    assert slower_than(EDGES, histogram(50, 20, 20, 5, 5), limit) == pytest.approx(expected)


def test_nothing_is_known_above_the_last_boundary():
    assert slower_than(EDGES, histogram(50, 20, 20, 5, 5), 2.0) is None


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5), st.floats(0.01, 1.0))
def test_slower_than_falls_as_the_limit_rises(buckets, limit):
    counts = histogram(*buckets)
    here, above = (
        slower_than(EDGES, counts, limit),
        slower_than(EDGES, counts, min(1.0, limit * 1.5)),
    )
    assert here is not None
    assert above is not None
    assert counts.requests >= here >= above - 1e-9 >= -1e-9


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5), st.floats(0.0, 1.0))
def test_quantiles_rise_with_their_share(buckets, q):
    counts = histogram(*buckets)
    low, high = quantile(EDGES, counts, q / 2), quantile(EDGES, counts, q)
    assert (low is None) == (counts.requests == 0)
    if low is not None:
        assert 0.0 <= low <= high <= EDGES[-1]
