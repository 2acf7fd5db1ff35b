"""Two releases of one service: who waits, who is refused, and that neither touches the other."""

from __future__ import annotations

from typing import Any

import pytest
from outcomes import is_promoted
from scene import Released

from airflow_rollout.release import ReleaseState

pytestmark = pytest.mark.e2e

Played = dict[str, Any]


@pytest.mark.scene("busy-queue")
def test_second_release_says_for_whom_it_waits(played: Played) -> None:
    said = played["said"]
    assert "waits for its turn: release busy-queue/release-v2 is still open" in said
    assert "a gate watched it" in said


@pytest.mark.scene("busy-queue")
def test_second_release_starts_when_the_first_has_ended(played: Played) -> None:
    first, second = played["first"], played["second"]
    assert first.run.state == "success"
    assert first.record.version == "v2"
    assert first.record.outcome == "promoted"
    is_promoted(second, "v3")
    assert second.record.stable == "v2"
    opened, waited = [it for it in second.record.timeline if it.task == "prepare"]
    assert "opened for v3" in opened.text
    assert opened.at > first.record.ended_at
    assert "s for its turn: release busy-queue/release-v2 is still open" in waited.text


@pytest.mark.scene("busy-refuse")
def test_refused_release_is_red_and_names_who_has_the_service(played: Played) -> None:
    second: Released = played["second"]
    assert second.run.state == "failed"
    assert "release busy-refuse/release-v2 is still open" in second.record.reason
    assert second.tasks["release.prepare"] == "failed"
    assert second.tasks["release.deploy"] == "upstream_failed"


@pytest.mark.scene("busy-refuse")
def test_refused_release_leaves_the_other_one_alone(played: Played) -> None:
    assert played["meanwhile"] == played["before"]
    is_promoted(played["first"], "v2")
    assert {gate.epoch for gate in played["first"].record.gates} == {played["before"].token.epoch}


@pytest.mark.scene("busy-elsewhere")
def test_release_of_another_airflow_is_waited_for_and_not_touched(played: Played) -> None:
    assert "release elsewhere/release-1 is still open" in played["said"]
    assert played["before"].token.owner == "elsewhere/release-1"
    assert (played["before"].weight, played["before"].state) == (10, ReleaseState.OPEN)
    assert played["meanwhile"] == played["before"]
    assert played["elsewhere"] == "taken back"
    is_promoted(played["ended"], "v3")


@pytest.mark.scene("busy-marked")
def test_release_that_was_aborted_while_it_waited_never_opens(played: Played) -> None:
    ended = played["ended"]
    assert (ended.split.state, ended.split.weight) == (ReleaseState.SEALED, 0)
    assert ended.split.stable.version == "v1"
    assert ended.run.state == "failed"
    assert played["answers"] == 0
    told = [it.text for it in ended.record.timeline if it.task == "prepare"]
    assert any("has begun before the release was opened" in text for text in told), told
