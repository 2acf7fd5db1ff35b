"""From gate to gate and from process to process: nothing twice, nothing lost."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from judging import (
    BOUNDARIES,
    DURATION,
    HTTP_500,
    SOURCE,
    SUCCESS,
    WRITTEN,
    bad_intervals,
    counts,
    cumulative,
    flagger,
    increments,
    native,
    point,
    series,
    step,
    through_json,
)

from airflow_rollout.analysis.judge import Judge, StateMismatch
from airflow_rollout.analysis.parameters import Promote, Promotion, Threshold
from airflow_rollout.analysis.readings import CounterSeries, NoData
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.errors import RolloutError


def reading(second: float, canary: tuple[int, int], stable: tuple[int, int]):
    at = SOURCE + second
    return cumulative(at, series(point(at, *canary), key="c"), series(point(at, *stable), key="s"))


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


@pytest.mark.parametrize("schema", [0, 3, 5, None, "4"])
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
    params = flagger(SUCCESS, DURATION, promotion=Promotion(when=Promote.ON_EVIDENCE))
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
    size = len(json.dumps(judge.state()))
    assert size < 16_000
