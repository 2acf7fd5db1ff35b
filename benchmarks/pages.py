"""What the pages in Airflow cost: the feed on Airflow's tables, the charts in a real browser."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console

from airflow_rollout.demo.processes import LabError
from benchmarks.pages_airflow import airflow_figures
from benchmarks.report import Figure, Of, PartReport, Wanted

__all__ = ["PART", "run"]

PART = "pages"

_ROLLOUTS = 500
_ASKS = 20
_FEED_MS = 500.0
_UNCHANGED_MS = 50.0
_CHART_MS = 500.0
_UPDATE_MS = 16.0
_CORE_PERCENT = 2.0
_OPEN_SECONDS = 10.0

_BROWSER_NOTES = (
    "Charts in a headless Chromium; processor time of the asked process.",
    "The API server of a real Airflow on SQLite, in turns with nobody looking and with one page "
    "open: what that takes more. Airflow's own part of the page asks, too, and is most of it.",
)

_TESTS = Path(__file__).parents[1] / "tests"
_PLACES = [str(_TESTS), *(str(_TESTS / name) for name in ("ui", "ui_e2e", "e2e"))]

# Drawn as when a second has passed: the axis moves and everything is drawn anew.
_UPDATES = """(async () => {
  const { Chart, Charts } = await import('./rollout/static/0/chart.js');
  const group = new Charts(() => {});
  const points = (s) => Array.from({ length: 1800 }, (_, i) => [i, Math.sin(i / 50 + s) + 2]);
  const charts = [0, 1].map((n) => group.add({ title: 'c', height: 190 }));
  for (const chart of charts) {
    document.querySelector('#page').append(chart.element);
    const lines = [0, 1].map((s) => ({ name: 'l', tone: 'canary', points: points(s) }));
    chart.set({ lines, limits: [], marks: [], format: String });
  }
  const took = [];
  for (let n = 0; n < 60; n += 1) {
    group.range = { from: 0, to: 1800 + n };
    const began = performance.now();
    group.draw();
    document.body.getBoundingClientRect();
    took.push(performance.now() - began);
  }
  return took.slice(10);
})()"""


def run(console: Console, *, runs: int) -> PartReport:
    """Measure `runs` times; the browser's part is left out, and said, where there is none."""
    with _tests():
        with console.status("pages: feed"):
            figures = _feed_figures(runs)
        chromium = shutil.which("chromium")
        notes = ["The feed answers from SQLite in memory; Airflow's check of who asks is not in."]
        faults = []
        if chromium is None:
            notes.append("Neither charts nor open pages were measured: chromium is not installed.")
        else:
            with console.status("pages: browser"):
                figures += _browser_figures(Path(chromium), runs)
            notes += _BROWSER_NOTES
            try:
                with console.status("pages: a real Airflow"):
                    figures += airflow_figures(Path(chromium), runs)
            except LabError as error:
                faults.append(f"no real Airflow to measure: {error}")
    return PartReport(
        part=PART,
        title="The pages in Airflow",
        figures=tuple(figures),
        faults=tuple(faults),
        notes=tuple(notes),
    )


@contextmanager
def _tests() -> Iterator[None]:
    """Make what the tests serve importable."""
    sys.path[:0] = _PLACES
    try:
        yield
    finally:
        for place in _PLACES:
            sys.path.remove(place)


def _feed_figures(runs: int) -> list[Figure]:
    with import_module("feed_world").feed_world() as world:
        for number in range(_ROLLOUTS):
            name = f"service-{number:03d}"
            world.tables.dag(name)
            world.tables.run(name, "r1")
            world.tables.release(name, "r1")
            world.permitted.add(name)
        feed = import_module("airflow_rollout.ui.feed")
        first, again = [], []
        for _ in range(runs):
            took, whole, unchanged = _list_feed(world, feed.ListFeed())
            first.append(took)
            again += unchanged
        size, packed = _sizes(whole)
        world.tables.dag("shop")
        import_module("stories").leave_long(world.tables)
        long_first, long_again, long_size = _run_feed(world, feed, runs)
    group = f"{_ROLLOUTS} rollouts"
    return [
        _figure(group, "all rows", "ms", first, _FEED_MS),
        _figure(group, "nothing new", "ms", again, _UNCHANGED_MS),
        Figure(group=group, name="size", unit="kB", values=(size,)),
        Figure(group=group, name="size, packed", unit="kB", values=(packed,)),
        _figure("6 h, 4 metrics", "whole run", "ms", long_first, _FEED_MS),
        _figure("6 h, 4 metrics", "nothing new", "ms", long_again, _UNCHANGED_MS),
        Figure(group="6 h, 4 metrics", name="size, packed", unit="kB", values=(long_size,)),
    ]


def _list_feed(world: Any, lines: Any) -> tuple[float, Any, list[float]]:
    """Return what everything took, everything, and what each further question took."""

    def ask(since: str) -> tuple[float, Any]:
        with _session(world) as session:
            return _timed(lambda: lines.rollouts(session, permitted=world.permitted, since=since))

    took, whole = ask("")
    return took, whole, [ask(whole["cursor"])[0] for _ in range(_ASKS)]


def _run_feed(world: Any, feed: Any, runs: int) -> tuple[list[float], list[float], float]:
    may = feed.May(edit=True, audit=True)

    def ask(since: str) -> tuple[float, Any]:
        with _session(world) as session:
            return _timed(lambda: feed.run_feed(session, "shop", "r1", since=since, may=may))

    first, again = [], []
    for _ in range(runs):
        took, whole = ask("")
        first.append(took)
        again += [ask(whole["cursor"])[0] for _ in range(_ASKS)]
    return first, again, _sizes(whole)[1]


@contextmanager
def _session(world: Any) -> Iterator[Any]:
    yield from world.session()


def _timed(ask: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    answer = ask()
    return (time.perf_counter() - began) * 1000, answer


def _sizes(answer: Any) -> tuple[float, float]:
    text = json.dumps(answer).encode()
    return len(text) / 1024, len(gzip.compress(text)) / 1024


def _browser_figures(chromium: Path, runs: int) -> list[Figure]:
    browsers, served = import_module("browser"), import_module("served")
    first: list[float] = []
    shares: list[float] = []
    with (
        import_module("feed_world").feed_world() as world,
        browsers.Browser(chromium) as browser,
        served.serve(world.app) as (url, _),
    ):
        world.tables.dag("shop")
        import_module("stories").leave_long(world.tables)
        page = f"{url}?dag=shop&run=r1"
        tab = browser.open()
        for _ in range(runs):
            tab.go("about:blank")
            began = time.perf_counter()
            tab.go(page)
            tab.wait("!!document.querySelector('.plot .line.canary')?.getAttribute('d')")
            first.append((time.perf_counter() - began) * 1000)
        updates = tab.js(_UPDATES)
        world.tables.set_run("shop", "r1", "running")
        for _ in range(runs):
            tab.wait("true")
            began, used = time.perf_counter(), time.process_time()
            time.sleep(_OPEN_SECONDS)
            shares.append((time.process_time() - used) / (time.perf_counter() - began) * 100)
    group = "a page of 6 h, 4 metrics"
    return [
        _figure(group, "first chart, warm", "ms", first, _CHART_MS),
        _figure("1,800 points x 4", "update", "ms", updates, _UPDATE_MS),
        _figure(group, "open, of a core", "%", shares, _CORE_PERCENT),
    ]


def _figure(group: str, name: str, unit: str, values: list[float], at_most: float) -> Figure:
    wanted = Wanted(at_most=at_most, of=Of.MEDIAN)
    return Figure(group=group, name=name, unit=unit, values=tuple(values), wanted=wanted)
