"""Argo Rollouts' counters to the letter: what a measurement is, what many make of a metric."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from judging import HTTP_500, P99, SOURCE, WRITTEN, counts, increments, native, step, through_json

from airflow_rollout.analysis.argo import ArgoCounters, ArgoStatus, Measured, measure, meets, worst
from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import (
    ArgoLimits,
    JudgeParams,
    Metric,
    Mode,
    Question,
    Semantics,
    Threshold,
)
from airflow_rollout.analysis.readings import Increments, NoData, ReadFailure, Value
from airflow_rollout.analysis.verdict import Judgement, Verdict

LETTERS = {
    "s": Measured.SUCCESSFUL, "f": Measured.FAILED, "i": Measured.INCONCLUSIVE,
    "e": Measured.ERROR,
}  # fmt: skip


@pytest.mark.parametrize(
    ("success", "failure", "measured"),
    [
        (None, None, Measured.SUCCESSFUL),
        (True, None, Measured.SUCCESSFUL),
        (False, None, Measured.FAILED),
        (None, True, Measured.FAILED),
        (None, False, Measured.SUCCESSFUL),
        (True, True, Measured.FAILED),
        (False, True, Measured.FAILED),
        (True, False, Measured.SUCCESSFUL),
        (False, False, Measured.INCONCLUSIVE),
    ],
)
def test_conditions_make_a_measurement(success, failure, measured):
    assert measure(success, failure) is measured


def test_nan_meets_no_condition():
    for threshold in (Threshold(), Threshold(maximum=1.0), Threshold(minimum=-1.0)):
        assert not meets(math.nan, threshold)
    assert meets(1.0, Threshold(minimum=1.0, maximum=1.0))
    assert not meets(1.0, Threshold(minimum=1.1))
    assert not meets(1.0, Threshold(maximum=0.9))


@pytest.mark.parametrize(
    ("measured", "limits", "status"),
    [
        ("", {}, "RUNNING"),
        ("sss", {}, "RUNNING"),
        # failed: more than the limit, in the whole run, never forgiven
        ("f", {}, "FAILED"),
        ("sfs", {"failure_limit": 1}, "RUNNING"),
        ("fssf", {"failure_limit": 1}, "FAILED"),
        ("ffff", {"failure_limit": 3}, "FAILED"),
        ("ffffffff", {"failure_limit": -1, "consecutive_success_limit": 1}, "RUNNING"),
        # inconclusive
        ("i", {}, "INCONCLUSIVE"),
        ("isi", {"inconclusive_limit": 1}, "INCONCLUSIVE"),
        # errors: in a row only, and no measurements
        ("eeee", {}, "RUNNING"),
        ("eeeee", {}, "ERROR"),
        ("eeeeseeee", {}, "RUNNING"),
        ("e", {"consecutive_error_limit": 0}, "ERROR"),
        ("eess", {"count": 3}, "RUNNING"),
        ("eesss", {"count": 3}, "SUCCESSFUL"),
        # precedence: the later rule names it
        ("fi", {}, "INCONCLUSIVE"),
        ("if", {}, "INCONCLUSIVE"),
        ("feeeee", {}, "ERROR"),
        ("ieeeee", {}, "ERROR"),
        ("ss", {"consecutive_success_limit": 2}, "SUCCESSFUL"),
        ("ssf", {"consecutive_success_limit": 2, "failure_limit": 1}, "RUNNING"),
        ("fss", {"consecutive_success_limit": 2}, "FAILED"),
        # the count is reached
        ("sss", {"count": 3}, "SUCCESSFUL"),
        ("sfs", {"count": 3, "failure_limit": 1}, "SUCCESSFUL"),
        ("sfs", {"count": 3, "failure_limit": 1, "consecutive_success_limit": 2}, "INCONCLUSIVE"),
        ("sfs", {"count": 3, "failure_limit": -1, "consecutive_success_limit": 2}, "FAILED"),
        ("fss", {"count": 3, "failure_limit": 1, "consecutive_success_limit": 2}, "SUCCESSFUL"),
    ],
)
def test_measurements_make_a_status(measured, limits, status):
    counters, rules = ArgoCounters(), ArgoLimits(**limits)
    for letter in measured:
        counters.take(LETTERS[letter])
    assert counters.status(rules) is ArgoStatus[status]
    is_bad = counters.status(rules) in (
        ArgoStatus.FAILED, ArgoStatus.ERROR, ArgoStatus.INCONCLUSIVE,
    )  # fmt: skip
    assert bool(counters.exceeded(rules)) is is_bad


def test_a_run_is_its_worst_metric():
    order = ["SUCCESSFUL", "RUNNING", "INCONCLUSIVE", "ERROR", "FAILED"]
    statuses = [ArgoStatus[name] for name in order]
    for index, status in enumerate(statuses):
        assert worst(statuses[: index + 1]) is status
    assert worst([]) is ArgoStatus.SUCCESSFUL


# --- in the judge ---

RATE = replace(HTTP_500, compare=False, guardrail=None)
MINUTE = step(hold_seconds=60.0, deadline_seconds=120.0)


def params(*metrics: Metric, **changes) -> JudgeParams:
    base = {"semantics": Semantics.ARGO, "interval_seconds": 20.0, "min_requests": 0}
    return native(*(metrics or (RATE,)), **(base | changes))


def limited(metric: Metric = RATE, **limits) -> Metric:
    return replace(metric, argo=ArgoLimits(**limits))


def at(judge: Judge, second: float, bad: int | None, *, requests: int = 100) -> Judgement:
    if bad is not None:
        judge.feed(RATE.name, increments(second, counts(requests, bad), counts(900, 0)))
    return judge.assess(WRITTEN + second)


def test_a_step_passes_when_its_hold_is_over_and_nothing_failed():
    judge = Judge(params(), MINUTE)
    for second in range(1, 60):
        assert not at(judge, second, 0).ends
    told = at(judge, 60, 0)
    assert (told.verdict, told.ends) == (Verdict.PASS, True)


def test_the_first_failed_measurement_ends_it_without_a_failure_limit():
    told = at(Judge(params(), MINUTE), 1, 2)
    assert (told.verdict, told.ends) == (Verdict.FAIL, True)
    assert told.reason == (
        "FAIL after 1.0 s: http_500_rate: 1 failed (failure limit 0), the last: "
        "http_500_rate 2.00 % > 1 % (canary 2 of 100)"
    )


def test_failures_are_counted_over_the_release_and_one_more_than_the_limit_ends_it():
    rules = params(limited(failure_limit=2), interval_seconds=10.0)
    judge = Judge(rules, MINUTE)
    told = [at(judge, second, 50 if second in (1, 11) else 0) for second in (1, 11, 21)]
    assert [j.ends for j in told] == [False, False, True]
    assert told[-1].failed_checks == 3  # the window of a minute still holds the bad requests
    assert "3 failed (failure limit 2)" in told[-1].reason


def test_tolerated_failures_go_on_to_the_next_step():
    short = replace(limited(failure_limit=1), window_seconds=5.0)
    first = Judge(params(short), MINUTE)
    at(first, 1, 50)
    for second in range(2, 60):
        at(first, second, 0)
    assert at(first, 60, 0).verdict is Verdict.PASS
    later = replace(MINUTE, step_id="step_02", written_at=WRITTEN + 60)
    gate = Judge(params(short), later, through_json(first))
    at(gate, 61, 0)
    assert at(gate, 70, 0).failed_checks == 1
    told = [at(gate, second, 50) for second in range(71, 90)]
    assert told[-1].verdict is Verdict.FAIL


def test_measuring_is_at_once_and_then_every_interval():
    judge = Judge(params(), MINUTE)
    for second in range(1, 60):
        at(judge, second, 0)
    assert at(judge, 59.5, None).checks_done == 3  # at 1, 21 and 41 seconds


def test_an_error_is_no_measurement_and_is_repeated_after_ten_seconds():
    judge = Judge(params(), MINUTE)
    judge.feed(RATE.name, ReadFailure(at=WRITTEN, reason="timed out"))
    assert judge.assess(WRITTEN).checks_done == 1
    assert at(judge, 9, 0).checks_done == 1
    told = at(judge, 10, 0)
    assert (told.checks_done, told.failed_checks) == (2, 0)


@pytest.mark.parametrize(
    "silence",
    [ReadFailure(at=WRITTEN, reason="timed out"), NoData(at=SOURCE, reason="no series")],
)
def test_more_errors_in_a_row_than_the_limit_end_it_as_error_and_not_as_fail(silence):
    judge, told = Judge(params(limited(consecutive_error_limit=2)), MINUTE), []
    for second in (0, 10, 20):
        judge.feed(RATE.name, silence)
        told.append(judge.assess(WRITTEN + second))
    assert [j.ends for j in told] == [False, False, True]
    assert told[-1].verdict is Verdict.ERROR
    assert "3 errors in a row (consecutive error limit 2)" in told[-1].reason
    again = Judge(params(limited(consecutive_error_limit=2)), MINUTE, through_json(judge))
    assert again.assess(WRITTEN + 21).verdict is Verdict.ERROR


def test_no_traffic_is_nan_and_fails_where_success_is_asked_for():
    told = at(Judge(params(), MINUTE), 1, 0, requests=0)
    assert told.verdict is Verdict.FAIL
    assert "no number (no canary request in the window): failed" in told.reason


def test_no_traffic_is_successful_where_only_failure_is_asked_for_and_still_never_passes():
    metric = replace(RATE, threshold=None, failure=Threshold(maximum=0.01))
    judge = Judge(params(metric), MINUTE)
    told = [at(judge, second, 0, requests=0) for second in range(1, 121)]
    assert not any(j.verdict is Verdict.PASS for j in told)
    assert told[-1].ends
    assert not told[-1].failed_checks


def test_between_both_conditions_it_is_inconclusive_and_holds_until_the_deadline():
    metric = replace(RATE, failure=Threshold(maximum=0.05))
    judge = Judge(params(metric), MINUTE)
    told = [at(judge, second, 3) for second in range(1, 121)]
    assert not told[-2].ends
    assert (told[-1].verdict, told[-1].ends) == (Verdict.INCONCLUSIVE, True)
    assert at(Judge(params(metric), MINUTE), 1, 6).verdict is Verdict.FAIL
    assert not at(Judge(params(metric), MINUTE), 1, 1).ends


def test_a_step_in_which_nothing_was_measured_does_not_pass():
    """Argo would go on: its count of errors in a row is not exceeded."""
    judge = Judge(params(limited(consecutive_error_limit=99)), MINUTE)
    told = judge.assess(WRITTEN)
    for second in range(0, 121, 10):
        judge.feed(RATE.name, NoData(at=SOURCE + second, reason="no series"))
        told = judge.assess(WRITTEN + second)
    assert (told.verdict, told.ends) == (Verdict.NO_DATA, True)


def test_one_bad_metric_ends_the_release_whatever_the_others_are():
    judge = Judge(params(RATE, replace(RATE, name="other")), MINUTE)
    judge.feed("other", increments(1, counts(100, 90), counts(900, 0)))
    told = at(judge, 1, 0)
    assert told.verdict is Verdict.FAIL
    assert "other: 1 failed" in told.reason


def test_an_observed_metric_is_a_dry_run():
    judge = Judge(params(RATE, replace(RATE, name="other", mode=Mode.OBSERVE)), MINUTE)
    for second in range(1, 61):
        judge.feed("other", increments(second, counts(100, 90), counts(900, 0)))
        at(judge, second, 0)
    assert judge.assess(WRITTEN + 60).verdict is Verdict.PASS


def test_a_value_is_measured_and_a_value_that_is_nan_too():
    metric = Metric(
        name="queue", question=Question.VALUE, threshold=Threshold(maximum=3.0), compare=False
    )
    for value, verdict in (
        (3.0, Verdict.INCONCLUSIVE),
        (4.0, Verdict.FAIL),
        (math.nan, Verdict.FAIL),
    ):
        judge = Judge(params(metric), MINUTE)
        judge.feed("queue", Value(at=SOURCE + 1, canary=value))
        assert judge.assess(WRITTEN + 1).verdict is verdict


def test_a_latency_is_held_against_its_limit_in_seconds():
    metric = replace(P99, compare=False, guardrail=None)
    for slow, verdict in ((0, Verdict.INCONCLUSIVE), (5, Verdict.FAIL)):
        judge = Judge(params(metric), MINUTE)
        judge.feed(
            metric.name,
            Increments(
                start=SOURCE, end=SOURCE + 1, boundaries=(0.1, 0.5, 1.0),
                canary=counts(100, 50, slow, 0), stable=counts(900, 450, 0, 0),
            ),
        )  # fmt: skip
        assert judge.assess(WRITTEN + 1).verdict is verdict


def test_the_comparison_stops_whatever_the_counters_tolerate():
    metric = replace(HTTP_500, argo=ArgoLimits(failure_limit=-1, consecutive_success_limit=1))
    judge = Judge(params(metric), MINUTE)
    for second in range(1, 4):
        told = at(judge, second, 90)
    assert told.verdict is Verdict.FAIL
    assert "evidence" in told.reason
