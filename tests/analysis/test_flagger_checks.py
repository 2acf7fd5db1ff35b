"""Flagger's counted checks: what passes, what fails, when they are due, what they add up to."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from judging import (
    DURATION,
    SOURCE,
    SUCCESS,
    WRITTEN,
    counts,
    cumulative,
    flagger,
    increments,
    point,
    series,
    step,
)

from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import Comparison, Metric, Mode, Question, Threshold
from airflow_rollout.analysis.readings import Increments, NoData, ReadFailure, Value
from airflow_rollout.analysis.verdict import Judgement, Verdict

# Only the counted checks: the comparison has tests of its own.
ONLY_CHECKS = {"compare": False}
RATE = replace(SUCCESS, **ONLY_CHECKS)
TIME = replace(DURATION, **ONLY_CHECKS)
CUSTOM = Metric(name="queue", question=Question.VALUE, threshold=Threshold(maximum=10.0))


def judge(*metrics: Metric, **changes) -> Judge:
    return Judge(flagger(*metrics, **changes), step())


def ask_success(canary_requests: int, bad: int, **threshold: float) -> Judgement:
    one = judge(replace(RATE, threshold=Threshold(**(threshold or {"minimum": 99.5}))))
    one.feed(RATE.name, increments(60, counts(canary_requests, bad), counts(900, 0), length=60))
    return one.assess(WRITTEN + 60)


@pytest.mark.parametrize(
    ("requests", "bad", "threshold", "passes"),
    [
        (1000, 0, {"minimum": 99.5}, True),
        (1000, 5, {"minimum": 99.5}, True),
        (1000, 6, {"minimum": 99.5}, False),
        (200, 1, {"minimum": 99.5}, True),
        (3, 1, {"minimum": 99.5}, False),
        (1000, 1000, {"minimum": 0.0}, True),
        (1000, 990, {"maximum": 1.0}, True),
        (1000, 0, {"maximum": 99.9}, False),
        (1000, 10, {"minimum": 98.0, "maximum": 99.0}, True),
    ],
)
def test_success_rate_is_compared_strictly_and_equality_passes(requests, bad, threshold, passes):
    judgement = ask_success(requests, bad, **threshold)
    assert (judgement.verdict is Verdict.PASS) is passes
    assert judgement.ends is passes
    assert judgement.failed_checks == (0 if passes else 1)


def latency_increments(buckets: tuple[int, ...], boundaries: tuple[float, ...]) -> Increments:
    slower = [sum(buckets[k + 1 :]) for k in range(len(boundaries))]
    return Increments(
        start=SOURCE,
        end=SOURCE + 60,
        boundaries=boundaries,
        canary=counts(sum(buckets), *slower),
        stable=counts(0, *([0] * len(boundaries))),
    )


@pytest.mark.parametrize(
    ("edges", "buckets", "limit", "value", "passes"),
    [
        ((0.4, 0.5), (0, 100, 0), 500.0, 499.0, True),
        ((0.3, 0.5), (98, 2, 0), 500.0, 400.0, True),
        ((0.3, 0.5), (0, 0, 100), 500.0, 500.0, True),
        ((0.3, 0.5), (0, 0, 100), 499.0, 500.0, False),
        ((0.3, 0.5), (0, 0, 100), 499.9, 500.0, False),
        ((0.2, 0.50078), (0, 1000, 0), 497.0, 497.0, True),
    ],
    ids=[
        "linear inside the bucket",
        "in the middle of a bucket",
        "the last finite boundary equals the limit",
        "above the limit",
        "the limit is cut to whole ms",
        "the value, 497.77, is cut to whole ms",
    ],
)
def test_duration_is_a_quantile_in_whole_milliseconds(edges, buckets, limit, value, passes):
    one = judge(replace(TIME, threshold=Threshold(maximum=limit)))
    one.feed(TIME.name, latency_increments(buckets, edges))
    judgement = one.assess(WRITTEN + 60)
    assert judgement.metrics[0].canary_value == value
    assert judgement.metrics[0].unit == "ms"
    assert (judgement.verdict is Verdict.PASS) is passes


def test_a_lower_limit_on_a_duration_is_cut_to_whole_milliseconds_too():
    one = judge(replace(TIME, threshold=Threshold(minimum=500.5)))
    one.feed(TIME.name, latency_increments((0, 0, 100), (0.3, 0.5)))
    assert one.assess(WRITTEN + 60).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (None, Verdict.NO_DATA),
        (NoData(at=SOURCE + 59, reason="the query found no series"), Verdict.NO_DATA),
        (ReadFailure(at=WRITTEN + 59, reason="prometheus: timed out"), Verdict.ERROR),
        (increments(59, counts(0, 0), counts(900, 0)), Verdict.NO_DATA),
        (cumulative(SOURCE, (), ()), Verdict.NO_DATA),
    ],
    ids=["no answer", "no data", "read failure", "no canary request", "no series"],
)
def test_silence_is_a_failed_check(reading, verdict):
    one = judge(RATE)
    if reading is not None:
        one.feed(RATE.name, reading)
    judgement = one.assess(WRITTEN + 60)
    assert judgement.failed_checks == 1
    assert judgement.verdict is verdict
    assert judgement.metrics[0].verdict is verdict
    assert not judgement.ends


@pytest.mark.parametrize(
    ("value", "passes"),
    [(9.0, True), (10.0, True), (10.5, False), (math.nan, False), (None, False), (math.inf, False)],
)
def test_a_value_is_held_against_its_threshold(value, passes):
    one = judge(CUSTOM)
    one.feed(CUSTOM.name, Value(at=SOURCE + 59, canary=value))
    judgement = one.assess(WRITTEN + 60)
    assert (judgement.verdict is Verdict.PASS) is passes
    assert judgement.failed_checks == (0 if passes else 1)


@pytest.mark.parametrize(
    ("question", "value", "passes"),
    [
        (Question.LATENCY, 500.9, True),
        (Question.LATENCY, 501.0, False),
        (Question.ERRORS, 500.0, True),
        (Question.ERRORS, 500.9, False),
    ],
)
def test_a_value_answers_any_question_in_the_unit_of_its_threshold(question, value, passes):
    metric = Metric(name="m", question=question, threshold=Threshold(maximum=500.0), compare=False)
    one = judge(metric)
    one.feed("m", Value(at=SOURCE + 59, canary=value))
    assert (one.assess(WRITTEN + 60).verdict is Verdict.PASS) is passes


def test_the_newest_value_counts_and_an_old_one_does_not():
    one = judge(CUSTOM)
    one.feed(CUSTOM.name, Value(at=SOURCE + 50, canary=99.0))
    one.feed(CUSTOM.name, Value(at=SOURCE + 55, canary=9.0))
    one.feed(CUSTOM.name, Value(at=SOURCE + 51, canary=99.0))
    assert one.assess(WRITTEN + 60).verdict is Verdict.PASS
    stale = judge(CUSTOM)
    stale.feed(CUSTOM.name, Value(at=SOURCE - 30, canary=9.0))
    judgement = stale.assess(WRITTEN + 60)
    assert judgement.failed_checks == 1
    assert "no value in the last 60 s" in judgement.reason


def test_a_value_that_rests_on_no_request_is_no_data():
    one = judge(CUSTOM)
    one.feed(CUSTOM.name, Value(at=SOURCE + 59, canary=1.0, requests=0))
    assert one.assess(WRITTEN + 60).verdict is Verdict.NO_DATA


def test_the_first_check_is_due_one_interval_after_the_write():
    one = judge(RATE)
    one.feed(RATE.name, increments(30, counts(500, 0), counts(900, 0), length=30))
    early = one.assess(WRITTEN + 59.9)
    assert (early.ends, early.checks_done) == (False, 0)
    assert early.verdict is Verdict.INCONCLUSIVE
    assert "first check in 0.1 s" in early.reason
    assert one.assess(WRITTEN + 60).verdict is Verdict.PASS


def fail_check(one: Judge, second: float) -> Judgement:
    one.feed(RATE.name, increments(second, counts(100, 50), counts(900, 0)))
    return one.assess(WRITTEN + second)


def test_failed_checks_add_up_and_the_last_allowed_one_stops_the_release():
    one = judge(RATE)
    told = [fail_check(one, 60 * k) for k in range(1, 6)]
    assert [j.failed_checks for j in told] == [1, 2, 3, 4, 5]
    assert [j.ends for j in told] == [False] * 4 + [True]
    assert [j.verdict for j in told] == [Verdict.INCONCLUSIVE] * 4 + [Verdict.FAIL]
    assert told[-1].reason == (
        "FAIL after 300 s: 5 of 5 checks failed, the last: "
        "request-success-rate 50.00 % < 99.5 % (canary 50 of 100)"
    )


def test_a_late_look_counts_one_check_and_goes_on_with_the_next_slot():
    one = judge(RATE)
    fail_check(one, 205)
    assert one.assess(WRITTEN + 239.9).failed_checks == 1
    assert fail_check(one, 240).failed_checks == 2


def test_looking_again_counts_nothing():
    one = judge(RATE)
    first = fail_check(one, 60)
    assert [one.assess(WRITTEN + 60) for _ in range(3)] == [first] * 3
    assert one.assess(WRITTEN + 90).failed_checks == 1


def test_a_check_after_a_failed_one_may_pass():
    one = judge(RATE)
    fail_check(one, 60)
    one.feed(RATE.name, increments(120, counts(6000, 0), counts(900, 0), length=59))
    judgement = one.assess(WRITTEN + 121)
    assert (judgement.verdict, judgement.ends, judgement.failed_checks) == (Verdict.PASS, True, 1)


def test_after_a_pass_nothing_more_is_counted():
    one = judge(RATE)
    one.feed(RATE.name, increments(60, counts(1000, 0), counts(900, 0)))
    one.assess(WRITTEN + 60)
    judgement = fail_check(one, 120)
    assert (judgement.verdict, judgement.failed_checks, judgement.checks_done) == (
        Verdict.PASS, 0, 1,
    )  # fmt: skip


def test_after_a_stop_nothing_more_is_counted():
    one = judge(RATE, failure_limit=1)
    assert fail_check(one, 60).verdict is Verdict.FAIL
    assert fail_check(one, 120).failed_checks == 1


def test_a_failure_limit_below_one_means_one():
    one = judge(RATE, failure_limit=0)
    held = one.assess(WRITTEN + 59)
    assert (held.ends, held.failure_limit) == (False, 1)
    assert fail_check(one, 60).verdict is Verdict.FAIL


def test_a_check_sees_only_its_window():
    one = judge(replace(RATE, window_seconds=30.0))
    one.feed(RATE.name, increments(20, counts(500, 400), counts(900, 0)))
    one.feed(RATE.name, increments(60, counts(500, 0), counts(900, 0)))
    assert one.assess(WRITTEN + 60).verdict is Verdict.PASS


def test_several_bad_metrics_are_one_failed_check_named_by_the_first():
    one = judge(RATE, CUSTOM)
    one.feed(RATE.name, increments(60, counts(100, 50), counts(900, 0)))
    one.feed(CUSTOM.name, Value(at=SOURCE + 60, canary=99.0))
    judgement = one.assess(WRITTEN + 60)
    assert judgement.failed_checks == 1
    assert "the last: request-success-rate 50.00 %" in judgement.reason


def test_a_metric_nobody_asked_since_the_last_check_is_not_passed_on_old_data():
    one = judge(RATE, CUSTOM)
    one.feed(RATE.name, increments(60, counts(1000, 0), counts(900, 0)))
    one.feed(CUSTOM.name, Value(at=SOURCE + 60, canary=99.0))
    assert one.assess(WRITTEN + 60).failed_checks == 1
    one.feed(CUSTOM.name, Value(at=SOURCE + 119, canary=1.0))
    judgement = one.assess(WRITTEN + 120)
    assert judgement.failed_checks == 2
    assert "request-success-rate: no answer since the last check" in judgement.reason


def test_an_observed_metric_is_reported_and_counts_nothing():
    observed = replace(CUSTOM, mode=Mode.OBSERVE)
    one = judge(RATE, observed)
    one.feed(RATE.name, increments(60, counts(1000, 0), counts(900, 0)))
    one.feed(CUSTOM.name, Value(at=SOURCE + 60, canary=99.0))
    judgement = one.assess(WRITTEN + 60)
    assert judgement.verdict is Verdict.PASS
    finding = judgement.metrics[1]
    assert (finding.verdict, finding.observed_only) == (Verdict.FAIL, True)
    assert "queue 99.00 > 10" in finding.sentence


def test_a_value_that_misses_its_limit_by_little_is_not_printed_as_equal():
    judgement = ask_success(100_000, 501)
    assert "99.499 % < 99.5 %" in judgement.reason


def test_a_metric_without_threshold_still_needs_requests():
    bare = replace(RATE, threshold=None)
    silent = judge(bare)
    silent.feed(bare.name, increments(60, counts(0, 0), counts(900, 0)))
    assert silent.assess(WRITTEN + 60).failed_checks == 1
    busy = judge(bare)
    busy.feed(bare.name, increments(60, counts(10, 10), counts(900, 0)))
    assert busy.assess(WRITTEN + 60).verdict is Verdict.PASS


def test_a_canary_without_series_is_no_data_however_full_the_window_is():
    one = judge(RATE)
    for second, canary in ((0, 0), (50, 500)):
        at = SOURCE + second
        arm = series(point(at, canary, 0), key="c")
        one.feed(RATE.name, cumulative(at, arm, series(point(at, 0, 0), key="s")))
    one.feed(RATE.name, cumulative(SOURCE + 59, (), series(point(SOURCE + 59, 0, 0), key="s")))
    judgement = one.assess(WRITTEN + 60)
    assert (judgement.verdict, judgement.failed_checks) == (Verdict.NO_DATA, 1)
    assert "the canary has no series" in judgement.reason


def test_an_old_answer_does_not_hide_a_failure():
    one = judge(RATE)
    old = cumulative(SOURCE, series(point(SOURCE, 0, 0), key="c"), ())
    new = cumulative(SOURCE + 50, series(point(SOURCE + 50, 500, 0), key="c"), ())
    one.feed(RATE.name, old)
    one.feed(RATE.name, new)
    one.feed(RATE.name, ReadFailure(at=WRITTEN + 55, reason="timed out"))
    one.feed(RATE.name, old)
    assert one.assess(WRITTEN + 60).verdict is Verdict.ERROR


def test_a_check_at_the_very_deadline_may_still_pass():
    one = Judge(flagger(RATE), step(deadline_seconds=60.0))
    one.feed(RATE.name, increments(60, counts(1000, 0), counts(900, 0)))
    assert one.assess(WRITTEN + 60).verdict is Verdict.PASS


def test_raw_counters_are_checked_like_counts():
    one = judge(RATE)
    for second in (0, 60):
        at = SOURCE + second
        canary = series(point(at, 10 * second, second // 20), key="c")
        one.feed(RATE.name, cumulative(at, canary, series(point(at, 90 * second, 0), key="s")))
    judgement = one.assess(WRITTEN + 60)
    assert judgement.metrics[0].canary_value == 99.5
    assert judgement.verdict is Verdict.PASS


def test_a_hold_longer_than_the_interval_is_checked_all_the_time_and_passes_at_its_end():
    """Flagger knows no such hold; a native file with Flagger's rule does."""
    held = step(hold_seconds=180.0, deadline_seconds=600.0)
    judge = Judge(flagger(comparison=Comparison(enabled=False)), held)
    told = {}
    for second in range(1, 181):
        bad = 1 if second < 60 else 0
        judge.feed(SUCCESS.name, increments(second, counts(10, bad), counts(90, 0)))
        told[second] = judge.assess(WRITTEN + second)
    assert told[60].failed_checks == told[120].failed_checks == 1
    assert not told[120].ends
    assert told[180].verdict is Verdict.PASS
