"""Each thing that people do in Airflow's pages: who has the traffic then, which colour, and why."""

from __future__ import annotations

from typing import Any

import pytest
from outcomes import is_back, is_promoted
from scene import Released

from airflow_rollout.release import Outcome, ReleaseState

pytestmark = pytest.mark.e2e

Played = dict[str, Any]


@pytest.mark.scene("gate-failed")
def test_gate_marked_failed_is_an_abort(played: Played) -> None:
    ended: Released = played["ended"]
    is_back(ended, Outcome.ABORTED)
    assert "step_01.gate was marked failed" in ended.record.reason
    assert ended.tasks["rollback"] == "success"
    assert played["reached"] == 0


@pytest.mark.scene("gate-success")
def test_gate_marked_success_promotes_early_and_keeps_the_evidence(played: Played) -> None:
    is_promoted(played["ended"], "v2")
    ledgers = [track["ledger"] for track in played["handed"]["state"]["metrics"].values()]
    used = [track["used"] for track in played["handed"]["state"]["metrics"].values()]
    assert ledgers
    assert all(count > 0 for count in used)


@pytest.mark.scene("run-failed")
def test_run_marked_failed_is_made_safe_by_the_teardown(played: Played) -> None:
    ended: Released = played["ended"]
    is_back(ended, Outcome.ABORTED)
    assert "ended before it was released" in ended.record.reason
    assert ended.tasks["ensure_safe"] == "failed"
    assert played["reached"] == 0


@pytest.mark.scene("run-success")
def test_run_marked_success_is_made_safe_and_red(played: Played) -> None:
    ended: Released = played["ended"]
    is_back(ended, Outcome.ABORTED)
    assert played["reached"] == 0


@pytest.mark.scene("cleared")
def test_cleared_run_starts_anew_with_a_new_epoch(played: Played) -> None:
    is_back(played["bad"])
    is_promoted(played["again"], "v2")
    assert played["again"].split.token.epoch != played["bad"].split.token.epoch
    assert played["again"].split.token.owner == played["bad"].split.token.owner
    epochs = {gate.epoch for gate in played["again"].record.gates}
    assert epochs == {played["again"].split.token.epoch}


@pytest.mark.scene("task-cleared")
def test_clearing_one_promote_task_is_refused_by_the_fence(played: Played) -> None:
    is_back(played["again"])
    told = " ".join(event.text for event in played["again"].record.timeline)
    assert "clear the run to try again" in told


@pytest.mark.scene("task-cleared")
def test_clearing_one_gate_of_a_stopped_release_raises_nothing(played: Played) -> None:
    is_back(played["gate"])
    # Which it sees first, the seal or its own evidence, is for the machine to say.
    assert "this attempt was stopped" in played["said"] or played["said"].startswith("FAIL")
    assert played["gate"].split == played["bad"].split


@pytest.mark.scene("gate-cleared")
def test_gate_cleared_while_it_judges_goes_on_with_its_release(played: Played) -> None:
    is_promoted(played["ended"], "v2")
    assert played["ended"].split.token.epoch == played["before"].token.epoch


@pytest.mark.scene("run-cleared")
def test_run_cleared_while_it_runs_starts_anew_from_weight_0(played: Played) -> None:
    ended: Released = played["ended"]
    is_promoted(ended, "v2")
    assert played["before"].weight == 10
    assert played["again"].token == ended.split.token
    assert ended.split.token.epoch != played["before"].token.epoch
    assert {gate.epoch for gate in ended.record.gates} == {ended.split.token.epoch}
    told = [event.text for event in ended.record.timeline if event.task == "prepare"]
    assert "opened for v2: 0 % on v2" in told[-1]


@pytest.mark.scene("gate-skipped")
def test_gate_marked_skipped_is_made_safe_and_red(played: Played) -> None:
    _is_made_safe(played)


@pytest.mark.scene("tasks-success")
def test_tasks_marked_success_are_no_release(played: Played) -> None:
    _is_made_safe(played)
    assert played["ended"].tasks["released"] == "success"


@pytest.mark.scene("run-deleted")
def test_traffic_of_a_deleted_run_stays_and_is_put_back_by_the_command(played: Played) -> None:
    assert played["left_at"] == 10
    assert played["by_hand"]["exit"] == 0, played["by_hand"]["said"]
    assert (
        "found: 10 % on v2, stable v1, open by run-deleted/release-v2"
        in (played["by_hand"]["said"])
    )
    assert "put back: 0 % on v2, stable v1, sealed" in played["by_hand"]["said"]
    assert (played["split"].weight, played["split"].state) == (0, ReleaseState.SEALED)
    assert played["live"] == 0
    assert played["reached"] == 0


@pytest.mark.scene("run-unbegun")
def test_run_marked_before_airflow_has_begun_it_opens_nothing(played: Played) -> None:
    assert played["run"].state == "success"
    assert set(played["tasks"].values()) == {"skipped"}
    assert played["record"] is None
    assert played["after"] == played["before"]


def _is_made_safe(played: Played) -> None:
    ended: Released = played["ended"]
    assert ended.run.state == "failed"
    assert ended.record.outcome is Outcome.ABORTED
    assert "ended before it was released" in ended.record.reason
    assert (ended.split.weight, ended.split.state) == (0, ReleaseState.SEALED)
    assert ended.split.stable.version == "v1"
    assert ended.tasks["ensure_safe"] == "failed"
    assert played["reached"] == 0
