"""Releases through four metric systems: bad ones go back, good ones on, and nobody by silence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from asked import SYSTEMS
from metric_systems import PREFIX
from outcomes import is_back, is_promoted
from scene import Released
from source_faults import SOURCE_FAULTS

from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.release import Outcome

pytestmark = pytest.mark.e2e

Played = dict[str, Any]


def _by(systems: Iterable[str]) -> pytest.MarkDecorator:
    marked = [pytest.param(one, marks=pytest.mark.scene(f"{PREFIX}{one}")) for one in systems]
    return pytest.mark.parametrize("system", marked)


by_system = _by(SYSTEMS)
by_failing_system = _by(SOURCE_FAULTS)


@pytest.fixture(autouse=True)
def real_prometheus(system: str, need_binary: Callable[[str], object]) -> None:
    if system == "prometheus":
        need_binary("prometheus")


@by_system
def test_version_with_errors_is_rolled_back_by_its_error_rate(system: str, played: Played) -> None:
    _is_rolled_back(played["errors"], "http_5xx_rate")


@by_system
def test_slow_version_is_rolled_back_by_its_latency(system: str, played: Played) -> None:
    _is_rolled_back(played["slow"], "p99_latency")


@by_system
def test_good_version_is_promoted_by_both_questions(system: str, played: Played) -> None:
    good: Released = played["good"]
    is_promoted(good, "v4")
    assert [gate.weight for gate in good.record.gates] == [50, 100]
    for gate in good.record.gates:
        found = {metric.name: metric.verdict for metric in gate.judgement.metrics}
        assert found == {"http_5xx_rate": Verdict.PASS, "p99_latency": Verdict.PASS}


@by_failing_system
def test_good_version_is_rolled_back_when_its_source_fails_in_mid_gate(
    system: str, played: Played
) -> None:
    failed: Released = played["failed"]
    is_back(failed, stable="v4")
    assert failed.record.outcome is Outcome.ROLLED_BACK
    end = failed.record.gates[-1]
    assert (end.step_id, end.weight) == ("step_01", 50)
    assert end.judgement.verdict in (Verdict.NO_DATA, Verdict.ERROR)
    assert "no check passed within 43 s" in end.judgement.reason
    last = list(SOURCE_FAULTS[system].values())[-1]
    assert re.search(last.words, failed.record.reason)
    assert end.judgement.evidence < end.judgement.limit


@by_failing_system
def test_gate_holds_and_says_how_its_source_fails(system: str, played: Played) -> None:
    assert list(played["said"]) == list(SOURCE_FAULTS[system])
    for said in played["said"].values():
        assert said.verdict in (Verdict.NO_DATA, Verdict.ERROR), said.reason
        assert not said.ends, said.reason


def _is_rolled_back(released: Released, metric: str) -> None:
    is_back(released)
    assert released.record.outcome is Outcome.ROLLED_BACK
    assert metric in released.record.reason
    assert released.record.gates[-1].judgement.verdict is Verdict.FAIL
    assert released.tasks["step_01.gate"] == "failed"
    assert released.tasks["rollback"] == "success"
