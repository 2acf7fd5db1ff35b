"""From a source's samples before a release to the phi that its verdicts show."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from judging import (
    HTTP_500,
    P99,
    SOURCE,
    WRITTEN,
    counts,
    cumulative,
    increments,
    native,
    point,
    series,
    step,
    through_json,
)

from airflow_rollout.analysis.dispersion import Basis, Dispersion
from airflow_rollout.analysis.history import Differences, StableHistory, measured_on
from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import Comparison, Semantics
from airflow_rollout.analysis.readings import CounterSeries, Cumulative, Increments, NoData

RATE = replace(HTTP_500, guardrail=None)
PHI = Dispersion(phi=2.5, blocks=120, basis=Basis.PODS)


def pod_series(draw: random.Random, pod: str, *, cluster: int, scrapes: int = 120) -> CounterSeries:
    """Half an hour, scraped every 15 s: 150 requests a scrape, 0.5 % of them in clusters."""
    points, requests, bad = [], 0, 0
    for scrape in range(scrapes):
        requests += 150
        bad += cluster * sum(draw.random() < 0.005 / cluster for _ in range(150))
        points.append(point(1000.0 + 15 * scrape, requests, bad))
    return replace(series(*points, key=pod), pod=pod)


def history_of(*, cluster: int, pods: int, named: bool = True) -> Cumulative:
    draw = random.Random(5)
    found = [pod_series(draw, f"pod-{number}", cluster=cluster) for number in range(pods)]
    stable = tuple(one if named else replace(one, pod="") for one in found)
    return cumulative(2800.0, (), stable)


def test_series_by_pod_measure_between_pods():
    found = measured_on(history_of(cluster=4, pods=10), RATE, Semantics.NATIVE)
    assert found.basis is Basis.PODS
    assert found.phi == pytest.approx(4.0, rel=0.25)


def test_series_without_pods_measure_over_time():
    found = measured_on(history_of(cluster=4, pods=10, named=False), RATE, Semantics.NATIVE)
    assert found.basis is Basis.TIME
    assert found.phi == pytest.approx(4.0, rel=0.5)


def test_too_little_history_measures_nothing():
    short = pod_series(random.Random(1), "one", cluster=1, scrapes=30)
    assert measured_on(cumulative(1, (), short), RATE, Semantics.NATIVE) is None
    assert measured_on(NoData(at=1, reason="none"), RATE, Semantics.NATIVE) is None


def test_of_a_latency_the_requests_beyond_the_limit_are_measured():
    draw, points, slow = random.Random(3), [], 0
    for scrape in range(120):
        slow += 6 * (draw.random() < 0.3)
        # Half of all requests are slower than 0.1 s, always.
        points.append(point(15.0 * scrape, 150 * scrape, 75 * scrape, slow, 0))
    reading = cumulative(1800, (), series(*points), (0.1, 0.5, 1.0))
    found = measured_on(reading, P99, Semantics.NATIVE)
    assert found.phi == pytest.approx(4.2, rel=0.3)


def test_each_point_counts_once_and_a_fallen_counter_from_zero():
    read = Differences()
    first = series(point(0, 10, 1), point(1, 30, 2))
    assert list(read.take(first)) == [(1, counts(20, 1))]
    again = series(point(0, 10, 1), point(1, 30, 2), point(2, 5, 1))
    assert list(read.take(again)) == [(2, counts(5, 1))]
    born = series(point(3, 7, 0), key="new", born_at=2.0)
    assert list(read.take(born)) == [(3, counts(7, 0))]


def test_counts_of_a_system_that_stores_counts_are_one_pod():
    one = StableHistory()
    for block in range(100):
        one.take(
            Increments(
                start=15.0 * block, end=15.0 * block + 14, boundaries=(),
                canary=counts(0, 0), stable=counts(1000, 5),
            )
        )  # fmt: skip
    assert one.between_pods() is None
    assert one.dispersion() == Dispersion(phi=1.0, blocks=100, basis=Basis.TIME)


def judge(dispersion: float | None = None) -> Judge:
    return Judge(native(RATE, comparison=Comparison(dispersion=dispersion)), step())


def feed(one: Judge, first: int, last: int) -> float:
    for second in range(first, last):
        one.feed(RATE.name, increments(second, counts(10, 1), counts(90, 0)))
    return one.evidence


def test_a_measured_phi_is_used_and_shown_instead_of_the_assumed_one():
    assumed, learned, said = judge(), judge(), judge(2.5)
    learned.learn(RATE.name, PHI)
    evidence = [feed(one, 1, 4) for one in (assumed, learned, said)]
    assert evidence[0] < evidence[1] == evidence[2]
    judgement = learned.assess(WRITTEN + 4)
    assert judgement.dispersion == 2.5
    assert "dispersion 2.5 (measured between pods)" in judgement.metrics[0].sentence
    assert "dispersion 4," in assumed.assess(WRITTEN + 4).metrics[0].sentence


def test_what_somebody_said_is_not_unlearned():
    one = judge(8.0)
    one.learn(RATE.name, PHI)
    judgement = one.assess(WRITTEN + 4)
    assert judgement.dispersion == 8.0
    assert "dispersion 8," in judgement.metrics[0].sentence


def test_a_phi_learned_in_mid_release_keeps_the_evidence_and_goes_with_the_state():
    one = judge()
    before = feed(one, 1, 4)
    one.learn(RATE.name, PHI)
    assert one.evidence == before
    again = Judge(native(RATE, comparison=Comparison()), step(), through_json(one))
    assert feed(again, 4, 7) == feed(one, 4, 7)
    assert again.assess(WRITTEN + 7) == one.assess(WRITTEN + 7)
    assert again.state() == one.state()


def test_histories_start_anywhere():
    assert SOURCE % 15 != 0  # blocks are cut by the clock, not by the first sample
    reading = history_of(cluster=1, pods=4)
    found = measured_on(reading, RATE, Semantics.NATIVE)
    assert found.phi == pytest.approx(1.0, abs=0.2)
