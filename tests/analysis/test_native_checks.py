"""The native checks at the end of hold: the step's own share, on enough requests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from judging import (
    HTTP_500,
    P99,
    SOURCE,
    WRITTEN,
    counts,
    increments,
    native,
    step,
)

from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import Metric, Question, Threshold
from airflow_rollout.analysis.readings import Increments, NoData, ReadFailure, Value
from airflow_rollout.analysis.verdict import Judgement, Verdict

# Only the counted checks: the sequential tests have tests of their own.
RATE = replace(HTTP_500, compare=False, guardrail=None)
TIME = replace(P99, compare=False, guardrail=None)
EDGES = (0.1, 0.5, 1.0)


def judge(*metrics: Metric, deadline: float = 110.0, **changes) -> Judge:
    return Judge(native(*(metrics or (RATE,)), **changes), step(deadline_seconds=deadline))


def feed_rate(one: Judge, second: float, requests: int, bad: int) -> Judgement:
    one.feed(RATE.name, increments(second, counts(requests, bad), counts(9 * requests, 0)))
    return one.assess(WRITTEN + second)


def feed_time(one: Judge, second: float, *buckets: int, edges=EDGES) -> Judgement:
    slower = [sum(buckets[k + 1 :]) for k in range(len(edges))]
    one.feed(
        TIME.name,
        Increments(
            start=SOURCE + second - 1,
            end=SOURCE + second,
            boundaries=edges,
            canary=counts(sum(buckets), *slower),
            stable=counts(0, *([0] * len(edges))),
        ),
    )
    return one.assess(WRITTEN + second)


@pytest.mark.parametrize(
    ("requests", "bad", "passes"), [(1000, 0, True), (1000, 10, True), (1000, 11, False)]
)
def test_the_steps_share_must_be_within_the_limit_at_the_end_of_hold(requests, bad, passes):
    one = judge()
    assert not feed_rate(one, 59, requests, bad).ends
    judgement = feed_rate(one, 60, 0, 0)
    assert (judgement.verdict is Verdict.PASS) is passes
    assert judgement.failed_checks == (0 if passes else 1)


def test_too_few_requests_hold_on_and_say_how_many_are_missing():
    one = judge()
    told = feed_rate(one, 60, 160, 0)
    assert (told.verdict, told.ends) == (Verdict.INCONCLUSIVE, False)
    assert "340 more canary requests needed (160 of 500)" in told.reason
    assert "1 more canary request needed" in feed_rate(one, 61, 339, 0).reason
    assert feed_rate(one, 62, 1, 0).verdict is Verdict.PASS


def test_requests_that_never_come_end_without_pass_at_the_deadline():
    one = judge()
    assert not feed_rate(one, 109.9, 160, 0).ends
    judgement = one.assess(WRITTEN + 110)
    assert (judgement.verdict, judgement.ends) == (Verdict.INCONCLUSIVE, True)
    assert "340 more canary requests needed" in judgement.reason
    assert judgement.failed_checks == 0


def test_a_share_above_the_limit_fails_a_check_every_interval_until_the_limit():
    one = judge()
    told = [feed_rate(one, second, 1000, 100) for second in (60, 65, 70, 80)]
    assert [j.failed_checks for j in told] == [1, 1, 2, 3]
    assert [j.ends for j in told] == [False, False, False, True]
    assert told[-1].verdict is Verdict.FAIL
    assert told[-1].reason.startswith(
        "FAIL after 80 s: 3 of 3 checks failed, the last: http_500_rate 10.00 % > 1 %"
    )


def test_a_share_that_falls_within_the_limit_passes_at_the_next_check():
    one = judge()
    feed_rate(one, 60, 500, 10)
    assert not feed_rate(one, 65, 1000, 0).ends
    assert feed_rate(one, 70, 1, 0).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (NoData(at=SOURCE + 60, reason="no sample of the router"), Verdict.NO_DATA),
        (ReadFailure(at=WRITTEN + 60, reason="timed out"), Verdict.ERROR),
    ],
)
def test_silence_at_the_end_of_hold_holds_on_and_counts_nothing(reading, verdict):
    one = judge()
    feed_rate(one, 59, 1000, 0)
    one.feed(RATE.name, reading)
    held = one.assess(WRITTEN + 60)
    assert (held.verdict, held.ends, held.failed_checks) == (verdict, False, 0)
    ended = one.assess(WRITTEN + 110)
    assert (ended.verdict, ended.ends) == (verdict, True)


def test_an_answer_after_silence_may_still_pass():
    one = judge()
    feed_rate(one, 59, 1000, 0)
    one.feed(RATE.name, ReadFailure(at=WRITTEN + 60, reason="timed out"))
    one.assess(WRITTEN + 60)
    assert feed_rate(one, 63, 10, 0).verdict is Verdict.PASS


@pytest.mark.parametrize(("buckets", "passes"), [((900, 90, 5, 5), True), ((900, 89, 6, 5), False)])
def test_latency_asks_how_many_were_slower_than_the_limit(buckets, passes):
    judgement = feed_time(judge(TIME), 60, *buckets)
    assert (judgement.verdict is Verdict.PASS) is passes
    finding = judgement.metrics[0]
    assert (finding.canary_requests, finding.canary_bad) == (1000, sum(buckets[2:]))
    assert finding.unit == "s"
    assert "interpolated" not in finding.sentence
    assert "slower than 0.5 s" in judgement.reason


def test_a_limit_between_two_boundaries_is_interpolated_and_says_so():
    # 20 of 1000 between 0.5 and 1.0 s: half of them slower than 0.75 s, exactly the 1 % allowed.
    metric = replace(TIME, boundary_seconds=0.75, threshold=Threshold(maximum=0.75))
    passing = feed_time(judge(metric), 60, 980, 0, 20, 0)
    assert passing.verdict is Verdict.PASS
    assert passing.metrics[0].canary_bad == 10
    assert "interpolated: no bucket boundary lies at the limit" in passing.metrics[0].sentence
    assert feed_time(judge(metric), 60, 978, 0, 22, 0).failed_checks == 1


def test_a_limit_above_the_last_boundary_counts_everything_beyond_it():
    metric = replace(TIME, boundary_seconds=2.0, threshold=Threshold(maximum=2.0))
    judgement = feed_time(judge(metric), 60, 980, 0, 0, 20)
    assert judgement.failed_checks == 1
    assert "not measurable: the last bucket boundary is 1000 ms" in judgement.metrics[0].sentence


def test_every_metric_must_have_enough_and_pass():
    one = judge(RATE, TIME)
    feed_rate(one, 59, 1000, 0)
    assert not feed_time(one, 60, 100, 0, 0, 0).ends
    assert feed_time(one, 61, 900, 0, 0, 0).verdict is Verdict.PASS


def test_a_bad_metric_counts_while_another_one_is_missing():
    one = judge(RATE, TIME)
    feed_time(one, 59, 100, 0, 0, 0)
    assert feed_rate(one, 60, 1000, 50).failed_checks == 1


def test_without_min_requests_one_request_is_still_needed():
    one = judge(min_requests=0)
    assert feed_rate(one, 60, 0, 0).verdict is Verdict.NO_DATA
    assert feed_rate(one, 61, 1, 0).verdict is Verdict.PASS


def test_a_value_with_its_number_of_requests_must_rest_on_enough():
    metric = Metric(name="v", question=Question.VALUE, threshold=Threshold(maximum=3.0))
    one = judge(metric)
    one.feed("v", Value(at=SOURCE + 59, canary=1.0, requests=499))
    assert one.assess(WRITTEN + 60).verdict is Verdict.INCONCLUSIVE
    one.feed("v", Value(at=SOURCE + 60, canary=1.0, requests=500))
    assert one.assess(WRITTEN + 61).verdict is Verdict.PASS


def test_measured_bad_and_never_passed_is_fail_at_the_deadline():
    one = judge(failure_limit=50)
    feed_rate(one, 60, 1000, 100)
    one.feed(RATE.name, ReadFailure(at=WRITTEN + 100, reason="timed out"))
    judgement = one.assess(WRITTEN + 110)
    assert (judgement.verdict, judgement.ends) == (Verdict.FAIL, True)
    assert "measured bad: http_500_rate 10.00 % > 1 %" in judgement.reason


def test_nothing_passes_after_the_deadline():
    one = judge()
    one.feed(RATE.name, increments(100, counts(1000, 0), counts(9000, 0)))
    judgement = one.assess(WRITTEN + 110.1)
    assert (judgement.verdict, judgement.ends) == (Verdict.INCONCLUSIVE, True)
    assert "came too late to count" in judgement.reason
    assert one.assess(WRITTEN + 200).verdict is Verdict.INCONCLUSIVE
