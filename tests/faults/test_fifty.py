"""Fifty gates that stop their releases in one moment: each does, and soon enough."""

from __future__ import annotations

from typing import Any

import pytest
from fifty import FIFTY, SERVICES, Fifty

from airflow_rollout.release import ReleaseState

pytestmark = [pytest.mark.e2e, pytest.mark.scene(FIFTY)]

# Promised for each of fifty that end together; a single one takes a quarter of that.
_SAFE_SECONDS = 2.0


@pytest.fixture
def fifty(played: dict[str, Any]) -> Fifty:
    found = played["fifty"]
    assert isinstance(found, Fifty)
    return found


def test_fifty_gates_stop_their_releases_themselves(fifty: Fifty) -> None:
    for service, ended in fifty.ended.items():
        assert ended.split.state is ReleaseState.SEALED, service
        assert ended.split.weight == 0, service
        assert ended.run.state == "failed", service
        assert "health probes" in ended.record.reason, service


def test_fifty_gates_judge_when_their_canaries_turn_bad(fifty: Fifty) -> None:
    early = {it for it in SERVICES if fifty.verdict_at(it) < fifty.turned_bad_at}
    assert not early


def test_no_canary_is_reached_later_than_two_seconds_after_its_verdict(fifty: Fifty) -> None:
    late = fifty.exposed_seconds()
    assert max(late.values()) <= _SAFE_SECONDS, late


def test_users_of_fifty_services_lose_nothing(fifty: Fifty) -> None:
    assert fifty.failed_requests == 0
