"""The traffic that the judge's cost is measured with is what it says."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchmarks import judge


@pytest.mark.parametrize("rate", [100, 10_000])
def test_counters_grow_by_the_rate_and_never_fall(rate: int) -> None:
    traffic = judge.Traffic(rate=rate, seed=1)
    before = traffic.latency()
    for _ in range(5):
        traffic.flow()
        after = traffic.latency()
        for arm, share in (("canary", 0.1), ("stable", 0.9)):
            old, new = getattr(before, arm)[0].points[0], getattr(after, arm)[0].points[0]
            assert new.requests - old.requests == round(rate * share)
            assert all(b >= a for a, b in zip(old.bad, new.bad, strict=True))
        before = after


def test_slower_counts_fall_with_the_boundary() -> None:
    traffic = judge.Traffic(rate=1000, seed=1)
    traffic.flow()
    bad = traffic.latency().stable[0].points[0].bad
    assert len(bad) == len(judge.BOUNDARIES)
    assert list(bad) == sorted(bad, reverse=True)
    assert 0 < bad[0] <= 900


def test_one_value_an_update_at_every_rate() -> None:
    console = Console(file=io.StringIO())
    report = judge.run(console, runs=2, updates=5)
    assert [len(figure.values) for figure in report.figures] == [10, 10, 10]
    assert all(value > 0 for figure in report.figures for value in figure.values)
    assert report.faults == ()
