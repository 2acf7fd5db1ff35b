"""A margin in percentage points: what lies within it stops nothing, what lies beyond does."""

from __future__ import annotations

import math
import statistics
from itertools import product

import numpy as np
import pytest
from judging import HTTP_500, WRITTEN, counts, increments, native, step, through_json
from scipy import stats

from airflow_rollout.analysis.evidence import Growth
from airflow_rollout.analysis.histogram import ComparisonProcess
from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.margin import PastStable, margin_ratios
from airflow_rollout.analysis.parameters import Comparison, Margin

LAST = 120


def stopped_after(params: Comparison, seed: int, stable: float, canary: float) -> int:
    """Return after how many intervals of 150 and 1350 requests; 120 if not at all."""
    draw = np.random.default_rng(seed)
    process = ComparisonProcess(params, Growth.of(params, alpha=0.01, weight=1.0))
    for number in range(LAST):
        process.update(
            counts(150, int(draw.binomial(150, canary))),
            counts(1350, int(draw.binomial(1350, stable))),
        )
        if process.value >= 100.0:
            return number + 1
    return LAST


def found(absolute: float, stable: float, canary: float, releases: int = 15) -> list[int]:
    params = Comparison(dispersion=1.0, planned_intervals=LAST, absolute=absolute)
    return [stopped_after(params, seed, stable, canary) for seed in range(releases)]


def test_a_wider_margin_takes_longer():
    narrow, wide = (statistics.median(found(points, 0.001, 0.01)) for points in (0.001, 0.002))
    # Published: 135 and 195 s at intervals of 15 s.
    assert narrow <= 10
    assert narrow < wide <= 14


def test_ten_times_the_errors_are_nothing_where_they_lie_within_the_margin():
    assert set(found(0.001, 0.0001, 0.001, releases=5)) == {LAST}


def test_a_canary_at_the_margin_is_hardly_ever_stopped():
    at_margin = 1.25 * 0.005 + 0.005
    assert found(0.005, 0.005, at_margin, releases=30).count(LAST) >= 28


@pytest.mark.parametrize(("stable", "past"), [(0.05, 0.05), (0.3, 0.05), (0.01, 0.2)])
def test_no_shares_within_the_margin_are_expected_to_grow(stable, past):
    """Whatever was expected of stable: at the edge of the margin the mean is at most 1."""
    margin = Margin(multiplier=1.25, absolute=0.02)
    edge = margin.multiplier * stable + margin.absolute
    learned = PastStable(bad=round(1000 * past), requests=1000)
    totals = [0.0] * 10
    for bad, stable_bad in product(range(11), range(21)):
        chance = stats.binom.pmf(bad, 10, edge) * stats.binom.pmf(stable_bad, 20, stable)
        ratios = margin_ratios(
            counts(10, bad), counts(20, stable_bad), 0, past=learned, margin=margin
        )
        totals = [total + chance * math.exp(one) for total, one in zip(totals, ratios, strict=True)]
    assert max(totals) <= 1.0 + 1e-9


def test_an_effect_within_the_margin_bets_nothing():
    wide = Margin(multiplier=1.25, absolute=0.5)
    found = margin_ratios(counts(10, 10), counts(90, 0), 0, past=PastStable(), margin=wide)
    assert found[0] == 0.0
    assert margin_ratios(counts(0, 0), counts(9, 0), 0, past=PastStable(), margin=wide) is None


def test_what_is_known_of_stable_goes_with_the_state():
    params = native(HTTP_500, comparison=Comparison(dispersion=1.0, absolute=0.001))
    one, other = Judge(params, step()), Judge(params, step())
    for second in range(1, 30):
        reading = increments(second, counts(100, second % 5 == 0), counts(900, second % 2))
        one.feed(HTTP_500.name, reading)
        other.feed(HTTP_500.name, reading)
        other = Judge(params, step(), through_json(other))
    assert other.assess(WRITTEN + 30) == one.assess(WRITTEN + 30)
    assert other.state() == one.state()
    assert one.evidence != 1.0
