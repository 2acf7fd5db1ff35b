"""The simulation of releases: what is drawn, how the other tools' rules count, what comes out."""

from __future__ import annotations

import math
import statistics
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from benchmarks.judgement.figure import draw_figure
from benchmarks.judgement.part import Outcome, boundary_rate, measure
from benchmarks.judgement.rules import RULES
from benchmarks.judgement.tables import TABLES
from benchmarks.judgement.traffic import (
    BUCKETS,
    SECONDS,
    Traffic,
    error_traffic,
    latency_traffic,
    pod_traffic,
)

FLAGGER, FLAGGER_FAST, ARGO, ARGO_FAST = RULES


def steady(canary_bad: int, *, requests: int = 10, until: int = SECONDS) -> Traffic:
    second = np.arange(SECONDS)
    return Traffic(
        canary=np.full(SECONDS, requests),
        canary_bad=np.where(second < until, canary_bad, 0),
        stable=np.full(SECONDS, 90),
        stable_bad=np.zeros(SECONDS, dtype=int),
    )


@pytest.mark.parametrize(
    ("rule", "seconds"), [(FLAGGER, 360), (FLAGGER_FAST, 60), (ARGO, 240), (ARGO_FAST, 60)]
)
def test_a_release_that_fails_throughout_goes_back_when_the_tools_say(rule, seconds):
    assert rule.stops_at(steady(10)) == seconds
    assert rule.stops_at(steady(0)) is None
    # No request is a failed check to both.
    assert rule.stops_at(steady(0, requests=0)) == seconds


def test_failed_checks_are_never_forgiven():
    # Failing for the first four minutes and never again: four failed checks are too few ...
    assert FLAGGER.stops_at(steady(10, until=240)) is None
    # ... and the fifth one, whenever it comes, is the end.
    late = steady(10, until=240)
    late.canary_bad[1200:1260] = 10
    assert FLAGGER.stops_at(late) == 1260 + 60


def test_the_same_seed_draws_the_same_release_and_another_one_does_not():
    def drawn(seed: int) -> list[int]:
        return error_traffic(
            np.random.default_rng(seed), rate=100, stable=0.1, canary=0.1
        ).canary_bad.tolist()

    assert drawn(1) == drawn(1) != drawn(2)


def test_arms_and_errors_are_drawn_as_asked():
    traffic = error_traffic(np.random.default_rng(1), rate=100, stable=0.005, canary=0.05)
    assert traffic.canary.sum() / (traffic.canary + traffic.stable).sum() == pytest.approx(
        0.1, rel=0.05
    )
    assert traffic.canary_bad.sum() / traffic.canary.sum() == pytest.approx(0.05, rel=0.15)
    assert traffic.stable_bad.sum() / traffic.stable.sum() == pytest.approx(0.005, rel=0.15)


def test_clusters_keep_the_rate_and_raise_phi():
    draw = np.random.default_rng(4)
    alone = pod_traffic(draw, rate=100, stable=0.005, canary=0.005)
    tens = pod_traffic(draw, rate=100, stable=0.005, canary=0.005, cluster=(10.0, 5))
    assert alone.phi == pytest.approx(1.0, abs=0.15)
    assert tens.phi > 8.0
    assert tens.stable_bad.sum() / tens.stable.sum() == pytest.approx(0.005, rel=0.4)


def test_latencies_fall_into_buckets_as_they_are_distributed():
    traffic = latency_traffic(np.random.default_rng(5), slow=0.05)
    stable = dict(zip(BUCKETS, traffic.stable_bad.sum(axis=0) / traffic.stable.sum(), strict=True))
    canary = dict(zip(BUCKETS, traffic.canary_bad.sum(axis=0) / traffic.canary.sum(), strict=True))
    assert stable[0.1] == pytest.approx(0.5, abs=0.01)
    assert stable[0.5] == pytest.approx(0.5 * math.erfc(math.log(5) / 0.6 / math.sqrt(2)), rel=0.2)
    assert canary[1.0] == pytest.approx(0.05, rel=0.1)
    assert np.all(np.diff(traffic.stable_bad, axis=1) <= 0)


def cases(table: str, *words: str) -> list[int]:
    return [n for n, case in enumerate(TABLES[table]) if any(w in case.name for w in words)]


@pytest.mark.parametrize("number", cases("errors of the canary", "-> 5 %", "-> 100 %")[:4])
def test_bad_releases_are_stopped_as_fast_as_was_published(number):
    case, found = (
        TABLES["errors of the canary"][number],
        measure("errors of the canary", number, 0, 60),
    )
    for every, median in zip((5, 15), case.expected, strict=True):
        outcome = found[f"gate {every}s"]
        assert outcome.stopped == 1.0
        assert statistics.median(outcome.times()) <= median + every
    assert statistics.median(found["Flagger 1m/5"].times()) == 360


@pytest.mark.parametrize("table", ["healthy releases", "pods whose errors are not independent"])
def test_good_releases_are_not_stopped(table):
    """4 of each kind: beyond chance, none of them may be stopped twice."""
    for number, case in enumerate(TABLES[table]):
        if case.healthy:
            found = measure(table, number, 0, 4)
            assert found["gate 5s"].stopped <= 0.25
            assert found["gate 15s"].stopped <= 0.25


def test_the_guarantee_holds_where_it_is_tightest():
    assert boundary_rate(1000) <= 0.01 + 3 * math.sqrt(0.01 * 0.99 / 1000)


def test_repeats_of_several_processes_are_those_of_one():
    whole, first, second = (measure("latency", 4, *part) for part in ((0, 4), (0, 2), (2, 4)))
    for name, outcome in first.items():
        outcome.take(second[name])
        assert outcome == whole[name]


def test_a_release_that_is_not_stopped_counts_with_its_whole_time():
    outcome = Outcome(detector="x", repeats=3, seconds=[10.0], failed=[1, 2, 3])
    assert outcome.times() == [10.0, 1800.0, 1800.0]
    assert outcome.stopped == pytest.approx(1 / 3)


def test_the_figure_is_drawn_of_every_detector():
    bad = {
        name: Outcome(detector=name, repeats=2, seconds=[30.0, 60.0]) for name in ("a", "gate 5s")
    }
    good = {name: Outcome(detector=name, repeats=2, seconds=[9.0]) for name in bad}
    root = ET.fromstring(draw_figure(bad, good))
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert "45 s" in texts
    assert "50 %" in texts
    assert {"a", "gate 5s"} <= set(texts)
