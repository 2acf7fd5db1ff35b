"""`semantics`: a native file may ask for the counted checks of another tool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_rollout.analysis.parameters import ArgoLimits, Promote, Semantics, Threshold
from airflow_rollout.errors import SpecError
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


def test_a_native_files_holds_stay_when_a_release_is_hurried(read: Read, rollout: Make) -> None:
    spec = read(rollout(_changed(semantics="flagger", interval="30s")))
    hurried = spec.overridden(interval_seconds=10.0, dispersion=None)
    assert hurried.judge.interval_seconds == 10.0
    assert hurried.steps == spec.steps
