"""A real Airflow, a real Traefik, real services under load, and everything that can break."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

# A scene of the ordinary releases is what a fault is done to.
sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from alone import SCENES
from fault_lab import FaultLab, fault_lab
from fault_scene import FaultScene
from shared import ACTS

# Scene -> what it measured, seconds.
_measured: dict[str, dict[str, float]] = {}

# Scenes wait far more than they compute, but two cores carry all of their load.
_AT_ONCE = 4


@pytest.fixture(scope="session")
def lab(
    tmp_path_factory: pytest.TempPathFactory, need_binary: Callable[[str], object]
) -> Iterator[FaultLab]:
    need_binary("traefik")
    folder = tmp_path_factory.mktemp("faults")
    with fault_lab(folder, [*SCENES, "good", "bad", "alone"]) as lab:
        yield lab


@pytest.fixture(scope="session")
def plays(lab: FaultLab, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Any]]]:
    """Play what the chosen tests need: faults of one service side by side, then one at a time."""
    needed = {
        mark.args[0]
        for item in request.session.items
        for mark in item.iter_markers("scene")
    }  # fmt: skip
    cast: dict[str, FaultScene] = {}

    def scene(name: str) -> FaultScene:
        return cast.setdefault(name, lab.scene(name))

    with (
        ThreadPoolExecutor(max_workers=_AT_ONCE) as side_by_side,
        ThreadPoolExecutor(max_workers=1) as one_at_a_time,
    ):

        def play_alone(name: str) -> dict[str, Any]:
            try:
                return SCENES[name](scene(name))
            finally:
                scene(name).leave()

        alone = {
            name: side_by_side.submit(play_alone, name)
            for name in SCENES
            if name in needed
        }  # fmt: skip

        def play(name: str) -> dict[str, Any]:
            wait(alone.values())
            return ACTS[name](lab.lab, scene)

        acts = {name: one_at_a_time.submit(play, name) for name in ACTS if name in needed}
        yield {**alone, **acts}


@pytest.fixture
def played(plays: dict[str, Future[Any]], request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what came of the scene that the test is marked with."""
    mark = request.node.get_closest_marker("scene")
    assert mark is not None, "this test names no scene"
    played: dict[str, Any] = plays[mark.args[0]].result()
    return played


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the lab that stays until the end to the end: the others end with their files."""
    items.sort(key=lambda item: "lab" in getattr(item, "fixturenames", ()))


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Keep the figures of a scene for the summary."""
    played = getattr(item, "funcargs", {}).get("played")
    mark = item.get_closest_marker("scene")
    if played is not None and mark is not None:
        found = {name: value for name, value in played.items() if isinstance(value, float)}
        _measured[mark.args[0]] = found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured; a promise is asserted by its test, the figure is for people."""
    if not any(_measured.values()):
        return
    terminalreporter.section("seconds measured in faults")
    for name, figures in sorted(_measured.items()):
        if figures:
            told = ", ".join(f"{what} {value:.2f}" for what, value in sorted(figures.items()))
            terminalreporter.line(f"{name}: {told}")
