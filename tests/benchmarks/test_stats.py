"""Medians, ranges, percentiles and linearity as the tables show them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.stats import linearity, percentile, summarize

numbers = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50)


def test_summary_says_middle_ends_and_count() -> None:
    summary = summarize([3.0, 1.0, 2.0, 10.0])
    assert summary is not None
    assert (summary.count, summary.median) == (4, 2.5)
    assert (summary.lowest, summary.highest, summary.p95) == (1.0, 10.0, 10.0)


def test_no_values_have_no_summary() -> None:
    assert summarize([]) is None


def test_p95_of_twenty_leaves_one_value_out() -> None:
    values = [float(number) for number in range(1, 21)]
    assert percentile(values, 95) == 19.0
    assert percentile(values[:19], 95) == 19.0
    assert percentile(values, 100) == 20.0


@given(numbers, st.floats(0.001, 100))
def test_percentile_is_a_value_that_enough_others_do_not_exceed(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 * (1 - 1e-12)


@given(numbers)
def test_summary_is_ordered(values: list[float]) -> None:
    summary = summarize(values)
    assert summary is not None
    assert summary.lowest <= summary.median <= summary.highest
    assert summary.median <= summary.p95 <= summary.highest


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_percent_outside_its_range_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="percent"):
        percentile([1.0], percent)


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_linearity_compares_the_cost_of_one_item() -> None:
    assert linearity({100: 0.5, 1000: 5.0}, small=100, large=1000) == pytest.approx(1.0)
    assert linearity({100: 0.5, 1000: 50.0}, small=100, large=1000) == pytest.approx(10.0)
