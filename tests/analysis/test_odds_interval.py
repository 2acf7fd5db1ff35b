"""The interval of the odds ratio holds at every look, and says nothing it does not know."""

from __future__ import annotations

import json
import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from judging import HTTP_500, SUCCESS, WRITTEN, counts, flagger, increments, native, step

from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.odds_interval import OddsInterval
from airflow_rollout.analysis.sentences import ratio_between

ALPHA = 0.01


def interval(dispersion: float = 1.0) -> OddsInterval:
    return OddsInterval(dispersion=dispersion, exact_limit=500)


def test_without_a_bad_request_nothing_is_known():
    one = interval()
    for _ in range(50):
        one.update(counts(100, 0), counts(900, 0))
    bounds = one.bounds(ALPHA)
    assert (bounds.low, bounds.high, bounds.estimate) == (0.0, math.inf, None)
    assert not bounds.is_known


def test_the_estimate_is_the_conditional_one():
    one = interval()
    one.update(counts(1002, 21), counts(9010, 36))
    bounds = one.bounds(ALPHA)
    # 21/981 against 36/8974 are 5.34; the conditional estimate lies a little below.
    assert 5.1 < bounds.estimate < 5.34
    assert 1.25 < bounds.low < 2.5 < 5.3 < bounds.high < 20.0


def test_more_data_makes_it_narrower_and_dispersion_wider():
    def width(intervals: int, dispersion: float = 1.0) -> float:
        one = interval(dispersion)
        for _ in range(intervals):
            one.update(counts(1000, 20), counts(9000, 90))
        bounds = one.bounds(ALPHA)
        return bounds.high / bounds.low

    assert width(4) > width(16) > width(64)
    assert width(16, 4.0) > width(16)


def test_it_covers_the_true_ratio_at_every_look():
    """300 releases of 60 intervals at a true odds ratio of 1: at most 1 % may ever miss it."""
    draw, missed = random.Random(7), 0
    for _ in range(300):
        one = interval()
        for _ in range(60):
            bad = sum(draw.random() < 0.02 for _ in range(50))
            stable = sum(draw.random() < 0.02 for _ in range(150))
            one.update(counts(50, bad), counts(150, stable))
            bounds = one.bounds(ALPHA)
            if not bounds.low <= 1.0 <= bounds.high:
                missed += 1
                break
    # 3 are expected at most; 3 standard errors are 5 more.
    assert missed <= 8


arm = st.integers(0, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(arm, arm), max_size=20), st.integers(0, 20))
def test_it_survives_json_and_low_stays_below_high(intervals, reload_at):
    one, whole = interval(), interval()
    for number, (canary, stable) in enumerate(intervals):
        if number == reload_at:
            saved = json.loads(json.dumps(one.state(), allow_nan=False))
            one = interval()
            one.restore(saved)
        one.update(counts(*canary), counts(*stable))
        whole.update(counts(*canary), counts(*stable))
        bounds = one.bounds(ALPHA)
        assert bounds.low < bounds.high
        if bounds.estimate is not None:
            assert bounds.low < bounds.estimate < bounds.high
    assert one.bounds(ALPHA) == whole.bounds(ALPHA)


def test_a_state_is_small():
    one = interval()
    for _ in range(500):
        one.update(counts(97, 3), counts(911, 4))
    assert len(json.dumps(one.state())) < 1000


def test_a_verdict_shows_it_and_a_finding_holds_it():
    judge = Judge(flagger(), step())
    judge.feed(SUCCESS.name, increments(1, counts(1002, 21), counts(9010, 36)))
    finding = judge.assess(WRITTEN + 1).metrics[0]
    assert finding.odds_low < finding.odds_ratio < finding.odds_high
    assert "odds 5.3x (99 % anytime interval " in finding.sentence


def test_its_level_is_the_releases_budget():
    judge = Judge(native(alpha=0.001), step())
    judge.feed(HTTP_500.name, increments(1, counts(1002, 21), counts(9010, 36)))
    assert "(99.9 % anytime interval " in judge.assess(WRITTEN + 1).metrics[0].sentence


def test_only_what_is_known_is_said():
    assert ratio_between(None, None, 3.0, 0.99) == ""
    assert ratio_between(2.0, None, None, 0.99) == "odds at least 2x (99 % anytime interval)"
    assert ratio_between(None, 2.5, None, 0.99) == "odds at most 2.5x (99 % anytime interval)"
    assert ratio_between(2.0, 13.0, 5.3, 0.99) == "odds 5.3x (99 % anytime interval 2x to 13x)"
