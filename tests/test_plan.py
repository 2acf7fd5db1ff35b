"""From a spec to the steps of a release."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.analysis.parameters import (
    JudgeParams,
    Metric,
    Promote,
    Promotion,
    Question,
    Semantics,
)
from airflow_rollout.plan import FULL_STEP_ID, find_step, gate_deadline_seconds, make_plan
from airflow_rollout.spec.model import MetricSource, RolloutSpec, Step, TrafficRef, WorkloadRef


def _spec(steps: list[tuple[int, float]], *, verify: float = 60.0) -> RolloutSpec:
    return RolloutSpec(
        name="shop",
        namespace="market",
        dialect="native",
        workload=WorkloadRef(kind="endpoints", name="shop"),
        traffic=TrafficRef(router="traefik_file", service="shop", conn_id="edge"),
        source=MetricSource(provider="scrape", conn_id="metrics", every_seconds=1.0),
        steps=tuple(Step(weight=weight, hold_seconds=hold) for weight, hold in steps),
        verify_seconds=verify,
        judge=JudgeParams(
            semantics=Semantics.NATIVE,
            metrics=(Metric(name="errors", question=Question.ERRORS),),
            interval_seconds=10.0,
            failure_limit=3,
        ),
    )


def test_steps_are_numbered_and_the_full_step_ends_them() -> None:
    plan = make_plan(_spec([(10, 60.0), (50, 120.0)]))
    assert [(step.id, step.weight, step.is_full) for step in plan.steps] == [
        ("step_01", 10, False), ("step_02", 50, False), ("step_full", 100, True),
    ]  # fmt: skip


def test_each_step_demands_the_weight_the_last_one_left() -> None:
    plan = make_plan(_spec([(10, 60.0), (50, 120.0)]))
    assert [step.previous_weight for step in plan.steps] == [0, 10, 50]


def test_a_release_without_steps_goes_straight_to_all_traffic() -> None:
    (full,) = make_plan(_spec([])).steps
    assert (full.id, full.weight, full.previous_weight) == (FULL_STEP_ID, 100, 0)
    assert (full.rises_after_seconds, full.hold_seconds) == (0.0, 60.0)


def test_ids_sort_as_the_steps_do() -> None:
    ids = [step.id for step in make_plan(_spec([(n, 1.0) for n in range(1, 99)])).steps]
    assert ids == sorted(ids)
    assert len(set(ids)) == 99


def test_a_gate_waits_for_every_allowed_failure_and_two_intervals_more() -> None:
    assert gate_deadline_seconds(60.0, 3, 10.0) == 110.0
    plan = make_plan(_spec([(10, 60.0)]))
    assert [step.deadline_seconds for step in plan.steps] == [110.0, 110.0]
    assert [step.backstop_seconds for step in plan.steps] == [170.0, 170.0]


def test_a_step_that_may_end_early_is_planned_at_its_least_duration() -> None:
    spec = _spec([(10, 30.0), (50, 300.0)], verify=120.0)
    judge = replace(spec.judge, promotion=Promotion(when=Promote.ON_EVIDENCE))
    plan = make_plan(replace(spec, judge=judge))
    # At all traffic there is nothing to be compared with: verify lasts its time.
    assert [step.rises_after_seconds for step in plan.steps] == [0.0, 30.0, 90.0]
    assert plan.shortest_seconds == 210.0
    assert [step.hold_seconds for step in plan.steps] == [30.0, 300.0, 120.0]


def test_the_times_of_a_plan_are_those_of_its_worst_step() -> None:
    plan = make_plan(_spec([(10, 60.0), (50, 300.0)], verify=120.0))
    assert [step.rises_after_seconds for step in plan.steps] == [0.0, 60.0, 360.0]
    assert plan.shortest_seconds == 480.0
    assert plan.longest_exposure_seconds == 350.0
    assert plan.backstop_exposure_seconds == 410.0
    # Checks at 300, 310 and 320 seconds: the third failed one rolls back.
    assert plan.counted_checks_seconds == 320.0


def test_a_hurried_release_is_planned_with_its_own_interval() -> None:
    spec = _spec([(10, 10.0)], verify=10.0)
    judge = replace(spec.judge, semantics=Semantics.FLAGGER)
    flagger = replace(spec, dialect="flagger", judge=judge)
    plan = make_plan(flagger.overridden(interval_seconds=5.0, dispersion=None))
    assert [step.hold_seconds for step in plan.steps] == [5.0, 5.0]
    assert plan.counted_checks_seconds == 15.0


def test_a_step_is_found_by_its_id() -> None:
    spec = _spec([(10, 60.0)])
    assert find_step(spec, "step_01").weight == 10
    assert find_step(spec, "step_full").weight == 100
    with pytest.raises(KeyError, match="step_01, step_full"):
        find_step(spec, "step_02")


@given(
    weights=st.lists(st.integers(1, 99), unique=True, max_size=30).map(sorted),
    hold=st.floats(1.0, 3600.0),
)
def test_every_plan_rises_from_nothing_to_everything(weights: list[int], hold: float) -> None:
    plan = make_plan(_spec([(weight, hold) for weight in weights]))
    assert [step.weight for step in plan.steps] == [*weights, 100]
    assert plan.steps[0].previous_weight == 0
    for step, following in zip(plan.steps, plan.steps[1:], strict=False):
        assert following.previous_weight == step.weight < following.weight
        assert following.rises_after_seconds >= step.rises_after_seconds
    assert all(s.hold_seconds < s.deadline_seconds < s.backstop_seconds for s in plan.steps)
    assert plan.counted_checks_seconds < plan.longest_exposure_seconds
