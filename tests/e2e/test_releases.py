"""Releases end to end on real components: who has the traffic, which colour, and why."""

from __future__ import annotations

from typing import Any

import pytest
from outcomes import is_back, is_promoted
from scene import Released

from airflow_rollout.demo.lab import Lab

pytestmark = pytest.mark.e2e

Played = dict[str, Any]


@pytest.mark.scene("promoted")
def test_first_version_of_a_service_becomes_stable(played: Played) -> None:
    is_promoted(played["first"], "v1")
    reasons = [gate.judgement.reason for gate in played["first"].record.gates]
    assert reasons
    assert all("first version" in reason for reason in reasons)


@pytest.mark.scene("promoted")
def test_good_version_is_promoted_and_ci_sees_zero(played: Played) -> None:
    second: Released = played["second"]
    is_promoted(second, "v2")
    assert [gate.weight for gate in second.record.gates] == [10, 20, 100]
    assert all(gate.judgement.verdict.name == "PASS" for gate in second.record.gates)
    assert played["exit"] == 0
    last = played["lines"][-1]
    assert (last["what"], last["outcome"], last["run_state"]) == ("end", "promoted", "success")


@pytest.mark.scene("promoted")
def test_record_of_a_promoted_release_tells_every_step(played: Played) -> None:
    told = " ".join(event.text for event in played["second"].record.timeline)
    for words in ("10 % of traffic", "20 % of traffic", "100 % of traffic", "is the stable"):
        assert words in told


@pytest.mark.scene("promoted")
def test_users_of_a_good_release_lose_no_request(lab: Lab, played: Played) -> None:
    answers = lab.answers("promoted")
    second: Released = played["second"]
    assert len(answers) > 100
    assert [it for it in answers if it.is_failed] == []
    assert {it.version for it in answers if it.sent > second.ended_at} == {"v2"}


@pytest.mark.scene("errors")
def test_version_that_answers_500_is_rolled_back(played: Played) -> None:
    bad: Released = played["bad"]
    is_back(bad)
    assert "request-success-rate" in bad.record.reason
    assert bad.tasks["step_01.gate"] == "failed"
    assert bad.tasks["rollback"] == "success"
    assert bad.tasks["ensure_safe"] == "success"
    assert played["reached"] == 0


@pytest.mark.scene("errors")
def test_gate_itself_puts_the_traffic_back(played: Played) -> None:
    gate = played["bad"].record.gates[-1]
    assert gate.judgement.verdict.name == "FAIL"
    assert gate.judgement.evidence >= gate.judgement.limit
    assert gate.stop is not None
    assert gate.stop.written_at is not None
    assert gate.stop.seen_at is not None
    assert gate.stop.error == ""


@pytest.mark.scene("errors")
def test_ci_sees_one_and_the_reason(played: Played) -> None:
    assert played["exit"] == 1
    assert "rolled back" in played["printed"]
    assert "request-success-rate" in played["printed"]


@pytest.mark.scene("errors")
def test_status_shows_the_reason_first(played: Played) -> None:
    lines = played["status"].splitlines()
    head = next(index for index, line in enumerate(lines) if "rolled back" in line)
    assert "request-success-rate" in lines[head + 1]
    assert max(len(line) for line in lines) <= 80


@pytest.mark.scene("errors")
def test_release_after_a_rolled_back_one_is_promoted(played: Played) -> None:
    is_promoted(played["after"], "v3")


@pytest.mark.scene("errors")
def test_two_rollouts_on_one_traefik_do_not_touch_each_other(
    lab: Lab, played: Played, stage: Any
) -> None:
    stage("promoted")
    assert {it.version for it in lab.answers("promoted")} == {"v1", "v2"}
    assert {it.version for it in lab.answers("errors") if it.status == 200} == {"v1", "v2", "v3"}
    assert played["bad"].record.dag_id == "errors"


@pytest.mark.scene("latency")
def test_slow_version_is_rolled_back(played: Played) -> None:
    is_back(played["ended"])
    assert "request-duration" in played["ended"].record.reason
    assert played["reached"] == 0


@pytest.mark.scene("crash")
def test_version_that_dies_is_rolled_back(played: Played) -> None:
    is_back(played["ended"])
    reason = played["ended"].record.reason
    assert "health probes" in reason or "request-success-rate" in reason


@pytest.mark.scene("observe")
def test_observing_rollout_records_and_never_stops(played: Played) -> None:
    ended: Released = played["ended"]
    is_promoted(ended, "v2")
    reasons = [gate.judgement.reason for gate in ended.record.gates]
    assert any("would have stopped" in reason for reason in reasons)


@pytest.mark.scene("native")
def test_native_rollout_asks_its_two_questions(played: Played) -> None:
    is_back(played["bad"])
    assert "http_500_rate" in played["bad"].record.reason
    is_promoted(played["good"], "v3")
    assert [gate.weight for gate in played["good"].record.gates] == [20, 50, 100]


@pytest.mark.scene("pipeline")
def test_task_group_lets_its_downstream_wait_for_the_release(played: Played) -> None:
    bad, good = played["bad"], played["good"]
    assert bad.run.state == "failed"
    assert bad.tasks["publish"] == "upstream_failed"
    assert bad.tasks["release.rollback"] == "success"
    assert bad.split.weight == 0
    assert good.run.state == "success"
    assert good.tasks["publish"] == "success"
    assert good.tasks["release.smoke_test"] == "success"
    assert good.tasks["release.load_test_10"] == "success"
    assert good.split.stable.version == "v3"


@pytest.mark.scene("hotfix")
def test_hotfix_is_promoted_unjudged_and_the_record_says_why(played: Played) -> None:
    ended: Released = played["ended"]
    is_promoted(ended, "v2")
    why = "closes the payment hole"
    assert [gate.judgement.reason for gate in ended.record.gates] == [
        f"PASS analysis is skipped: {why}"
    ] * 3
    assert ended.record.reason.endswith(f"unjudged: {why}")
