"""Releases of an Airflow on PostgreSQL: the database restarts, and what else may go away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from database import ACTS
from ends import is_back, is_promoted
from postgres_lab import Stage, postgres_stage

pytestmark = pytest.mark.e2e

Played = dict[str, Any]


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, need_binary: Callable[[str], Path]
) -> Iterator[Stage]:
    need_binary("traefik")
    folder = tmp_path_factory.mktemp("postgres")
    with postgres_stage(folder, need_binary("postgres")) as stage:
        yield stage


@pytest.fixture(scope="module")
def plays() -> dict[str, Played]:
    """Return what came of the scenes that have been played."""
    return {}


@pytest.fixture
def played(stage: Stage, plays: dict[str, Played], request: pytest.FixtureRequest) -> Played:
    """Play the scene that the test is marked with, once for all tests of it."""
    mark = request.node.get_closest_marker("scene")
    assert mark is not None, "this test names no scene"
    name = mark.args[0]
    if name not in plays:
        plays[name] = ACTS[name](stage)
    return plays[name]


_DEATHS = [
    pytest.param(name, marks=pytest.mark.scene(name))
    for name in ("database-restarted", "triggerer-killed-on-postgres")
]


@pytest.mark.parametrize("name", _DEATHS)
def test_good_release_goes_on(name: str, played: Played) -> None:
    is_promoted(played["good"], played["version"])
    assert [gate.weight for gate in played["good"].record.gates] == [20, 100], name


@pytest.mark.parametrize("name", _DEATHS)
def test_bad_release_is_stopped_within_half_a_second_of_its_verdict(
    name: str, played: Played
) -> None:
    is_back(played["bad"])
    assert played["bad"].record.gates[-1].stop.written_at is not None, name
    assert played["reached"] == 0


@pytest.mark.scene("promote-killed-on-postgres")
def test_promote_killed_after_its_write_finds_its_work_done(played: Played) -> None:
    is_promoted(played["ended"], "v2")
    told = [it.text for it in played["ended"].record.timeline if it.task == "step_01.promote"]
    assert any("already" in text for text in told), told
