"""What must hold for every release, whatever the answers are."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from judging import (
    BOUNDARIES,
    DURATION,
    HTTP_500,
    P99,
    SOURCE,
    SUCCESS,
    WRITTEN,
    counts,
    cumulative,
    flagger,
    increments,
    native,
    point,
    series,
    step,
)

from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import JudgeParams, Promote, Promotion, Semantics
from airflow_rollout.analysis.readings import Increments, NoData, Probe, ReadFailure, Reading
from airflow_rollout.analysis.verdict import Judgement, Verdict

ERRORS = "request-success-rate"
LATENCY = "request-duration"

# Both kinds of rules over the same two names.
FLAGGER = flagger(SUCCESS, DURATION, interval_seconds=5.0, failure_limit=3)
NATIVE = native(
    replace(HTTP_500, name=ERRORS), replace(P99, name=LATENCY), interval_seconds=5.0,
    min_requests=40,
)  # fmt: skip
EARLY = replace(NATIVE, promotion=Promotion(when=Promote.ON_EVIDENCE, min_duration_seconds=2.0))
ARGO = native(
    replace(HTTP_500, name=ERRORS), replace(P99, name=LATENCY), interval_seconds=5.0,
    semantics=Semantics.ARGO,
)  # fmt: skip
STEP = step(hold_seconds=5.0, deadline_seconds=30.0)

arm = st.integers(0, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))

# What stable did while the canary had nothing is not carried over to another weight.
busy = st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def tick_readings(second: int, canary: tuple[int, int], stable: tuple[int, int]) -> dict:
    """Errors and latencies of one second: every bad request is slow too."""
    slow = [counts(n, *[bad if edge >= 0.25 else n for edge in BOUNDARIES])
            for n, bad in (canary, stable)]  # fmt: skip
    return {
        ERRORS: increments(second, counts(*canary), counts(*stable)),
        LATENCY: Increments(
            start=SOURCE + second - 1, end=SOURCE + second, boundaries=BOUNDARIES,
            canary=slow[0], stable=slow[1],
        ),
    }  # fmt: skip


silence = st.sampled_from(["no data", "failure"])
answer = st.one_of(st.tuples(arm, arm), silence)
ticks = st.lists(answer, min_size=1, max_size=20)
any_params = st.sampled_from([FLAGGER, NATIVE, EARLY, ARGO])


def readings_of(second: int, answer) -> dict[str, Reading]:
    if answer == "no data":
        silent: Reading = NoData(at=SOURCE + second, reason="nothing")
        return {ERRORS: silent, LATENCY: silent}
    if answer == "failure":
        failed = ReadFailure(at=WRITTEN + second, reason="timed out")
        return {ERRORS: failed, LATENCY: failed}
    return tick_readings(second, *answer)


def run(params: JudgeParams, answers, *, order=(ERRORS, LATENCY), times=1, reload=False):
    """Judge second by second; return the judge and everything it said."""
    judge, told = Judge(params, STEP), []
    for second, one in enumerate(answers, start=1):
        found = readings_of(second, one)
        for name in order:
            for _ in range(times):
                judge.feed(name, found[name])
        if reload:
            judge = Judge(params, STEP, json.loads(json.dumps(judge.state(), allow_nan=False)))
        told.append(judge.assess(WRITTEN + second))
    return judge, told


@settings(max_examples=40, deadline=None)
@given(any_params, ticks)
def test_feeding_everything_twice_changes_nothing(params, answers):
    once, twice = run(params, answers), run(params, answers, times=2)
    assert twice[1] == once[1]
    assert twice[0].state() == once[0].state()


@settings(max_examples=40, deadline=None)
@given(any_params, ticks)
def test_a_state_that_went_through_json_at_any_point_changes_nothing(params, answers):
    assert run(params, answers, reload=True)[1] == run(params, answers)[1]


@settings(max_examples=40, deadline=None)
@given(any_params, ticks)
def test_the_order_in_which_metrics_answer_does_not_matter(params, answers):
    assert run(params, answers, order=(LATENCY, ERRORS))[1] == run(params, answers)[1]


@settings(max_examples=40, deadline=None)
@given(any_params, ticks)
def test_the_order_of_metrics_in_the_spec_changes_no_number(params, answers):
    turned = replace(params, metrics=params.metrics[::-1])

    def numbers(told: list[Judgement]) -> list[tuple]:
        return [(j.verdict, j.ends, j.evidence, j.failed_checks, j.checks_done) for j in told]

    assert numbers(run(turned, answers)[1]) == numbers(run(params, answers)[1])


@settings(max_examples=40, deadline=None)
@given(any_params, ticks)
def test_looking_twice_says_the_same(params, answers):
    judge, told = run(params, answers)
    assert judge.assess(WRITTEN + len(answers)) == told[-1]


@settings(max_examples=40, deadline=None)
@given(any_params, ticks)
def test_failed_checks_never_fall(params, answers):
    failed = [j.failed_checks for j in run(params, answers)[1]]
    assert failed == sorted(failed)


@settings(max_examples=40, deadline=None)
@given(any_params, st.lists(st.one_of(st.tuples(st.just((0, 0)), arm), silence), max_size=40))
def test_without_a_canary_request_nothing_passes(params, answers):
    _, told = run(params, answers)
    assert all(j.verdict is not Verdict.PASS for j in told)
    # Rounding aside: intervals without a canary only move the clock of late starts.
    assert all(abs(j.evidence - 1.0) < 1e-12 for j in told)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([NATIVE, EARLY]), st.lists(st.tuples(arm, arm), min_size=1, max_size=20))
def test_nothing_passes_without_the_minimum_sample(params, answers):
    canary = stable = 0
    for (one, other), judgement in zip(answers, run(params, answers)[1], strict=True):
        canary, stable = canary + one[0], stable + other[0]
        is_early = judgement.at < WRITTEN + STEP.hold_seconds
        if judgement.verdict is Verdict.PASS:
            assert canary >= params.min_requests
            assert stable >= params.min_requests or not is_early
            assert params is EARLY or not is_early
            break


@settings(max_examples=40, deadline=None)
@given(any_params, ticks, silence)
def test_silence_at_the_check_never_passes(params, answers, last):
    judge, told = run(params, [*answers[:4], last])
    judgement = judge.assess(WRITTEN + 5)
    assert judgement.verdict is not Verdict.PASS or any(j.verdict is Verdict.PASS for j in told)
    at_deadline = judge.assess(WRITTEN + 30)
    if not any(j.ends for j in told):
        assert at_deadline.ends
        assert at_deadline.verdict is not Verdict.PASS


@settings(max_examples=40, deadline=None)
@given(any_params, ticks)
def test_a_gate_goes_on_while_something_is_missing_and_ends_with_pass_or_worse(params, answers):
    for judgement in run(params, answers)[1]:
        held = (Verdict.INCONCLUSIVE, Verdict.NO_DATA, Verdict.ERROR)
        assert judgement.ends or judgement.verdict in held
        assert judgement.reason.startswith(judgement.verdict.name)
        assert "\n" not in judgement.reason
        assert (judgement.evidence >= judgement.limit) <= (judgement.verdict is Verdict.FAIL)


@settings(max_examples=40, deadline=None)
@given(any_params, ticks, arm)
def test_evidence_is_unchanged_by_an_interval_without_events(params, answers, quiet):
    judge, told = run(params, answers)
    before, second = told[-1].evidence, len(answers) + 1
    fast = [counts(n, *[0] * 12) for n in (quiet[0], 9 * quiet[0])]
    judge.feed(ERRORS, increments(second, counts(quiet[0], 0), counts(9 * quiet[0], 0)))
    judge.feed(
        LATENCY,
        Increments(
            start=SOURCE + second - 1, end=SOURCE + second, boundaries=BOUNDARIES,
            canary=fast[0], stable=fast[1],
        ),
    )  # fmt: skip
    after = judge.assess(WRITTEN + second).evidence
    if params is FLAGGER:
        assert abs(after - before) <= 1e-9 * before
    else:
        # The guardrail's limit is one-armed: good requests are evidence for the canary.
        assert after <= before * (1.0 + 1e-9)


probes = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12)


@given(probes, st.integers(0, 12))
def test_probes_stop_exactly_when_two_in_a_row_fail_or_one_is_fatal(found, handover):
    judge, failed, stops = Judge(FLAGGER, STEP), 0, False
    for second, (ok, fatal) in enumerate(found):
        if second == handover:
            judge = Judge(FLAGGER, replace(STEP, step_id="next"), judge.state())
        judge.feed_probe(Probe(at=float(second), ok=ok, fatal=fatal and not ok))
        failed = 0 if ok else failed + 1
        stops = stops or failed >= 2 or (fatal and not ok)
    assert judge.assess(WRITTEN).ends is stops


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(busy, arm), min_size=2, max_size=25),
    st.sets(st.integers(1, 24), max_size=3),
    st.booleans(),
)
def test_gates_in_a_row_collect_the_evidence_of_one(increments_of, handovers, sampled_twice):
    """Split a release anywhere into gates: the evidence and the intervals are those of one."""
    params = flagger(SUCCESS, interval_seconds=1e6)
    whole, gate, number = Judge(params, STEP), Judge(params, STEP), 1
    total = [[1000, 10], [9000, 90]]
    for second, pair in enumerate([((0, 0), (0, 0)), *increments_of]):
        for kept, new in zip(total, pair, strict=True):
            kept[0] += new[0]
            kept[1] += new[1]
        at = SOURCE + second
        answer = cumulative(
            at, series(point(at, *total[0]), key="c"), series(point(at, *total[1]), key="s")
        )
        whole.feed(ERRORS, answer)
        if second in handovers:
            number += 1
            saved = json.loads(json.dumps(gate.state()))
            gate = Judge(params, replace(STEP, step_id=f"step_{number:02d}"), saved)
            if sampled_twice:
                gate.feed(ERRORS, answer)
        gate.feed(ERRORS, answer)
    one, many = whole.assess(WRITTEN + 1), gate.assess(WRITTEN + 1)
    assert many.evidence == one.evidence
    assert many.intervals_used == one.intervals_used
    assert many.metrics[0].canary_requests <= one.metrics[0].canary_requests
