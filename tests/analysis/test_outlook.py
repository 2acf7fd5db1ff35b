"""A step that holds says how long it would still take."""

from __future__ import annotations

from judging import HTTP_500, SUCCESS, WRITTEN, counts, flagger, increments, native, step

from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import Comparison

LONG = step(hold_seconds=900.0, deadline_seconds=1000.0)


def told(judge: Judge, seconds: int, canary: tuple[int, int], stable: tuple[int, int]) -> str:
    for second in range(1, seconds + 1):
        judge.feed(HTTP_500.name, increments(second, counts(*canary), counts(*stable)))
    return judge.assess(WRITTEN + seconds).reason


def test_missing_requests_are_a_time_at_this_traffic():
    # 8 a second, 500 wanted: after 20 s 340 are missing, which take 42.5 s.
    reason = told(Judge(native(), LONG), 20, (8, 0), (72, 0))
    assert "340 more canary requests needed (160 of 500); enough requests in about 42 s" in reason


def test_a_doubling_has_a_time_and_clusters_make_it_longer():
    once = told(Judge(native(min_requests=0), LONG), 20, (10, 0), (90, 1))
    # Wald's bound for 1.11 % against twice the odds, 10 and 90 requests a second.
    assert "at this traffic twice the errors would take about 126 s" in once
    clustered = native(min_requests=0, comparison=Comparison(dispersion=4.0))
    assert "would take about 503 s" in told(Judge(clustered, LONG), 20, (10, 0), (90, 1))


def test_what_is_not_known_is_not_said():
    assert "about" not in told(Judge(native(), LONG), 3, (8, 0), (72, 1))
    silent = told(Judge(native(), LONG), 20, (0, 0), (72, 0))
    assert silent.startswith("NO_DATA")
    assert "about" not in silent
    # Without a single error nobody knows what twice as many would be.
    assert "twice" not in told(Judge(native(min_requests=0), LONG), 20, (10, 0), (90, 0))


def test_flaggers_rules_tell_it_too():
    judge = Judge(flagger(interval_seconds=300.0), LONG)
    for second in range(1, 21):
        judge.feed(SUCCESS.name, increments(second, counts(10, 0), counts(90, 1)))
    assert "twice the errors" in judge.assess(WRITTEN + 20).reason
