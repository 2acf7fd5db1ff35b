"""History from overlapping answers: every request once, restarts and gaps included."""

from __future__ import annotations

import asyncio
import random

import pytest

from airflow_rollout.analysis.readings import (
    ArmCounts,
    CounterPoint,
    CounterSeries,
    Cumulative,
    Increments,
    NoData,
    Value,
)
from airflow_rollout.cli.calibrate_history import Collector, read_history
from airflow_rollout.cli.calibrate_splits import binomial
from airflow_rollout.metrics.base import Window

START = 1_700_000_000.0


class Source:
    """A database with one counter a status, scraped every 15 s; it restarts once."""

    def __init__(self, seconds: float) -> None:
        draw = random.Random(9)
        self.windows: list[Window] = []
        self.points: dict[str, list[CounterPoint]] = {"200": [], "500": []}
        self.served = self.failed = 0
        totals = {"200": 5000, "500": 70}
        for number in range(int(seconds / 15) + 1):
            if number == 40:
                totals = {"200": 0, "500": 0}
            new = {"200": draw.randrange(80, 120), "500": draw.randrange(3)}
            for status in totals:
                totals[status] += new[status]
                bad = totals[status] if status == "500" else 0
                point = CounterPoint(at=START + 15 * number, requests=totals[status], bad=(bad,))
                self.points[status].append(point)
            if number:
                self.served += sum(new.values())
                self.failed += new["500"]

    async def read(self, window: Window) -> dict[str, Cumulative | NoData]:
        self.windows.append(window)
        # A database answers with a little more than was asked for.
        series = tuple(
            CounterSeries(key=status, points=tuple(found))
            for status, points in self.points.items()
            if (found := [p for p in points if window.start - 60 <= p.at <= window.end])
        )
        if not series:
            return {"errors": NoData(at=window.end, reason="nothing yet")}
        return {"errors": Cumulative(at=window.end, boundaries=(), canary=(), stable=series)}


def test_hours_are_asked_one_by_one_and_every_request_counts_once():
    source = Source(5400)
    history = asyncio.run(read_history(source.read, seconds=86_400.0, now=START + 5400))
    assert len(source.windows) == 24
    assert all(w.end - w.start <= 3600.0 for w in source.windows)
    total = history.total("errors")
    assert (total.requests, total.bad) == (source.served, (source.failed,))
    assert history.every == 15.0
    assert history.seconds == 5400.0


def test_what_was_never_answered_keeps_its_reason():
    async def read(window: Window) -> dict[str, Cumulative | NoData | Value]:
        return {
            "errors": NoData(at=window.end, reason="not scraped"),
            "queue": Value(at=window.end, canary=1.0),
        }

    history = asyncio.run(read_history(read, seconds=7200.0, now=START))
    assert not history.spans
    assert history.unanswered == {
        "errors": "not scraped", "queue": "it is one number, and a test needs counts",
    }  # fmt: skip


def test_counts_that_were_given_twice_are_taken_once():
    collector = Collector()
    one = Increments(
        start=START, end=START + 60, boundaries=(),
        canary=ArmCounts(requests=1, bad=(0,)), stable=ArmCounts(requests=100, bad=(2,)),
    )  # fmt: skip
    two = Increments(
        start=START + 60, end=START + 120, boundaries=(), canary=one.canary, stable=one.stable
    )
    for reading in (one, one, two, one):
        collector.take("errors", reading)
    history = collector.history()
    assert history.total("errors").requests == 200
    assert history.every == 60.0


def test_a_series_that_was_born_while_we_looked_counts_from_its_birth():
    collector = Collector()
    steady = CounterSeries(
        key="200", points=tuple(
            CounterPoint(at=START + 15 * k, requests=100 * k, bad=(0,)) for k in range(4)
        ),
    )  # fmt: skip
    born = CounterSeries(
        key="500", points=(CounterPoint(at=START + 30, requests=5, bad=(5,)),),
        born_at=START + 15,
    )  # fmt: skip
    collector.take(
        "errors", Cumulative(at=START + 45, boundaries=(), canary=(), stable=(steady, born))
    )
    assert collector.history().total("errors") == ArmCounts(requests=305, bad=(5,))


def test_blocks_are_a_quarter_of_a_minute():
    collector = Collector()
    points = tuple(CounterPoint(at=START + k, requests=10 * k, bad=(k,)) for k in range(121))
    series = CounterSeries(key="one", points=points)
    collector.take("errors", Cumulative(at=START, boundaries=(), canary=(), stable=(series,)))
    blocks = collector.history().blocks("errors")
    assert blocks == [(150, 15)] * 8


@pytest.mark.parametrize(("n", "p"), [(0, 0.5), (10, 0.0), (10, 1.0)])
def test_certain_draws_are_certain(n, p):
    assert binomial(random.Random(1), n, p) == round(n * p)


@pytest.mark.parametrize(("n", "p"), [(50, 0.3), (5000, 0.001), (5000, 0.999), (20_000, 0.1)])
def test_draws_have_the_mean_and_the_spread_of_their_law(n, p):
    draw = random.Random(5)
    found = [binomial(draw, n, p) for _ in range(3000)]
    mean = sum(found) / len(found)
    variance = sum((x - mean) ** 2 for x in found) / len(found)
    spread = (n * p * (1 - p)) ** 0.5
    assert mean == pytest.approx(n * p, abs=4 * spread / 3000**0.5)
    assert variance == pytest.approx(spread**2, rel=0.15)
    assert 0 <= min(found) <= max(found) <= n
