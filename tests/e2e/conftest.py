"""One lab for all scenes: a real Airflow, a real Traefik, real services under real load."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

# Metric systems of these tests are those of the tests of their adapters.
sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("metrics", "real")]

from dag_files import PARSED_WHEN_CHANGED, write_all_dags
from metric_systems import metric_systems
from planted import planted_connections
from scene import Scene, stands
from scenes import SCENES
from told import receivers

from airflow_rollout.demo.lab import Lab

# Scenes wait far more than they compute, but two cores carry all of their load.
_AT_ONCE = 4

Stage = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="session")
def lab(
    need_binary: Callable[[str], object], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    need_binary("traefik")
    settings = {
        "rollout": {"live_seconds": 1},
        "core": {"parallelism": 8},
        "dag_processor": PARSED_WHEN_CHANGED,
    }
    dags = tmp_path_factory.mktemp("dags")
    write_all_dags(dags)
    lab = Lab(sorted(SCENES), dags=dags, settings=settings)
    home = tmp_path_factory.mktemp("prometheus")
    with receivers() as of_news, metric_systems(lab, home) as of_systems:
        connections = {**of_news, **of_systems, **planted_connections(lab)}
        lab.airflow.env.update(
            {f"AIRFLOW_CONN_{name.upper()}": text for name, text in connections.items()}
        )
        with lab:
            for name in SCENES:
                lab.airflow.wait_for_dag(name)
            yield lab


@pytest.fixture(scope="session")
def stage(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Play all scenes that the chosen tests need, side by side, and give what came of one."""
    needed = {
        mark.args[0]
        for item in request.session.items
        for mark in item.iter_markers("scene")
    }  # fmt: skip

    def play(name: str) -> dict[str, Any]:
        scene = Scene(lab, name)
        try:
            return SCENES[name](scene)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}; {stands(lab)}") from error
        finally:
            scene.leave()

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        plays: dict[str, Future[dict[str, Any]]] = {
            name: pool.submit(play, name) for name in sorted(needed)
        }
        yield lambda name: plays[name].result()


@pytest.fixture
def played(stage: Stage, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what came of the scene that the test is marked with."""
    mark = request.node.get_closest_marker("scene")
    assert mark is not None, "this test names no scene"
    return stage(mark.args[0])
