"""The sequential tests: against scipy, against enumeration, and their corrections."""

from __future__ import annotations

import json
import math

import pytest
from scipy import stats

from airflow_rollout.analysis.evidence import (
    RATIOS,
    WEIGHTS,
    Growth,
    Mixture,
    effective_dispersion,
    log_ratios,
)
from airflow_rollout.analysis.guardrail import GuardrailProcess, guardrail_ratios
from airflow_rollout.analysis.histogram import ComparisonProcess
from airflow_rollout.analysis.non_inferiority import NonInferiority
from airflow_rollout.analysis.parameters import Comparison, Margin
from airflow_rollout.analysis.readings import ArmCounts

PLAIN = Comparison(tolerance=1.0, min_intervals=1, dispersion=1.0)
GATE = Comparison(dispersion=1.0)


def growth(params: Comparison = GATE, weight: float = 1.0) -> Growth:
    return Growth.of(params, alpha=0.01, weight=weight)


def value_of(log_ratio: list[float] | None) -> float:
    if log_ratio is None:
        return 1.0
    return math.fsum(w * math.exp(one) for w, one in zip(WEIGHTS, log_ratio, strict=True))


@pytest.mark.parametrize("exact_limit", [500, 0])
@pytest.mark.parametrize("tolerance", [1.0, 1.25])
@pytest.mark.parametrize(("canary", "stable", "bad"), [(10, 90, 3), (40, 60, 50), (5, 5, 9)])
def test_expected_growth_is_at_most_one_at_the_tolerated_odds(
    canary, stable, bad, tolerance, exact_limit
):
    params = Comparison(tolerance=tolerance, dispersion=1.0, exact_limit=exact_limit)
    tolerated = stats.nchypergeom_fisher(canary + stable, canary, bad, tolerance)
    expected = math.fsum(
        tolerated.pmf(k) * value_of(log_ratios(canary, k, stable, bad - k, params))
        for k in range(max(0, bad - stable), min(bad, canary) + 1)
    )
    assert expected <= 1.0 + 1e-9
    if exact_limit:
        assert expected == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("canary", "bad", "stable", "stable_bad"),
    [(0, 0, 100, 3), (100, 5, 0, 0), (10, 0, 90, 0), (10, 10, 90, 90)],
    ids=["no canary", "no stable", "no event", "nothing but events"],
)
def test_an_interval_that_says_nothing_changes_nothing(canary, bad, stable, stable_bad):
    mixture = Mixture()
    mixture.update(log_ratios(20, 3, 180, 1, GATE), growth())
    before = mixture.value
    mixture.update(log_ratios(canary, bad, stable, stable_bad, GATE), growth())
    assert mixture.value == pytest.approx(before, rel=1e-12)
    assert before > 1.0


def test_one_interval_alone_never_reaches_the_limit_and_two_do():
    mixture = Mixture()
    mixture.update(log_ratios(1000, 1000, 9000, 0, GATE), growth())
    assert mixture.value < 100.0
    mixture.update(log_ratios(1000, 1000, 9000, 0, GATE), growth())
    assert mixture.value >= 100.0


@pytest.mark.parametrize("weight", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("min_intervals", [2, 3, 4])
def test_min_intervals_means_the_same_for_every_weight(weight, min_intervals):
    params = Comparison(dispersion=1.0, min_intervals=min_intervals)
    mixture, reached = Mixture(), []
    for _ in range(min_intervals):
        mixture.update(log_ratios(1000, 1000, 9000, 0, params), growth(params, weight))
        reached.append(weight * mixture.value >= 100.0)
    assert reached == [False] * (min_intervals - 1) + [True]


def test_dispersion_takes_the_root_of_the_growth():
    once, clustered = Mixture(), Mixture()
    ratios = log_ratios(100, 3, 900, 5, GATE)
    once.update(ratios, growth())
    clustered.update([one * 4 for one in ratios], growth(Comparison(dispersion=4.0)))
    assert clustered.value == pytest.approx(once.value)


@pytest.mark.parametrize(("given_phi", "phi"), [(None, 4.0), (0.3, 1.0), (1.0, 1.0), (7.5, 7.5)])
def test_dispersion_is_four_without_history_and_never_below_one(given_phi, phi):
    assert effective_dispersion(Comparison(dispersion=given_phi)) == phi


def test_a_late_regression_keeps_a_reserve_to_bet_with():
    late, never = Mixture(), Mixture()
    no_reserve = Growth.of(Comparison(dispersion=1.0, restart_share=0.0), alpha=0.01, weight=1.0)
    for _ in range(300):
        late.update(log_ratios(100, 0, 900, 9, GATE), growth())
        never.update(log_ratios(100, 0, 900, 9, GATE), no_reserve)
    for _ in range(6):
        late.update(log_ratios(100, 60, 900, 9, GATE), growth())
        never.update(log_ratios(100, 60, 900, 9, GATE), no_reserve)
    assert late.value > 100.0 > never.value


def test_evidence_far_beyond_the_limit_stays_a_number():
    params = Comparison(dispersion=1.0, min_intervals=1)
    mixture = Mixture()
    for _ in range(50):
        mixture.update(log_ratios(500, 500, 500, 0, params), growth(params))
    assert math.isfinite(mixture.value)
    assert mixture.value > 1e200
    json.dumps(mixture.state(), allow_nan=False)


def test_a_mixture_continues_from_its_saved_state():
    mixture = Mixture()
    for _ in range(3):
        mixture.update(log_ratios(100, 3, 900, 5, GATE), growth())
    copy = Mixture.restore(json.loads(json.dumps(mixture.state())))
    for one in (mixture, copy):
        one.update(log_ratios(100, 4, 900, 5, GATE), growth())
    assert copy.value == mixture.value
    assert Mixture.restore(Mixture().state()).value == 1.0
    with pytest.raises(ValueError, match="numbers instead of"):
        Mixture.restore([1.0, 2.0])


def test_a_histogram_is_the_mean_of_its_boundaries_and_names_the_strongest():
    process = ComparisonProcess(GATE, growth())
    assert process.value == 1.0
    assert process.leading is None
    canary, stable = ArmCounts(requests=50, bad=(50, 9)), ArmCounts(requests=450, bad=(450, 2))
    process.update(canary, stable)
    alone = Mixture()
    alone.update(log_ratios(50, 9, 450, 2, GATE), growth())
    assert process.value == pytest.approx((1.0 + alone.value) / 2.0)
    assert process.leading == 1


def test_guardrail_ratios_are_binomial():
    for ratio, one in zip(RATIOS, guardrail_ratios(200, 7, 0.01), strict=True):
        p1 = 0.01 * ratio / (0.99 + 0.01 * ratio)
        expected = stats.binom(200, p1).logpmf(7) - stats.binom(200, 0.01).logpmf(7)
        assert one == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.005, 0.01])
def test_expected_growth_of_a_guardrail_is_at_most_one_up_to_its_limit(share):
    within = stats.binom(150, share)
    expected = math.fsum(
        within.pmf(k) * value_of(guardrail_ratios(150, k, 0.01)) for k in range(151)
    )
    assert expected <= 1.0 + 1e-9


def test_a_guardrail_is_quiet_at_half_its_limit_and_fires_at_ten_times():
    quiet, loud = GuardrailProcess(0.01, growth()), GuardrailProcess(0.01, growth())
    for _ in range(60):
        quiet.update(200, 1)
        loud.update(200, 20)
    assert quiet.value < 1.0
    assert loud.value > 1e6


@pytest.mark.parametrize(("limit", "bad"), [(1.0, 100), (1.5, 100)])
def test_a_limit_of_everything_cannot_be_crossed(limit, bad):
    assert guardrail_ratios(100, bad, limit) is None


def test_a_guardrail_of_nothing_at_all_counts_the_first_bad_requests():
    process = GuardrailProcess(0.0, growth())
    for _ in range(3):
        process.update(100, 1)
    assert process.value >= 100.0


def test_non_inferiority_needs_requests_and_a_margin_that_can_be_missed():
    process = NonInferiority(Margin(multiplier=1.25, absolute=0.005))
    process.update(ArmCounts(requests=0, bad=(0,)), ArmCounts(requests=0, bad=(0,)))
    assert process.log_value == 0.0
    impossible = NonInferiority(Margin(multiplier=0.5, absolute=0.0))
    impossible.update(ArmCounts(requests=900, bad=(0,)), ArmCounts(requests=900, bad=(9,)))
    assert impossible.log_value == 0.0


def test_non_inferiority_shrinks_when_the_canary_is_worse():
    process = NonInferiority(Margin(multiplier=1.25, absolute=0.005))
    for _ in range(20):
        process.update(ArmCounts(requests=150, bad=(4,)), ArmCounts(requests=1350, bad=(3,)))
    assert process.log_value < -5.0
