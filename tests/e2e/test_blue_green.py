"""A release in one switch on real components: never a request before it, all of them back after."""

from __future__ import annotations

from typing import Any

import pytest
from outcomes import is_back, is_promoted

Played = dict[str, Any]

pytestmark = [pytest.mark.e2e, pytest.mark.scene("blue-green")]


def test_version_that_its_test_refuses_gets_no_traffic_ever(played: Played) -> None:
    refused = played["refused"]
    is_back(refused)
    assert refused.tasks["smoke_test"] == "failed"
    assert played["routed"] == 0


def test_version_that_is_bad_after_the_switch_is_switched_back(played: Played) -> None:
    bad = played["bad"]
    is_back(bad)
    assert [gate.weight for gate in bad.record.gates] == [100]
    assert bad.record.gates[0].stop is not None
    assert "http_500_rate" in bad.record.reason
    assert played["reached"] == 0


def test_good_version_is_switched_to_and_stays(played: Played) -> None:
    good = played["good"]
    is_promoted(good, "v4")
    assert [gate.weight for gate in good.record.gates] == [100]
