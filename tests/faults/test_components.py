"""What the death of a component makes of the releases that run."""

from __future__ import annotations

from typing import Any

import pytest
from outcomes import is_back, is_promoted

pytestmark = pytest.mark.e2e

Played = dict[str, Any]

# The gate's backstop of dags/native.yaml: its deadline, 60 s behind it, and what Airflow needs
# to notice.
_BACKSTOP_SECONDS = 25.0 + 60.0 + 20.0

_DEATHS = [
    pytest.param(name, marks=pytest.mark.scene(name))
    for name in (
        "triggerer-killed",
        "scheduler-killed",
        "api-server-killed",
        "router-killed",
        "clock-jumps",
    )
]


@pytest.mark.parametrize("name", _DEATHS)
def test_good_release_goes_on_behind_the_death_of_a_component(name: str, played: Played) -> None:
    is_promoted(played["good"], played["version"])
    assert [gate.weight for gate in played["good"].record.gates] == [20, 100], name


@pytest.mark.parametrize("name", _DEATHS)
def test_bad_release_is_stopped_in_spite_of_it(name: str, played: Played) -> None:
    is_back(played["bad"], stable=played["stable"])
    assert played["bad"].record.gates[-1].stop.written_at is not None, name
    assert played["reached"] == 0


@pytest.mark.scene("triggerer-killed")
def test_no_request_is_counted_twice_by_a_gate_that_starts_again(played: Played) -> None:
    judged = played["good"].record.gates[0].judgement.metrics
    counts = [metric.canary_requests for metric in judged]
    assert counts
    # Not twice, and the minute in which nobody judged is not lost either.
    assert all(0.75 * played["sent"] < count <= played["sent"] for count in counts), (
        f"judged {counts}, sent {played['sent']}"
    )


@pytest.mark.scene("router-killed")
def test_router_serves_after_its_restart_what_the_record_says(played: Played) -> None:
    assert played["served"] == played["recorded"] == 20


@pytest.mark.scene("clock-jumps")
def test_clock_that_jumps_forth_ends_no_hold(played: Played) -> None:
    assert played["after_jump"]["step_01.gate"] == "deferred"


@pytest.mark.scene("triggerer-stopped")
def test_another_triggerer_takes_over_from_one_that_sleeps(played: Played) -> None:
    is_promoted(played["good"], played["version"])
    is_back(played["bad"], stable=played["stable"])


@pytest.mark.scene("triggerer-stopped")
def test_late_writes_of_a_sleeper_change_nothing_in_a_later_release(played: Played) -> None:
    is_promoted(played["after"], played["after_version"])


@pytest.mark.scene("triggerer-never-back")
def test_backstop_puts_traffic_back_when_no_triggerer_comes_back(played: Played) -> None:
    is_back(played["ended"])
    assert "does a triggerer run?" in played["ended"].record.reason
    assert played["sealed_after"] <= _BACKSTOP_SECONDS
    assert played["reached"] == 0
