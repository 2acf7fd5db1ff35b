"""The judge as a whole: evidence, hand-over, probes, modes, parameters, words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from judging import (
    BOUNDARIES,
    DURATION,
    HTTP_500,
    P99,
    SOURCE,
    SUCCESS,
    WRITTEN,
    World,
    counts,
    cumulative,
    flagger,
    increments,
    native,
    point,
    series,
    step,
)

from airflow_rollout.analysis.judge import Judge, StateMismatch
from airflow_rollout.analysis.parameters import Comparison, Metric, Mode, Question, Threshold
from airflow_rollout.analysis.readings import CounterSeries, Increments, NoData, Probe, ReadFailure
from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.errors import RolloutError


def bad_intervals(judge: Judge, first: int, number: int, bad: int = 10) -> Judgement:
    """All requests of the canary fail; the stable arm is healthy."""
    for second in range(first, first + number):
        judge.feed(SUCCESS.name, increments(second, counts(10, bad), counts(90, 0)))
    return judge.assess(WRITTEN + first + number - 1)


# --- evidence ---


def test_two_intervals_that_agree_stop_the_release():
    judge = Judge(flagger(), step())
    assert not bad_intervals(judge, 1, 1).ends
    judgement = bad_intervals(judge, 2, 1)
    assert (judgement.verdict, judgement.ends) == (Verdict.FAIL, True)
    assert judgement.evidence >= judgement.limit == 100.0
    assert judgement.reason == (
        "FAIL request-success-rate after 2.0 s: canary 100 % (20/20), stable 0 % (0/180), "
        "evidence 100:1 (limit 100:1), dispersion 1, 2 intervals used, 0 skipped"
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


# --- hand-over from gate to gate ---


def reading(second: float, canary: tuple[int, int], stable: tuple[int, int]):
    at = SOURCE + second
    return cumulative(at, series(point(at, *canary), key="c"), series(point(at, *stable), key="s"))


def through_json(judge: Judge) -> dict:
    return json.loads(json.dumps(judge.state(), allow_nan=False))


def test_the_sample_before_the_write_is_where_the_first_interval_begins():
    params = flagger()
    promote = Judge(params, step())
    promote.feed(SUCCESS.name, reading(0, (3, 3), (1000, 0)))
    gate = Judge(params, step(), through_json(promote))
    gate.feed(SUCCESS.name, reading(1, (13, 5), (1090, 0)))
    finding = gate.assess(WRITTEN + 1).metrics[0]
    assert (finding.canary_requests, finding.canary_bad, finding.stable_requests) == (10, 2, 90)


def test_across_a_hand_over_every_interval_is_evidence_once_and_rates_start_at_the_write():
    params = flagger(replace(SUCCESS, threshold=Threshold(minimum=0.0)))
    whole = Judge(params, step())
    first = Judge(params, step())
    answers = [reading(s, (10 * s, s), (90 * s, 0)) for s in range(6)]
    for answer in answers[:3]:
        first.feed(SUCCESS.name, answer)
    # The promote task of the next step: its sample closes the last interval of the old weight.
    second_step = step("step_02", written_at=WRITTEN + 3.2, weight=20)
    promote = Judge(params, second_step, through_json(first))
    promote.feed(SUCCESS.name, answers[3])
    gate = Judge(params, second_step, through_json(promote))
    gate.feed(SUCCESS.name, answers[3])
    for answer in answers[4:]:
        gate.feed(SUCCESS.name, answer)
    for answer in answers:
        whole.feed(SUCCESS.name, answer)
    judgement, same = gate.assess(WRITTEN + 5), whole.assess(WRITTEN + 5)
    assert judgement.evidence == pytest.approx(same.evidence)
    assert judgement.evidence > 1.0
    assert (judgement.intervals_used, same.intervals_used) == (5, 5)
    assert judgement.metrics[0].canary_requests == 20
    assert same.metrics[0].canary_requests == 50


def test_without_a_sample_before_the_write_the_straddling_interval_is_no_part_of_the_rates():
    params = flagger()
    first = Judge(params, step())
    for second in range(3):
        first.feed(SUCCESS.name, reading(second, (10 * second, 0), (90 * second, 0)))
    gate = Judge(params, step("step_02", written_at=WRITTEN + 4), through_json(first))
    gate.feed(SUCCESS.name, reading(6, (60, 0), (540, 0)))
    assert gate.assess(WRITTEN + 6).metrics[0].canary_requests == 0
    gate.feed(SUCCESS.name, reading(7, (75, 0), (600, 0)))
    judgement = gate.assess(WRITTEN + 7)
    assert judgement.metrics[0].canary_requests == 15
    assert judgement.intervals_used == 4


def test_evidence_reached_while_the_weight_was_written_still_shows_its_numbers():
    params = flagger()
    first = Judge(params, step())
    first.feed(SUCCESS.name, reading(0, (0, 0), (0, 0)))
    first.feed(SUCCESS.name, reading(1, (10, 10), (90, 0)))
    gate = Judge(params, step("step_02"), through_json(first))
    gate.feed(SUCCESS.name, reading(2, (20, 20), (180, 0)))
    judgement = gate.assess(WRITTEN + 2)
    assert judgement.verdict is Verdict.FAIL
    assert "canary 100 % (20/20), stable 0 % (0/180) in the last 60 s" in judgement.reason


def test_a_restarted_gate_goes_on_where_it_was():
    params = native(replace(HTTP_500, guardrail=None))
    judge = Judge(params, step())
    judge.feed(HTTP_500.name, increments(60, counts(400, 100), counts(900, 200), length=60))
    judge.assess(WRITTEN + 60)
    judge.feed(HTTP_500.name, increments(61, counts(200, 50), counts(900, 200)))
    assert judge.assess(WRITTEN + 61).failed_checks == 1
    again = Judge(params, step(), through_json(judge))
    judgement = again.assess(WRITTEN + 62)
    assert judgement.failed_checks == 1
    assert judgement.metrics[0].canary_requests == 600
    again.feed(HTTP_500.name, increments(70, counts(10, 5), counts(90, 0)))
    assert again.assess(WRITTEN + 69.9).failed_checks == 1
    assert again.assess(WRITTEN + 70).failed_checks == 2


def test_failed_checks_and_the_window_go_on_while_the_steps_checks_start_anew():
    params = flagger(replace(SUCCESS, compare=False))
    first = Judge(params, step())
    first.feed(SUCCESS.name, increments(50, counts(100, 90), counts(900, 0)))
    assert first.assess(WRITTEN + 60).failed_checks == 1
    second = Judge(params, step("step_02", written_at=WRITTEN + 61), through_json(first))
    held = second.assess(WRITTEN + 62)
    assert (held.failed_checks, held.checks_done) == (1, 0)
    second.feed(SUCCESS.name, increments(100, counts(100, 0), counts(900, 0)))
    judgement = second.assess(WRITTEN + 121)
    assert judgement.failed_checks == 2
    assert "55.00 % < 99.5 % (canary 110 of 200)" in judgement.reason


def test_a_step_is_not_passed_on_what_was_asked_before_it():
    params = flagger(replace(SUCCESS, compare=False))
    first = Judge(params, step())
    first.feed(SUCCESS.name, increments(60, counts(100, 0), counts(900, 0)))
    assert first.assess(WRITTEN + 60).verdict is Verdict.PASS
    second = Judge(params, step("step_02"), through_json(first))
    judgement = second.assess(WRITTEN + 60)
    assert (judgement.verdict, judgement.failed_checks) == (Verdict.INCONCLUSIVE, 1)


def test_an_answer_after_the_last_check_does_not_serve_the_next_step():
    params = flagger(replace(SUCCESS, compare=False))
    first = Judge(params, step())
    first.feed(SUCCESS.name, increments(61, counts(100, 0), counts(900, 0)))
    second = Judge(params, step("step_02", written_at=WRITTEN + 62), through_json(first))
    judgement = second.assess(WRITTEN + 122)
    assert judgement.failed_checks == 1
    assert "no answer since the last check" in judgement.reason


def test_a_step_in_which_counting_begins_counts_its_first_interval():
    params = flagger()
    first = Judge(params, step())
    first.feed(SUCCESS.name, NoData(at=SOURCE, reason="not scraped yet"))
    gate = Judge(params, step("step_02"), through_json(first))
    gate.feed(SUCCESS.name, reading(0, (0, 0), (0, 0)))
    gate.feed(SUCCESS.name, reading(1, (10, 0), (90, 0)))
    assert gate.assess(WRITTEN + 1).metrics[0].canary_requests == 10


@pytest.mark.parametrize("schema", [0, 2, None, "1"])
def test_a_foreign_schema_is_refused_readably(schema):
    state = Judge(flagger(), step()).state() | {"schema": schema}
    with pytest.raises(StateMismatch, match="schema") as caught:
        Judge(flagger(), step(), state)
    assert isinstance(caught.value, RolloutError)
    assert "another version" in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state.pop("release"),
        lambda state: state["step"].update(colour="red"),
        lambda state: state["metrics"][SUCCESS.name].pop("ledger"),
        lambda state: state["metrics"][SUCCESS.name].update(comparison=[[1.0, 2.0]]),
        lambda state: state.update(metrics=None),
    ],
)
def test_a_damaged_state_is_refused_readably(damage):
    judge = Judge(flagger(), step())
    bad_intervals(judge, 1, 1)
    state = through_json(judge)
    damage(state)
    with pytest.raises(StateMismatch, match="damaged"):
        Judge(flagger(), step(), state)


def test_a_state_of_ten_minutes_with_twenty_pods_stays_below_16_kb():
    params = flagger(SUCCESS, DURATION)
    judge = Judge(params, step())
    keys = [f"pod-{k}-" + "x" * 100 for k in range(10)]
    for second in range(600):
        at = SOURCE + second

        def arm(at=at, second=second, *, latency: bool) -> tuple[CounterSeries, ...]:
            bad = [7000 + second * (12 - k) for k in range(12)] if latency else [second]
            return tuple(series(point(at, 90_000 + 150 * second, *bad), key=k) for k in keys)

        for metric, edges in ((SUCCESS, ()), (DURATION, BOUNDARIES)):
            is_latency = bool(edges)
            both = arm(latency=is_latency), arm(latency=is_latency)
            judge.feed(metric.name, cumulative(at, *both, edges))
    judgement = judge.assess(WRITTEN + 599)
    assert judgement.metrics[1].canary_requests == 599 * 1500
    assert len(json.dumps(judge.state())) < 16_000


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
