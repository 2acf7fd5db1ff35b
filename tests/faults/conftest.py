"""A real Airflow, a real Traefik, real services under load, and everything that can break."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

# A scene of the ordinary releases is what a fault is done to.
sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from alone import SCENES
from database import ACTS as DATABASE
from fault_lab import fault_lab
from fault_scene import FaultScene
from fifty import FIFTY, fifty
from outage import ACTS as OUTAGES
from outage import LAST_OUTAGE
from postgres_lab import PostgresStage, postgres_stage
from shared import LAST_ON_SQLITE, ON_SQLITE

Played = dict[str, Any]

Result = TypeVar("Result")

ON_POSTGRES = {**DATABASE, **OUTAGES}

# Scene -> what it measured, seconds.
_measured: dict[str, dict[str, float]] = {}

# Scene -> when it began and ended, seconds after the first one began.
_times: dict[str, tuple[float, float]] = {}
_first = time.monotonic()

# Scenes wait far more than they compute, but two cores carry all of their load. More of them end no
# sooner, and their verdicts wait for each other.
_AT_ONCE = 4


@pytest.fixture(scope="session")
def plays(
    tmp_path_factory: pytest.TempPathFactory,
    need_binary: Callable[[str], Path],
    request: pytest.FixtureRequest,
) -> Iterator[dict[str, Future[Played]]]:
    """Play what the chosen tests need: faults of one service side by side, then the others.

    Of what all services of an Airflow share one thing breaks at a time; there are two Airflows for
    it, one on SQLite and one on PostgreSQL. Fifty releases have a third one for themselves, while
    the first two play their last acts, which are mostly waiting.
    """
    need_binary("traefik")
    needed = {
        mark.args[0]
        for item in request.session.items
        for mark in item.iter_markers("scene")
    }  # fmt: skip
    plays: dict[str, Future[Played]] = {}
    with (
        ExitStack() as stages,
        ThreadPoolExecutor(max_workers=_AT_ONCE) as side_by_side,
        ThreadPoolExecutor(max_workers=1) as on_sqlite,
        ThreadPoolExecutor(max_workers=1) as on_postgres,
        ThreadPoolExecutor(max_workers=1) as on_its_own,
    ):
        lab = stages.enter_context(ExitStack())
        if not needed.isdisjoint({*SCENES, *ON_SQLITE}):
            services = [*SCENES, "good", "bad", "alone"]
            stage = lab.enter_context(fault_lab(tmp_path_factory.mktemp("faults"), services))
            for name in filter(needed.__contains__, SCENES):
                play = partial(_play_alone, SCENES[name], stage.scene(name))
                plays[name] = side_by_side.submit(_timed, name, play)
        alone = list(plays.values())
        before: list[Future[Any]] = [*alone]
        chosen = {name: act for name, act in ON_POSTGRES.items() if name in needed}
        if chosen:
            opened = stages.enter_context(ExitStack())
            postgres, folder = need_binary("postgres"), tmp_path_factory.mktemp("postgres")

            def open_stage() -> PostgresStage:
                return opened.enter_context(postgres_stage(folder, postgres))

            there = on_postgres.submit(_behind, alone, open_stage)
            # An Airflow that starts takes a processor from who judges.
            before.append(there)
            for name, act in chosen.items():
                play = partial(_play_when, there, act)
                plays[name] = on_postgres.submit(_timed, name, play)
            on_postgres.submit(opened.close)
        for name, act in ON_SQLITE.items():
            if name in needed:
                plays[name] = on_sqlite.submit(_behind, before, _timed, name, partial(act, stage))
        # What has played its last act leaves the processors to the others.
        on_sqlite.submit(_behind, alone, lab.close)
        if FIFTY in needed:
            postgres, folder = need_binary("postgres"), tmp_path_factory.mktemp("fifty")
            last = (LAST_ON_SQLITE, LAST_OUTAGE)
            busy = [play for name, play in plays.items() if name not in last]
            play = partial(fifty, folder, postgres)
            plays[FIFTY] = on_its_own.submit(_behind, busy, _timed, FIFTY, play)
        yield plays
        # Who ends the tests early does not wait for what has not begun.
        for play in plays.values():
            play.cancel()


def _timed(name: str, play: Callable[[], Played]) -> Played:
    began = time.monotonic()
    try:
        return play()
    finally:
        _times[name] = (began - _first, time.monotonic() - _first)


def _play_alone(play: Callable[[FaultScene], Played], scene: FaultScene) -> Played:
    try:
        return play(scene)
    finally:
        scene.leave()


def _play_when(opened: Future[PostgresStage], play: Callable[[PostgresStage], Played]) -> Played:
    return play(opened.result())


def _behind(before: list[Future[Any]], do: Callable[..., Result], *args: Any) -> Result:
    wait(before)
    return do(*args)


@pytest.fixture
def played(plays: dict[str, Future[Played]], request: pytest.FixtureRequest) -> Played:
    """Return what came of the scene that the test is marked with."""
    mark = request.node.get_closest_marker("scene")
    assert mark is not None, "this test names no scene"
    return plays[mark.args[0]].result()


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Keep the figures of a scene for the summary."""
    played = getattr(item, "funcargs", {}).get("played")
    mark = item.get_closest_marker("scene")
    if played is not None and mark is not None:
        found = {name: value for name, value in played.items() if isinstance(value, float)}
        _measured[mark.args[0]] = found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured and when; a promise is asserted by its test, this is for people."""
    if not _times:
        return
    terminalreporter.section("seconds measured in faults")
    for name, (began, ended) in sorted(_times.items(), key=lambda it: it[1]):
        figures = sorted(_measured.get(name, {}).items())
        told = ", ".join(f"{what} {value:.2f}" for what, value in figures)
        terminalreporter.line(f"{began:5.0f} - {ended:3.0f}  {name}: {told}".rstrip(": "))
