"""What becomes of a step that shows nothing either way, or that cannot be measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from judging import HTTP_500, WRITTEN, counts, increments, native, step, through_json

from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import (
    ASK_SECONDS,
    Metric,
    Mode,
    OnError,
    OnInconclusive,
    Policies,
    Promote,
    Promotion,
)
from airflow_rollout.analysis.readings import ReadFailure
from airflow_rollout.analysis.verdict import Judgement, Verdict

RATE = replace(HTTP_500, guardrail=None)
STEP = step(deadline_seconds=110.0)
LATE = WRITTEN + STEP.deadline_seconds


def judge(
    policy: OnInconclusive = OnInconclusive.WEIGH,
    *,
    metric: Metric = RATE,
    weight: int = 10,
    **more,
) -> Judge:
    params = native(metric, policies=Policies(on_inconclusive=policy), **more)
    return Judge(params, replace(STEP, weight=weight))


def feed(one: Judge, second: float, canary_bad: int, stable_bad: int = 0) -> Judgement:
    arms = counts(1000, canary_bad), counts(9000, stable_bad)
    one.feed(RATE.name, increments(second, *arms))
    return one.assess(WRITTEN + second)


def suspicious(one: Judge) -> Judgement:
    """Feed a share within the limit that is worse than stable's, and too little to stop for it."""
    feed(one, 30, 3, 5)
    return feed(one, 60, 3, 5)


def test_evidence_against_the_canary_holds_a_step_that_keeps_its_limits():
    one = judge()
    held = suspicious(one)
    assert 1.0 < held.evidence < 100.0
    assert (held.verdict, held.ends) == (Verdict.INCONCLUSIVE, False)
    assert "something speaks against it, evidence" in held.reason
    # It passes as soon as that is over ...
    assert feed(one, 70, 0, 20).verdict is Verdict.PASS


def test_evidence_that_stops_nothing_ends_no_release_at_the_deadline():
    one = judge()
    suspicious(one)
    assert not one.assess(LATE - 10.1).ends
    judgement = one.assess(LATE - 10)
    assert judgement.evidence > 1.0
    assert judgement.verdict is Verdict.PASS


def test_nothing_is_weighed_where_nothing_is_compared():
    assert suspicious(judge(OnInconclusive.PROMOTE)).verdict is Verdict.PASS
    assert suspicious(judge(OnInconclusive.HOLD, weight=100)).verdict is Verdict.PASS
    alone = replace(RATE, compare=False)
    assert suspicious(judge(OnInconclusive.HOLD, metric=alone)).verdict is Verdict.PASS
    assert suspicious(judge(OnInconclusive.HOLD, mode=Mode.OBSERVE)).verdict is Verdict.PASS


def test_proof_is_wanted_and_its_lack_is_said_until_the_deadline():
    one = judge(OnInconclusive.HOLD)
    held = feed(one, 60, 5, 45)
    assert held.evidence <= 1.0
    assert not held.ends
    assert "not shown to be no worse than stable: evidence" in held.reason
    late = one.assess(LATE)
    assert (late.verdict, late.ends) == (Verdict.INCONCLUSIVE, True)
    assert "not shown to be no worse than stable" in late.reason


@pytest.mark.parametrize("when", list(Promote))
def test_proof_lets_a_step_pass_whatever_the_policy(when):
    one = judge(OnInconclusive.ROLLBACK, promotion=Promotion(when=when))
    for second in range(10, 60, 10):
        assert not (judged := feed(one, second, 2, 45)).ends, judged.reason
    assert feed(one, 60, 2, 45).verdict is Verdict.PASS


def test_without_proof_at_the_end_of_hold_the_release_goes_back_if_wanted():
    one = judge(OnInconclusive.ROLLBACK)
    assert not feed(one, 59, 5, 45).ends
    judgement = one.assess(WRITTEN + 60)
    assert (judgement.verdict, judgement.ends) == (Verdict.FAIL, True)
    assert "not shown to be no worse than stable" in judgement.reason


def test_a_person_is_asked_for_a_day_and_the_state_remembers_it():
    params = native(RATE, policies=Policies(on_inconclusive=OnInconclusive.ASK))
    one = Judge(params, STEP)
    asked = feed(one, 60, 5, 45)
    assert "a person decides: mark this gate success to go on, failed to roll back" in asked.reason
    for again in (one, Judge(params, STEP, through_json(one))):
        assert not again.assess(LATE + ASK_SECONDS - 1).ends
        assert again.assess(LATE + ASK_SECONDS).verdict is Verdict.INCONCLUSIVE
        assert again.assess(LATE + ASK_SECONDS).ends


def test_too_small_a_sample_never_passes_whatever_the_policy():
    for policy in OnInconclusive:
        one = Judge(native(RATE, policies=Policies(on_inconclusive=policy)), STEP)
        one.feed(RATE.name, increments(60, counts(499, 0), counts(4000, 0)))
        assert one.assess(WRITTEN + 60).verdict is Verdict.INCONCLUSIVE
        assert one.assess(LATE).verdict is Verdict.INCONCLUSIVE


def fail(one: Judge, times: int, first: float = 70.0) -> Judgement:
    for number in range(times):
        one.feed(RATE.name, ReadFailure(at=WRITTEN + first + number, reason="timed out"))
    return one.assess(WRITTEN + first + times)


def broken(policy: OnError, limit: int = 4) -> Judge:
    policies = Policies(on_error=policy, consecutive_error_limit=limit)
    return Judge(native(RATE, policies=policies), STEP)


def test_errors_in_a_row_beyond_the_limit_end_the_release_if_wanted():
    assert not fail(broken(OnError.ROLLBACK), 4).ends
    judgement = fail(broken(OnError.ROLLBACK), 5)
    assert (judgement.verdict, judgement.ends) == (Verdict.ERROR, True)
    assert "5 readings in a row failed (consecutive error limit 4), the last: timed out" in (
        judgement.reason
    )
    assert fail(broken(OnError.ROLLBACK, limit=0), 1).ends


def test_an_answer_between_errors_starts_the_row_anew():
    one = broken(OnError.ROLLBACK)
    assert not fail(one, 4, 10).ends
    feed(one, 20, 0)
    assert not fail(one, 4, 30).ends


def test_errors_hold_a_step_or_ask_a_person_if_wanted():
    held = fail(broken(OnError.HOLD), 30)
    assert (held.verdict, held.ends) == (Verdict.ERROR, False)
    one = broken(OnError.ASK)
    assert "a person decides" in fail(one, 5).reason
    assert not one.assess(LATE + 1).ends
    # What can be measured again is judged again.
    feed(one, 80, 0)
    assert feed(one, 200, 0).verdict is Verdict.PASS


def test_errors_behind_a_passed_step_end_nothing():
    one = broken(OnError.ROLLBACK)
    assert feed(one, 60, 0).verdict is Verdict.PASS
    assert fail(one, 9).verdict is Verdict.PASS
