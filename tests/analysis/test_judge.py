"""The judge as a whole: probes, modes, deadline, parameters, words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from judging import (
    DURATION,
    SOURCE,
    SUCCESS,
    WRITTEN,
    World,
    bad_intervals,
    counts,
    flagger,
    increments,
    native,
    step,
    through_json,
)

from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import Comparison, Metric, Mode, Question
from airflow_rollout.analysis.readings import NoData, Probe, ReadFailure
from airflow_rollout.analysis.verdict import Verdict


# --- probes ---
def probe(at: float, ok: bool = False, **more) -> Probe:
    return Probe(at=WRITTEN + at, ok=ok, detail="connection refused", **more)


@pytest.mark.parametrize(
    ("probes", "stops"),
    [
        ([probe(1)], False),
        ([probe(1), probe(2)], True),
        ([probe(1), probe(1)], False),
        ([probe(1), probe(2, ok=True), probe(3)], False),
        ([probe(1), probe(2, ok=True), probe(3), probe(4)], True),
        ([probe(1, fatal=True)], True),
        ([probe(1, ok=True)], False),
    ],
    ids=["one", "two in a row", "one twice", "one again", "two after one", "fatal", "healthy"],
)
def test_two_failed_probes_in_a_row_or_a_fatal_one_stop_the_release(probes, stops):
    judge = Judge(flagger(), step())
    for one in probes:
        judge.feed_probe(one)
    judgement = judge.assess(WRITTEN + 5)
    assert judgement.ends is stops
    assert (judgement.verdict is Verdict.FAIL) is stops
    assert ("connection refused" in judgement.reason) is stops


def test_failed_probes_are_counted_across_the_hand_over():
    judge = Judge(flagger(), step())
    judge.feed_probe(probe(1))
    gate = Judge(flagger(), step("step_02"), through_json(judge))
    gate.feed_probe(probe(2))
    judgement = gate.assess(WRITTEN + 5)
    assert judgement.reason == (
        "FAIL after 5.0 s: the canary failed 2 health probes in a row, the last: connection refused"
    )


# --- observing ---
def test_an_observed_release_passes_by_time_and_says_what_would_have_stopped_it():
    judge = Judge(flagger(mode=Mode.OBSERVE), step())
    held = bad_intervals(judge, 1, 5)
    assert (held.verdict, held.ends) == (Verdict.INCONCLUSIVE, False)
    assert "would have stopped: FAIL request-success-rate after" in held.reason
    judgement = bad_intervals(judge, 60, 1)
    assert (judgement.verdict, judgement.ends) == (Verdict.PASS, True)
    assert judgement.failed_checks == 1
    assert "observed only" in judgement.reason
    assert "would have stopped: FAIL request-success-rate after 5.0 s: canary 100 %" in (
        judgement.reason
    )
    assert judge.assess(WRITTEN + 130).failed_checks == 1


def test_an_observed_release_passes_without_any_answer():
    judge = Judge(flagger(mode=Mode.OBSERVE), step())
    judge.feed(SUCCESS.name, ReadFailure(at=WRITTEN, reason="timed out"))
    assert not judge.assess(WRITTEN + 59).ends
    judgement = judge.assess(WRITTEN + 60)
    assert (judgement.verdict, judgement.ends) == (Verdict.PASS, True)
    assert "could not be read: timed out" in judgement.reason


def test_an_observed_native_release_passes_at_the_end_of_hold():
    judge = Judge(native(mode=Mode.OBSERVE), step(hold_seconds=30.0))
    judge.feed_probe(probe(1, fatal=True))
    assert not judge.assess(WRITTEN + 9).ends
    assert not judge.assess(WRITTEN + 29.9).ends
    judgement = judge.assess(WRITTEN + 30)
    assert (judgement.verdict, judgement.ends) == (Verdict.PASS, True)
    assert "would have stopped: FAIL after 9.0 s: the canary cannot serve" in judgement.reason


def test_an_observed_release_says_when_its_checks_would_have_been_used_up():
    params = flagger(replace(SUCCESS, compare=False), mode=Mode.OBSERVE, failure_limit=2)
    state = None
    for number in (1, 2):
        start = WRITTEN + 100 * number
        judge = Judge(params, step(f"step_{number:02d}", written_at=start), state)
        judge.feed(SUCCESS.name, increments(100 * number + 59, counts(9, 9), counts(90, 0)))
        judgement = judge.assess(start + 60)
        state = through_json(judge)
    assert (judgement.verdict, judgement.ends) == (Verdict.PASS, True)
    assert "would have stopped: FAIL after 60 s: 2 of 2 checks failed" in judgement.reason


# --- deadline ---
@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (NoData(at=SOURCE + 1, reason="the query found no series"), Verdict.NO_DATA),
        (ReadFailure(at=WRITTEN + 1, reason="timed out"), Verdict.ERROR),
    ],
)
def test_a_gate_without_answers_ends_at_its_deadline_and_not_with_pass(answer, verdict):
    judge = Judge(flagger(failure_limit=50), step())
    for second in range(60, 480, 60):
        judge.feed(SUCCESS.name, answer)
        assert not judge.assess(WRITTEN + second).ends
    judge.feed(SUCCESS.name, answer)
    judgement = judge.assess(WRITTEN + 480)
    assert (judgement.verdict, judgement.ends) == (verdict, True)
    assert "no check passed within 480 s" in judgement.reason


# --- nothing to judge ---
@pytest.mark.parametrize("metrics", [(), (replace(SUCCESS, mode=Mode.OBSERVE),)])
def test_a_gate_with_nothing_that_acts_passes_by_time_and_says_so(metrics):
    judge = Judge(replace(flagger(), metrics=metrics), step())
    assert not judge.assess(WRITTEN + 59).ends
    judgement = judge.assess(WRITTEN + 60)
    assert judgement.verdict is Verdict.PASS
    assert "nothing is judged at this step" in judgement.reason


# --- parameters ---
@pytest.mark.parametrize(
    ("params", "message"),
    [
        (flagger(SUCCESS, SUCCESS), "unique"),
        (flagger(alpha=0.0), "alpha"),
        (flagger(alpha=1.0), "alpha"),
        (flagger(interval_seconds=0.0), "interval_seconds"),
        (flagger(replace(SUCCESS, window_seconds=0.0)), "window_seconds"),
        (flagger(replace(SUCCESS, weight=-1.0)), "weight must not be negative"),
        (flagger(replace(SUCCESS, weight=0.0)), "weight above 0"),
        (flagger(comparison=Comparison(restart_share=1.0)), "restart_share"),
        (flagger(comparison=Comparison(tolerance=0.5)), "tolerance"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        Judge(params, step())


def test_a_metric_of_weight_zero_is_reported_and_cannot_stop():
    other = replace(SUCCESS, name="weightless", weight=0.0)
    judge = Judge(flagger(SUCCESS, other), step())
    for second in (1, 2, 3):
        judge.feed("weightless", increments(second, counts(10, 10), counts(90, 0)))
    judgement = judge.assess(WRITTEN + 3)
    assert (judgement.ends, judgement.evidence) == (False, 1.0)
    assert judgement.metrics[1].evidence > 100.0


def test_an_unknown_metric_is_an_error_of_the_caller():
    with pytest.raises(KeyError):
        Judge(flagger(), step()).feed("latency", NoData(at=SOURCE, reason=""))


# --- words ---
def test_a_latency_verdict_names_both_p99s_and_the_boundary_that_carried_it():
    world = World(seed=7, slow_by=0.6)
    judge = Judge(flagger(SUCCESS, DURATION), step())
    judgement = world.release(judge, 10)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reason.startswith("FAIL request-duration after 3.0 s: canary P99 7")
    for part in ("stable P99 ", "slower than ", ": canary 100 % (", "limit P99 <= 500 ms",
                 "(limit 100:1), dispersion 1, 3 intervals used, 0 skipped"):  # fmt: skip
        assert part in judgement.reason


def test_a_finding_holds_the_numbers_of_both_arms():
    judge = Judge(flagger(comparison=Comparison()), step())
    judge.feed(SUCCESS.name, increments(50, counts(1002, 21), counts(9010, 36), length=50))
    finding = judge.assess(WRITTEN + 45).metrics[0]
    assert finding.sentence == (
        "FAIL request-success-rate after 45 s: canary 2.10 % (21/1002), stable 0.40 % (36/9010), "
        "odds 5.3x (99 % anytime interval 0.4x to 40x), "
        "check: request-success-rate 97.90 % < 99.5 % (canary 981 of 1002), "
        "evidence 4.8:1 (limit 100:1), dispersion 4, 1 interval used, 0 skipped"
    )
    assert finding.unit == "%"
    assert finding.canary_value == pytest.approx(97.904, abs=1e-3)
    assert finding.stable_value == pytest.approx(99.600, abs=1e-3)


def test_a_passing_verdict_names_every_metric():
    world = World(seed=3)
    judgement = world.release(Judge(flagger(SUCCESS, DURATION), step()), 61)
    assert judgement.verdict is Verdict.PASS
    assert judgement.reason.startswith("PASS after 60 s: request-success-rate 100.00 % (canary ")
    assert "request-duration P99 4" in judgement.reason


def test_a_metric_of_values_is_never_compared():
    metric = Metric(name="queue", question=Question.VALUE, guardrail=0.1)
    judgement = Judge(flagger(metric), step()).assess(WRITTEN + 1)
    assert judgement.metrics[0].evidence is None
