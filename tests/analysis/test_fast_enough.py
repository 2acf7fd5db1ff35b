"""Both versions are compared where somebody would care: from a tenth of the latency limit on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from judging import BOUNDARIES, DURATION, P99, SOURCE, WRITTEN, counts, flagger, native, step

from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import JudgeParams, Metric, Promote, Promotion
from airflow_rollout.analysis.readings import Increments
from airflow_rollout.analysis.verdict import Judgement, Verdict

_SECONDS = 300
_COLD, _SLOWER, _HALF = 0.025, 0.05, 0.5


def slow_up_to(edge: float, second: int, *, canary: int = 8, stable: int = 27) -> Increments:
    """Return a second in which a canary is slower at the boundaries up to `edge`, and no further.

    In 8 % of its requests and in 3 % of stable's: what a real canary in a cold process was.
    """
    return Increments(
        start=SOURCE + second - 1, end=SOURCE + second, boundaries=BOUNDARIES,
        canary=counts(100, *(canary if at <= edge else 0 for at in BOUNDARIES)),
        stable=counts(900, *(stable if at <= edge else 0 for at in BOUNDARIES)),
    )  # fmt: skip


def judged(params: JudgeParams, edge: float, seconds: int = _SECONDS) -> Judgement:
    judge = Judge(params, step(hold_seconds=600.0, deadline_seconds=900.0))
    (metric,) = params.metrics
    for second in range(1, seconds + 1):
        judge.feed(metric.name, slow_up_to(edge, second))
        found = judge.assess(WRITTEN + second)
        if found.ends:
            return found
    return found


@pytest.mark.parametrize("params", [native(P99), flagger(DURATION)], ids=["native", "flagger"])
def test_a_cold_canary_that_is_fast_all_the_same_is_left_alone(params: JudgeParams) -> None:
    found = judged(params, _COLD)
    assert not found.ends
    assert found.evidence < 2.0


@pytest.mark.parametrize("params", [native(P99), flagger(DURATION)], ids=["native", "flagger"])
def test_the_same_from_a_tenth_of_the_limit_on_stops_the_release(params: JudgeParams) -> None:
    found = judged(params, _SLOWER)
    assert (found.verdict, found.ends) == (Verdict.FAIL, True)
    assert "slower than 50 ms: canary 8.00 %" in found.reason


def test_without_a_limit_every_boundary_is_compared() -> None:
    anything = replace(P99, threshold=None, guardrail=None, boundary_seconds=None)
    assert judged(native(anything), 0.005).verdict is Verdict.FAIL


def test_a_limit_far_above_the_last_boundary_leaves_that_one() -> None:
    far = replace(DURATION, threshold=replace(DURATION.threshold, maximum=1_000_000.0))
    assert not judged(flagger(far), 5.0).ends
    assert judged(flagger(far), 10.0).verdict is Verdict.FAIL


def test_what_need_not_be_compared_keeps_no_step_from_ending_early() -> None:
    early = Promotion(when=Promote.ON_EVIDENCE)
    compared: Metric = replace(P99, guardrail=None)
    found = judged(native(compared, promotion=early), _COLD, seconds=590)
    assert (found.verdict, found.ends) == (Verdict.PASS, True)


def test_a_release_that_was_begun_when_all_were_compared_goes_on() -> None:
    params = native(replace(P99, guardrail=None), promotion=Promotion(when=Promote.ON_EVIDENCE))
    judge = Judge(params, step())
    for second in range(1, 4):
        judge.feed(P99.name, slow_up_to(_HALF, second, canary=5))
    state = judge.state()
    older: dict[str, Any] = state["metrics"][P99.name]
    for kind in ("comparison", "promotion"):
        older[kind] = [*older[kind][:1] * BOUNDARIES.index(_SLOWER), *older[kind]]
        assert len(older[kind]) == len(BOUNDARIES)
    other = Judge(params, step(), state)
    for each in (judge, other):
        each.feed(P99.name, slow_up_to(_HALF, 4, canary=5))
    assert other.assess(WRITTEN + 4) == judge.assess(WRITTEN + 4)
