"""Releases of an Airflow on PostgreSQL: the database restarts, and what else may go away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alone import SAFE_SECONDS
from outcomes import is_back, is_promoted

pytestmark = pytest.mark.e2e

Played = dict[str, Any]

# The database's absence, the start of a triggerer that ended with it, and a moment to judge.
_JUDGED_SECONDS = 60.0

# A gate renews its sign of life every 10 s, it is missed when it is 45 s old; and as long as a
# command takes that asks once a second on a busy machine.
_NOTICED_SECONDS = 60.0


@pytest.fixture(autouse=True, scope="module")
def _on_postgres(need_binary: Callable[[str], Path]) -> None:
    need_binary("postgres")


_DEATHS = [
    pytest.param(name, marks=pytest.mark.scene(name))
    for name in ("database-restarted", "package-upgraded")
]


@pytest.mark.parametrize("name", _DEATHS)
def test_good_release_goes_on(name: str, played: Played) -> None:
    is_promoted(played["good"], played["version"])
    assert [gate.weight for gate in played["good"].record.gates] == [20, 100], name


@pytest.mark.parametrize("name", _DEATHS)
def test_bad_release_is_stopped_within_half_a_second_of_its_verdict(
    name: str, played: Played
) -> None:
    is_back(played["bad"], stable=played["stable"])
    assert played["bad"].record.gates[-1].stop.written_at is not None, name
    assert played["reached"] == 0


@pytest.mark.scene("database-restarted")
def test_bad_release_is_judged_soon_although_the_database_is_away(played: Played) -> None:
    assert played["sealed_after"] <= _JUDGED_SECONDS


@pytest.mark.scene("package-upgraded")
def test_gate_of_the_next_version_has_gone_on(played: Played) -> None:
    assert played["is_loaded"]


@pytest.mark.scene("schema-changed")
def test_gate_that_cannot_read_the_release_puts_traffic_back_and_says_why(played: Played) -> None:
    assert played["is_loaded"]
    is_back(played["ended"])
    assert "schema" in played["ended"].record.reason
    assert played["reached"] == 0


@pytest.mark.scene("disk-full")
def test_way_back_is_tried_until_the_disk_has_space(played: Played) -> None:
    assert played["weight"] == 20
    assert played["meanwhile"] == "running"
    assert "No space left" in played["ended"].record.gates[-1].stop.error
    assert played["took"] <= SAFE_SECONDS
    assert played["reached"] == 0
    is_back(played["ended"])


@pytest.mark.scene("airflow-gone")
def test_release_that_nobody_watches_any_more_is_noticed_from_outside(played: Played) -> None:
    assert played["at_first"]["exit"] == 0
    assert "a gate watched it" in played["at_first"]["said"]
    assert "nobody has watched it for" in played["alarm"]["said"]
    assert played["noticed_after"] <= _NOTICED_SECONDS
    assert played["weight"] == 20


@pytest.mark.scene("airflow-gone")
def test_traffic_is_put_back_without_airflow(played: Played) -> None:
    assert played["by_hand"]["exit"] == 0, played["by_hand"]["said"]
    assert "put back" in played["by_hand"]["said"]
    assert played["reached"] == 0
    assert played["calm"]["exit"] == 0


@pytest.mark.scene("airflow-gone")
def test_run_ends_red_with_the_reason_when_airflow_is_back(played: Played) -> None:
    is_back(played["ended"])
    assert "by hand" in played["ended"].record.reason
