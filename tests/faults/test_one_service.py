"""What a fault of one service's router, metric source, versions or files makes of its release."""

from __future__ import annotations

from typing import Any

import pytest
from alone import SAFE_SECONDS
from outcomes import is_back, is_promoted

from airflow_rollout.release import ReleaseState

pytestmark = pytest.mark.e2e

Played = dict[str, Any]


@pytest.mark.scene("source-gap")
def test_release_goes_on_behind_a_gap_of_its_metric_source(played: Played) -> None:
    is_promoted(played["ended"], "v2")


@pytest.mark.scene("source-hangs")
def test_source_that_never_answers_again_ends_the_release(played: Played) -> None:
    is_back(played["ended"])
    assert played["reached"] == 0
    assert played["ended"].tasks["step_full.promote"] == "upstream_failed"


@pytest.mark.scene("source-slow")
def test_source_that_takes_half_a_minute_ends_the_release(played: Played) -> None:
    is_back(played["ended"])
    assert played["reached"] == 0


@pytest.mark.scene("source-garbage")
def test_source_that_talks_nonsense_ends_the_release_and_the_reason_says_so(
    played: Played,
) -> None:
    is_back(played["ended"])
    assert "checks failed" in played["ended"].record.reason
    assert played["reached"] == 0


@pytest.mark.scene("router-cut")
def test_traffic_is_safe_at_once_though_the_router_cannot_be_asked(played: Played) -> None:
    assert played["meanwhile"] == "running"
    assert played["reached"] == 0


@pytest.mark.scene("router-cut")
def test_rollback_confirms_when_the_router_answers_again(played: Played) -> None:
    is_back(played["ended"])
    assert played["ended"].tasks["rollback"] == "success"


@pytest.mark.scene("file-immutable")
def test_way_back_is_tried_until_the_file_can_be_written(played: Played) -> None:
    assert played["weight"] == 20
    assert played["meanwhile"] == "running"
    assert played["took"] <= SAFE_SECONDS
    assert played["reached"] == 0
    is_back(played["ended"])


@pytest.mark.scene("canary-gone")
def test_canary_that_dies_is_rolled_back_at_once(played: Played) -> None:
    is_back(played["ended"])
    assert played["ended"].record.gates[-1].step_id == "step_01"
    assert played["failed_after"] == 0


@pytest.mark.scene("both-gone")
def test_canary_and_stable_gone_end_at_weight_0(played: Played) -> None:
    is_back(played["ended"])


@pytest.mark.scene("stable-gone")
def test_release_is_held_while_its_stable_version_is_gone(played: Played) -> None:
    assert played["weight"] == 20
    assert played["steps"]["step_full.promote"] in ("", "none")
    assert "stable version v1 does not answer" in played["said"]
    is_promoted(played["ended"], "v2")


@pytest.mark.scene("promote-killed-before")
def test_promote_killed_before_its_write_is_repeated(played: Played) -> None:
    assert played["unchanged"]
    is_promoted(played["ended"], "v2")


@pytest.mark.scene("promote-killed-after")
def test_promote_killed_after_its_write_finds_its_work_done(played: Played) -> None:
    is_promoted(played["ended"], "v2")
    told = [it.text for it in played["ended"].record.timeline if it.task == "step_01.promote"]
    assert any("already" in text for text in told), told


@pytest.mark.scene("paused")
def test_gate_of_a_paused_dag_stops_a_bad_release(played: Played) -> None:
    assert played["states"].get("rollback", "") in ("", "none")
    is_back(played["ended"])
    assert played["reached"] == 0


@pytest.mark.scene("rolled-back-by-hand")
def test_glass_broken_by_hand_ends_the_release(played: Played) -> None:
    assert played["first"]["exit"] == 0, played["first"]["said"]
    assert "put back" in played["first"]["said"]
    is_back(played["ended"])
    assert "by hand" in played["ended"].record.reason
    assert played["reached"] == 0


@pytest.mark.scene("rolled-back-by-hand")
def test_glass_broken_twice_says_that_it_was_broken(played: Played) -> None:
    assert played["second"]["exit"] == 0
    assert "already safe" in played["second"]["said"]


@pytest.mark.scene("spec-changed")
def test_spec_changed_in_mid_release_aborts_with_that_reason(played: Played) -> None:
    is_back(played["ended"])
    assert "spec changed in mid-release" in played["ended"].record.reason
    assert played["reached"] == 0


@pytest.mark.scene("dag-broken")
def test_gate_without_its_dag_file_still_stops_a_bad_release(played: Played) -> None:
    assert played["split"].state is ReleaseState.SEALED
    assert played["split"].weight == 0
    assert played["reached"] == 0
    assert played["by_hand"]["exit"] == 0
    assert "already safe" in played["by_hand"]["said"]


@pytest.mark.scene("dag-deleted")
def test_release_without_its_dag_file_can_be_stopped_by_hand(played: Played) -> None:
    assert played["by_hand"]["exit"] == 0, played["by_hand"]["said"]
    assert "put back" in played["by_hand"]["said"]
    assert played["reached"] == 0


@pytest.mark.scene("dag-deleted")
def test_run_ends_red_when_its_dag_file_is_back(played: Played) -> None:
    is_back(played["ended"])
