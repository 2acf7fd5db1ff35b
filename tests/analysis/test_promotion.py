"""Early promotion: a step ends before its hold is over, and only when that is proven."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judging import (
    BOUNDARIES,
    HTTP_500,
    P99,
    SOURCE,
    WRITTEN,
    counts,
    increments,
    native,
    step,
    through_json,
)

from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import (
    Comparison,
    JudgeParams,
    Margin,
    Metric,
    Mode,
    Promote,
    Promotion,
    Question,
    Threshold,
)
from airflow_rollout.analysis.promotion import PromotionProcess
from airflow_rollout.analysis.readings import Increments, NoData, Value
from airflow_rollout.analysis.verdict import Judgement, Verdict

EARLY = Promotion(when=Promote.ON_EVIDENCE)
LONG = step(hold_seconds=1800.0, deadline_seconds=1850.0)
RATE = HTTP_500


def params(*metrics: Metric, **changes) -> JudgeParams:
    base = {"promotion": EARLY, "min_requests": 100}
    return native(*(metrics or (RATE,)), **(base | changes))


def healthy(judge: Judge, first: int, last: int, *, bad=0, requests=100) -> Judgement:
    """Seconds `first` to `last` of a canary that is as good as stable."""
    told = judge.assess(WRITTEN + first - 1)
    for second in range(first, last + 1):
        judge.feed(RATE.name, increments(second, counts(requests, bad), counts(9 * requests, bad)))
        told = judge.assess(WRITTEN + second)
        if told.ends:
            break
    return told


def seconds(told: Judgement) -> float:
    return told.at - WRITTEN


def test_a_canary_that_is_surely_no_worse_is_promoted_before_its_hold_is_over():
    told = healthy(Judge(params(), LONG), 1, 200)
    assert (told.verdict, told.ends) == (Verdict.PASS, True)
    assert seconds(told) == 60.0
    assert "surely no worse than stable, evidence" in told.reason
    assert "(limit 20:1)" in told.reason


def test_on_time_a_good_step_lasts_its_hold():
    judge = Judge(params(promotion=Promotion(when=Promote.ON_TIME)), LONG)
    assert not healthy(judge, 1, 1799).ends
    assert healthy(judge, 1800, 1800).verdict is Verdict.PASS


def test_the_least_duration_holds_whatever_the_evidence():
    longer = Promotion(when=Promote.ON_EVIDENCE, min_duration_seconds=300.0)
    assert seconds(healthy(Judge(params(promotion=longer), LONG), 1, 400)) == 300.0


def test_the_least_duration_never_makes_a_hold_longer():
    short = step(hold_seconds=20.0, deadline_seconds=70.0)
    assert seconds(healthy(Judge(params(), short), 1, 100)) == 20.0


@pytest.mark.parametrize("arm", ["canary", "stable"])
def test_without_the_minimum_sample_of_both_arms_nothing_is_promoted_early(arm):
    judge = Judge(params(min_requests=50_000), LONG)
    canary, stable = (100, 900) if arm == "canary" else (2000, 40)
    for second in range(1, 400):
        judge.feed(RATE.name, increments(second, counts(canary, 0), counts(stable, 0)))
        assert not judge.assess(WRITTEN + second).ends


def test_a_canary_between_margin_and_tolerance_waits_for_its_hold():
    """Too good to be stopped, too bad to be promoted: 1 % bad beside 0.4 %."""
    judge = Judge(params(replace(RATE, guardrail=None)), LONG)
    told = judge.assess(WRITTEN)
    for second in range(1, 900):
        bad = 1 if second % 2 else 0
        judge.feed(RATE.name, increments(second, counts(50, bad), counts(450, 2)))
        told = judge.assess(WRITTEN + second)
        if told.ends:
            break
    assert told.verdict is not Verdict.PASS


def test_proof_of_one_weight_is_no_proof_at_the_next():
    first = Judge(params(), LONG)
    assert healthy(first, 1, 200).verdict is Verdict.PASS
    gate = Judge(params(), replace(LONG, step_id="step_02", written_at=WRITTEN + 60), first.state())
    told = gate.assess(WRITTEN + 130)
    assert not told.ends
    assert "no worse than stable: evidence 1:1 (limit 20:1)" in told.reason


def test_a_restarted_gate_goes_on_with_its_proof():
    judge = Judge(params(), LONG)
    healthy(judge, 1, 59)
    again = Judge(params(), LONG, through_json(judge))
    assert seconds(healthy(again, 60, 60)) == 60.0


def test_every_metric_has_to_be_shown():
    judge = Judge(params(RATE, P99), LONG)
    assert not healthy(judge, 1, 600).ends
    for second in range(601, 700):
        slower = [5 if edge >= 0.25 else 100 for edge in BOUNDARIES]
        stable = [45 if edge >= 0.25 else 900 for edge in BOUNDARIES]
        healthy(judge, second, second)
        judge.feed(
            P99.name,
            Increments(
                start=SOURCE + second - 1, end=SOURCE + second, boundaries=BOUNDARIES,
                canary=counts(100, *slower), stable=counts(900, *stable),
            ),
        )  # fmt: skip
    told = judge.assess(WRITTEN + 700)
    # Not worse than stable, but 5 % of the requests are above the limit of 1 %.
    assert told.verdict is not Verdict.PASS


@pytest.mark.parametrize(
    "metric",
    [
        Metric(name="v", question=Question.VALUE, threshold=Threshold(maximum=3.0), compare=False),
        replace(HTTP_500, name="v", compare=False),
    ],
)
def test_what_cannot_be_compared_holds_the_step_to_its_time(metric):
    judge = Judge(params(RATE, metric), LONG)
    judge.feed("v", Value(at=SOURCE + 1, canary=1.0))
    assert not healthy(judge, 1, 600).ends


def test_an_observed_metric_holds_nobody_up():
    judge = Judge(params(RATE, replace(P99, mode=Mode.OBSERVE)), LONG)
    assert seconds(healthy(judge, 1, 200)) == 60.0


def test_an_observed_release_lasts_its_time():
    judge = Judge(params(mode=Mode.OBSERVE), LONG)
    assert not healthy(judge, 1, 600).ends


def test_evidence_against_the_canary_forbids_early_promotion():
    """Bad at first, good afterwards: the proof at hand is of the good part only."""
    judge = Judge(params(replace(RATE, guardrail=None, threshold=None)), LONG)
    judge.feed(RATE.name, increments(1, counts(100, 4), counts(900, 1)))
    told = healthy(judge, 2, 70)
    assert told.evidence > 1.0
    assert not told.ends


def test_a_source_that_fell_silent_promotes_nothing():
    judge = Judge(params(), LONG)
    assert not healthy(judge, 1, 59).ends
    judge.feed(RATE.name, NoData(at=SOURCE + 60, reason="not scraped"))
    told = judge.assess(WRITTEN + 61)
    assert (told.verdict, told.ends) == (Verdict.NO_DATA, False)


def test_clustered_errors_need_more_proof():
    clustered = Judge(params(comparison=Comparison(dispersion=8.0)), LONG)
    alone = Judge(params(), LONG)
    assert seconds(healthy(clustered, 1, 1000, requests=20)) > 2 * seconds(
        healthy(alone, 1, 1000, requests=20)
    )


def test_a_bad_canary_is_still_stopped_at_once():
    judge = Judge(params(), LONG)
    healthy(judge, 1, 30)
    assert healthy(judge, 31, 40, bad=50).verdict is Verdict.FAIL


def test_at_the_margin_early_promotion_is_rarer_than_beta():
    """Canary 1.125 % beside 0.5 %: exactly 1.25 x stable + 0.5 points."""
    draw, promoted, runs = random.Random(11), 0, 300
    for _ in range(runs):
        process = PromotionProcess(EARLY.errors, dispersion=1.0, is_histogram=False)
        for _ in range(60):
            bad = sum(draw.random() < 0.01125 for _ in range(150))
            stable = binomial(draw, 1350, 0.005)
            process.update(counts(150, bad), counts(1350, stable))
            if process.log_value >= math.log(20.0):
                promoted += 1
                break
    # 5 % of 300 are 15; 3 standard errors are 11 more.
    assert promoted <= 26


def binomial(draw: random.Random, n: int, p: float) -> int:
    """Count by waiting times: quick where p is small."""
    found, at = 0, 0
    while True:
        at += 1 + int(math.log(1.0 - draw.random()) / math.log1p(-p))
        if at > n:
            return found
        found += 1


arm = st.integers(0, 400).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(arm, arm), max_size=12), st.integers(0, 12))
def test_the_process_stays_finite_and_survives_json(intervals, reload_at):
    process = PromotionProcess(EARLY.latency, dispersion=2.0, is_histogram=True)
    whole = PromotionProcess(EARLY.latency, dispersion=2.0, is_histogram=True)
    for number, (canary, stable) in enumerate(intervals):
        if number == reload_at:
            saved = json.loads(json.dumps(process.state(), allow_nan=False))
            process = PromotionProcess(EARLY.latency, dispersion=2.0, is_histogram=True)
            process.restore(saved)
        pair = [counts(n, max(x, y), min(x, y)) for n, x, y in (canary, stable)]
        process.update(*pair)
        whole.update(*pair)
        assert math.isfinite(process.log_value)
    assert process.log_value == whole.log_value


def test_a_margin_must_be_wider_than_the_tolerance():
    """Else a canary could be neither stopped nor promoted, for ever."""
    assert EARLY.errors.multiplier >= Comparison().tolerance
    assert EARLY.errors.absolute > 0
    assert EARLY.latency.multiplier > Comparison().tolerance
    assert Margin(multiplier=1.25, absolute=0.005) == EARLY.errors
