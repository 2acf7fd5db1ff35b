"""`semantics`: a native file may ask for the counted checks of another tool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_rollout.analysis.parameters import (
    ASK_SECONDS,
    ArgoLimits,
    Margin,
    OnError,
    OnInconclusive,
    Policies,
    Promote,
    Semantics,
    Threshold,
    Unit,
)
from airflow_rollout.errors import SpecError
from airflow_rollout.plan import make_plan
from airflow_rollout.spec.bindings import Bindings
from airflow_rollout.spec.model import RolloutSpec

Read = Callable[..., RolloutSpec]
Make = Callable[..., str]


def _changed(**fields: Any) -> dict[str, Any]:
    return {f"spec.analysis.{name}": value for name, value in fields.items()}


def test_flaggers_rule_is_held_against_flaggers_units(read: Read, rollout: Make) -> None:
    judge = read(rollout(_changed(semantics="flagger"))).judge
    assert judge.semantics is Semantics.FLAGGER
    rate, latency = judge.metrics
    assert rate.threshold == Threshold(minimum=99.0)
    assert latency.threshold == Threshold(maximum=400.0)
    # The sequential tests ask what they asked before.
    assert (rate.guardrail, latency.guardrail, latency.boundary_seconds) == (0.01, 0.01, 0.4)
    assert judge.promotion.when is Promote.ON_TIME


def test_argos_rule_tolerates_no_failure_and_four_errors_unless_told(
    read: Read, rollout: Make
) -> None:
    judge = read(rollout(_changed(semantics="argo"))).judge
    assert judge.semantics is Semantics.ARGO
    assert {metric.argo for metric in judge.metrics} == {ArgoLimits()}
    changes = _changed(
        semantics="argo", failure_limit=2, consecutive_error_limit=0, promote="on_evidence"
    )
    judge = read(rollout(changes)).judge
    assert {m.argo for m in judge.metrics} == {
        ArgoLimits(failure_limit=2, consecutive_error_limit=0)
    }
    assert judge.metrics[0].threshold == Threshold(maximum=0.01)
    assert judge.promotion.when is Promote.ON_EVIDENCE


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"semantics": "kayenta"}, "spec.analysis.semantics"),
        ({"semantics": "argo", "failure_limit": -1}, "spec.analysis.failure_limit"),
        ({"consecutive_error_limit": 3}, "spec.analysis.consecutive_error_limit"),
        (
            {"on_error": "hold", "consecutive_error_limit": 3},
            "spec.analysis.consecutive_error_limit",
        ),
        (
            {"on_error": "rollback", "consecutive_error_limit": -1},
            "spec.analysis.consecutive_error_limit",
        ),
        ({"on_error": "promote"}, "spec.analysis.on_error"),
        ({"on_inconclusive": "guess"}, "spec.analysis.on_inconclusive"),
        ({"on_inconclusive": "ask", "semantics": "argo"}, "spec.analysis.on_inconclusive"),
        ({"on_error": "ask", "semantics": "flagger"}, "spec.analysis.on_error"),
        ({"on_inconclusive": "hold", "comparison": False}, "spec.analysis.on_inconclusive"),
        ({"promote": "soon"}, "spec.analysis.promote"),
        ({"min_duration": 60}, "spec.analysis.min_duration"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(
    read: Read, rollout: Make, fields: dict[str, Any], path: str
) -> None:
    with pytest.raises(SpecError) as refused:
        read(rollout(_changed(**fields)))
    assert refused.value.path == path


def test_what_becomes_of_an_undecided_or_unread_step_is_for_the_file_to_say(
    read: Read, rollout: Make
) -> None:
    assert read(rollout()).judge.policies == Policies()
    changes = _changed(on_inconclusive="rollback", on_error="ask", consecutive_error_limit=0)
    assert read(rollout(changes)).judge.policies == Policies(
        on_inconclusive=OnInconclusive.ROLLBACK, on_error=OnError.ASK, consecutive_error_limit=0
    )
    free = _changed(on_inconclusive="promote", comparison=False)
    assert read(rollout(free)).judge.policies.on_inconclusive is OnInconclusive.PROMOTE


def test_a_gate_that_asks_a_person_outlives_its_deadline(read: Read, rollout: Make) -> None:
    plain, asking = (
        make_plan(read(rollout(changes))) for changes in ({}, _changed(on_inconclusive="ask"))
    )
    for one, other in zip(plain.steps, asking.steps, strict=True):
        assert other.deadline_seconds == one.deadline_seconds
        assert other.backstop_seconds == one.backstop_seconds + ASK_SECONDS
    assert asking.longest_exposure_seconds == plain.longest_exposure_seconds + ASK_SECONDS


def test_when_a_step_ends_is_said_by_the_file_or_the_call(
    read: Read, rollout: Make, canary: Make, bound: Bindings
) -> None:
    late, early = (
        replace(bound, promote=Promote.ON_TIME),
        replace(bound, promote=Promote.ON_EVIDENCE),
    )
    assert read(rollout()).judge.promotion.when is Promote.ON_EVIDENCE
    assert read(rollout(), bindings=late).judge.promotion.when is Promote.ON_TIME
    said = rollout(_changed(promote="on_evidence"))
    assert read(said, bindings=late).judge.promotion.when is Promote.ON_EVIDENCE
    assert read(canary()).judge.promotion.when is Promote.ON_TIME
    judge = read(canary(), bindings=early).judge
    assert judge.promotion.when is Promote.ON_EVIDENCE
    # No promotion ahead of time without a sample, though Flagger knows none.
    assert (judge.min_requests, read(canary()).judge.min_requests) == (100, 0)


def test_slow_sources_need_three_intervals_that_agree(
    read: Read, rollout: Make, canary: Make, bound: Bindings
) -> None:
    slow = {"spec.analysis.source.every": "30s"}
    assert read(rollout()).judge.comparison.min_intervals == 2
    assert read(rollout(slow)).judge.comparison.min_intervals == 3
    said = slow | _changed(comparison={"min_intervals": 1})
    assert read(rollout(said)).judge.comparison.min_intervals == 1
    bindings = replace(bound, every_seconds=30.0)
    assert read(canary(), bindings=bindings).judge.comparison.min_intervals == 3


def test_a_native_files_holds_stay_when_a_release_is_hurried(read: Read, rollout: Make) -> None:
    spec = read(rollout(_changed(semantics="flagger", interval="30s")))
    hurried = spec.overridden(interval_seconds=10.0, dispersion=None)
    assert hurried.judge.interval_seconds == 10.0
    assert hurried.steps == spec.steps


def test_margins_are_said_in_ratios_and_points(read: Read, rollout: Make) -> None:
    changes = _changed(
        comparison={"tolerance": 1.5, "absolute": "0.1%"},
        beta="1%",
        promote_margin={"errors": {"ratio": 2}, "latency": {"absolute": "1%"}},
    )
    judge = read(rollout(changes)).judge
    assert (judge.comparison.tolerance, judge.comparison.absolute) == (1.5, 0.001)
    assert judge.promotion.beta == 0.01
    assert judge.promotion.errors == Margin(multiplier=2.0, absolute=0.006)
    assert judge.promotion.latency == Margin(multiplier=1.5, absolute=0.01)


def test_an_unsaid_margin_of_promotion_lies_beyond_what_is_tolerated(
    read: Read, rollout: Make
) -> None:
    assert read(rollout()).judge.promotion.errors == Margin(multiplier=1.25, absolute=0.005)
    judge = read(rollout(_changed(comparison={"tolerance": 3}))).judge
    assert judge.promotion.errors == Margin(multiplier=3.0, absolute=0.005)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"beta": "60%"}, "beta"),
        ({"promote_margin": {"errors": {"ratio": 1.1}}}, "promote_margin.errors"),
        ({"promote_margin": {"errors": {"absolute": "0%"}}}, "promote_margin.errors"),
        ({"promote_margin": {"latency": {"ratio": 11}}}, "promote_margin.latency"),
        ({"promote_margin": {"saturation": {"ratio": 2}}}, "promote_margin.saturation"),
        ({"comparison": {"absolute": "100%"}}, "comparison.absolute"),
        ({"comparison": {"absolute": "1%", "unit": "pods"}}, "comparison.absolute"),
    ],
)
def test_a_margin_that_makes_no_sense_is_refused_with_its_place(
    read: Read, rollout: Make, fields: dict[str, Any], path: str
) -> None:
    with pytest.raises(SpecError) as refused:
        read(rollout(_changed(**fields)))
    assert refused.value.path == f"spec.analysis.{path}"


def test_pods_may_be_compared_instead_of_requests(read: Read, rollout: Make) -> None:
    assert read(rollout()).judge.comparison.unit is Unit.REQUESTS
    assert read(rollout(_changed(comparison={"unit": "pods"}))).judge.comparison.unit is Unit.PODS
    with pytest.raises(SpecError) as refused:
        read(rollout(_changed(comparison={"unit": "hosts"})))
    assert refused.value.path == "spec.analysis.comparison.unit"


def test_errors_weigh_as_much_as_all_others_unless_told(read: Read, rollout: Make) -> None:
    metrics = [
        {"name": "http_500_rate", "max": "1%"},
        {"name": "p99_latency", "max": "400ms"},
        {"name": "p50_latency", "max": "50ms"},
        {"name": "pods", "query": "up", "max": 5},
    ]
    judge = read(rollout(_changed(metrics=metrics))).judge
    assert [metric.weight for metric in judge.metrics] == [0.5, 0.25, 0.25, 0.0]
    metrics[0]["weight"] = 1
    judge = read(rollout(_changed(metrics=metrics))).judge
    assert [metric.weight for metric in judge.metrics] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
