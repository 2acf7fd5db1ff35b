"""How a release has to have ended."""

from __future__ import annotations

from scene import Released

from airflow_rollout.release import Outcome, ReleaseState

__all__ = ["is_back", "is_promoted"]


def is_promoted(released: Released, version: str) -> None:
    """The version has all traffic, the run is green."""
    assert released.record.outcome is Outcome.PROMOTED, released.record.reason
    assert released.record.weight == 100
    assert released.run.state == "success"
    assert released.split.state is ReleaseState.RELEASED
    assert released.split.stable is not None
    assert released.split.stable.version == version
    assert released.split.canary is None
    assert released.tasks["released"] == "success"
    assert released.tasks["rollback"] == "skipped"


def is_back(
    released: Released, outcome: Outcome = Outcome.ROLLED_BACK, *, stable: str = "v1"
) -> None:
    """Traffic is on stable, the attempt is sealed, the run is red and says why."""
    assert released.record.outcome is outcome, released.record.reason
    assert released.record.weight == 0
    assert released.record.reason
    assert released.run.state == "failed"
    assert released.split.state is ReleaseState.SEALED
    assert released.split.weight == 0
    assert released.split.reason
    assert released.split.stable is not None
    assert released.split.stable.version == stable
    assert released.tasks["promotion"] != "success"
