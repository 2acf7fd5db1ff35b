"""Evidence in the judge: what stops a release, what shares the budget, what is skipped."""

from __future__ import annotations

from dataclasses import replace

import pytest
from judging import (
    BOUNDARIES,
    HTTP_500,
    P99,
    SOURCE,
    SUCCESS,
    WRITTEN,
    bad_intervals,
    counts,
    flagger,
    increments,
    native,
    step,
)

from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import Comparison, Mode, Threshold
from airflow_rollout.analysis.readings import Increments
from airflow_rollout.analysis.verdict import Verdict


def test_two_intervals_that_agree_stop_the_release():
    judge = Judge(flagger(), step())
    assert not bad_intervals(judge, 1, 1).ends
    judgement = bad_intervals(judge, 2, 1)
    assert (judgement.verdict, judgement.ends) == (Verdict.FAIL, True)
    assert judgement.evidence >= judgement.limit == 100.0
    assert judgement.reason == (
        "FAIL request-success-rate after 2.0 s: canary 100 % (20/20), stable 0 % (0/180), "
        "odds at least 64x (99 % anytime interval), evidence 100:1 (limit 100:1), dispersion 1, "
        "2 intervals used, 0 skipped"
    )


def test_a_stop_stays_a_stop():
    judge = Judge(flagger(), step())
    stopped = bad_intervals(judge, 1, 2)
    for second in range(3, 43):
        judge.feed(SUCCESS.name, increments(second, counts(10, 0), counts(90, 9)))
    after = judge.assess(WRITTEN + 42)
    assert after.evidence < 100.0
    assert (after.verdict, after.ends, after.reason) == (Verdict.FAIL, True, stopped.reason)


def test_stopping_outranks_a_check_that_passes():
    judge = Judge(flagger(replace(SUCCESS, threshold=Threshold(minimum=0.0))), step())
    assert bad_intervals(judge, 59, 2).verdict is Verdict.FAIL


def test_the_release_is_judged_by_the_weighted_mean_of_its_metrics():
    other = replace(SUCCESS, name="other")
    judge = Judge(flagger(replace(SUCCESS, weight=3.0), replace(other, weight=1.0)), step())
    bad_intervals(judge, 1, 1)
    judge.feed("other", increments(1, counts(10, 0), counts(90, 5)))
    judgement = judge.assess(WRITTEN + 1)
    own, others = (m.evidence for m in judgement.metrics)
    assert own > 1.0 > others
    assert judgement.evidence == pytest.approx(0.75 * own + 0.25 * others)


def test_an_observed_metric_holds_no_budget_and_stops_nothing():
    lenient = Threshold(minimum=0.0)
    observed = replace(SUCCESS, name="observed", mode=Mode.OBSERVE, threshold=lenient)
    judge = Judge(flagger(SUCCESS, observed), step())
    judge.feed("observed", increments(1, counts(10, 10), counts(90, 0)))
    judge.feed("observed", increments(2, counts(10, 10), counts(90, 0)))
    judge.feed("observed", increments(3, counts(10, 10), counts(90, 0)))
    judgement = judge.assess(WRITTEN + 3)
    assert not judgement.ends
    assert judgement.evidence == 1.0
    finding = judgement.metrics[1]
    assert finding.evidence > 100.0
    assert (finding.verdict, finding.observed_only) == (Verdict.FAIL, True)
    assert "observed only" in finding.sentence
    assert bad_intervals(judge, 4, 2).verdict is Verdict.FAIL


def test_with_comparison_off_only_the_checks_speak():
    judge = Judge(flagger(comparison=Comparison(enabled=False)), step())
    judgement = bad_intervals(judge, 1, 30)
    assert not judgement.ends
    assert judgement.evidence == 1.0
    assert judgement.metrics[0].evidence is None


def test_a_guardrail_stops_what_the_comparison_cannot_see():
    metric = replace(HTTP_500, guardrail=0.01)
    judge = Judge(native(metric), step())
    for second in range(1, 6):
        judge.feed(metric.name, increments(second, counts(50, 25), counts(450, 225)))
    judgement = judge.assess(WRITTEN + 5)
    assert judgement.verdict is Verdict.FAIL
    assert "limit 1.00 %" in judgement.reason
    without = Judge(native(replace(metric, guardrail=None)), step())
    for second in range(1, 6):
        without.feed(metric.name, increments(second, counts(50, 25), counts(450, 225)))
    assert not without.assess(WRITTEN + 5).ends


def test_comparison_and_guardrail_of_a_metric_share_its_weight():
    judge = Judge(native(replace(HTTP_500, weight=1.0)), step())
    judge.feed(HTTP_500.name, increments(1, counts(10, 10), counts(90, 90)))
    judgement = judge.assess(WRITTEN + 1)
    # Everything fails in both arms: no comparison, and a guardrail at its cap of one interval.
    cap = (1.0 / (0.01 * 0.5 * 0.8)) ** 0.5
    expected = 0.5 * 1.0 + 0.5 * (0.8 * cap + 0.2)
    assert judgement.evidence == pytest.approx(expected, rel=1e-4)


def latency(second: float, slow: int, requests: int = 100) -> Increments:
    slower = tuple(slow if edge >= 0.25 else requests for edge in BOUNDARIES)
    fast = tuple(0 if edge >= 0.25 else 900 for edge in BOUNDARIES)
    return Increments(
        start=SOURCE + second - 1, end=SOURCE + second, boundaries=BOUNDARIES,
        canary=counts(requests, *slower), stable=counts(900, *fast),
    )  # fmt: skip


def test_a_latency_guardrail_counts_what_is_slower_than_its_limit():
    metric = replace(P99, compare=False)
    judge = Judge(native(metric), step())
    for second in range(1, 4):
        judge.feed(metric.name, latency(second, slow=30))
    judgement = judge.assess(WRITTEN + 3)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.metrics[0].canary_bad == 90
    assert "limit P99 <= 500 ms (1.00 % may be slower)" in judgement.reason


def test_a_latency_limit_above_the_last_boundary_stops_nothing():
    metric = replace(P99, compare=False, boundary_seconds=20.0, threshold=Threshold(maximum=20.0))
    judge = Judge(native(metric), step())
    for second in range(1, 20):
        judge.feed(metric.name, latency(second, slow=100))
    judgement = judge.assess(WRITTEN + 19)
    assert not judgement.ends
    assert judgement.metrics[0].evidence <= 1.0


def test_warm_up_is_counted_and_not_compared():
    judge = Judge(flagger(warmup_seconds=10.0), step())
    warm = bad_intervals(judge, 1, 10)
    assert (warm.ends, warm.evidence) == (False, 1.0)
    assert (warm.intervals_used, warm.intervals_skipped) == (0, 10)
    assert warm.metrics[0].canary_requests == 100
    assert bad_intervals(judge, 11, 2).verdict is Verdict.FAIL


def test_intervals_without_canary_requests_are_skipped():
    judge = Judge(flagger(), step())
    for second in range(1, 4):
        judge.feed(SUCCESS.name, increments(second, counts(0, 0), counts(90, 1)))
    judgement = judge.assess(WRITTEN + 3)
    assert (judgement.intervals_used, judgement.intervals_skipped) == (0, 3)
    assert judgement.evidence == 1.0
