"""The permutation of pods: exact, however errors cluster inside one."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judging import HTTP_500, SOURCE, WRITTEN, cumulative, native, point, step, through_json

from airflow_rollout.analysis.evidence import RATIOS, Growth, Mixture, log_ratios
from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import Comparison, Unit
from airflow_rollout.analysis.pods import (
    are_enough,
    log_choices,
    pod_log_ratios,
    tolerated_pod_ratios,
)
from airflow_rollout.analysis.readings import CounterSeries

PLAIN = Comparison(tolerance=1.0, min_intervals=1, dispersion=1.0)

pods = st.lists(st.integers(0, 300), min_size=1, max_size=5)


@settings(max_examples=150, deadline=None)
@given(pods, pods)
def test_over_all_choices_of_canaries_it_grows_by_nothing(canary, stable):
    """The mean over all ways to call pods canaries is exactly 1: that is the guarantee."""
    counts = [*canary, *stable]
    totals = [0.0] * len(RATIOS)
    choices = list(combinations(range(len(counts)), len(canary)))
    for chosen in choices:
        found = pod_log_ratios(
            [counts[i] for i in chosen], [c for i, c in enumerate(counts) if i not in chosen]
        )
        for k, one in enumerate(found or [0.0] * len(RATIOS)):
            totals[k] += math.exp(one)
    assert totals == pytest.approx([len(choices)] * len(RATIOS), rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 8), st.integers(1, 12), st.data())
def test_with_one_request_a_pod_it_is_the_comparison_of_requests(canary, stable, data):
    bad = data.draw(st.integers(0, canary))
    stable_bad = data.draw(st.integers(0, stable))
    by_pod = pod_log_ratios(
        [1] * bad + [0] * (canary - bad), [1] * stable_bad + [0] * (stable - stable_bad)
    )
    by_request = log_ratios(canary, bad, stable, stable_bad, PLAIN)
    if by_request is None:
        assert by_pod is None
    else:
        assert by_pod == pytest.approx(by_request, abs=1e-9)


def test_no_interval_adds_more_than_there_are_choices():
    assert math.exp(log_choices(2, 18)) == pytest.approx(190)
    strongest = pod_log_ratios([500, 900], [0] * 18)
    assert max(strongest) == pytest.approx(log_choices(2, 18))


def test_clusters_do_not_fool_it():
    """Bursts of 10 errors on one pod, which requests alone would take for proof."""
    growth = Growth.of(PLAIN, alpha=0.01, weight=1.0)
    draw = random.Random(3)
    stopped = {"pods": 0, "requests": 0}
    for _ in range(200):
        processes = {"pods": Mixture(), "requests": Mixture()}
        seen = set()
        for _ in range(80):
            bad = [0] * 20
            for _ in range(sum(draw.random() < 0.3 for _ in range(2))):
                bad[draw.randrange(20)] += 10
            pair = (150, sum(bad[:2]), 1350, sum(bad[2:]))
            processes["pods"].update(pod_log_ratios(bad[:2], bad[2:]), growth)
            processes["requests"].update(log_ratios(*pair, PLAIN), growth)
            seen |= {name for name, process in processes.items() if process.value >= 100.0}
        for name in seen:
            stopped[name] += 1
    assert stopped["pods"] <= 6
    assert stopped["requests"] > 100


def test_pods_that_all_did_the_same_say_nothing():
    assert pod_log_ratios([3, 3], [3, 3, 3]) is None
    assert pod_log_ratios([], [1, 2]) is None
    assert pod_log_ratios([1], []) is None


@settings(max_examples=100, deadline=None)
@given(pods, pods)
def test_with_a_tolerance_it_grows_by_less(canary, stable):
    counts = [*canary, *stable]
    choices = list(combinations(range(len(counts)), len(canary)))
    totals = [0.0] * len(RATIOS)
    for chosen in choices:
        found = tolerated_pod_ratios(
            [counts[i] for i in chosen],
            [c for i, c in enumerate(counts) if i not in chosen],
            1.25,
        )
        for k, one in enumerate(found or [0.0] * len(RATIOS)):
            totals[k] += math.exp(one)
    assert max(totals) <= len(choices) * (1 + 1e-9)


def test_few_pods_prove_nothing_and_too_many_take_too_long():
    assert not are_enough(0, 20)
    assert not are_enough(1, 3)
    assert are_enough(2, 18)
    assert are_enough(2, 18, boundaries=12)
    assert not are_enough(50, 450)


RATE = replace(HTTP_500, guardrail=None)


def judge(unit: Unit = Unit.PODS, state: dict | None = None, dispersion: float = 4.0) -> Judge:
    comparison = Comparison(dispersion=dispersion, unit=unit)
    params = native(RATE, comparison=comparison, min_requests=1)
    return Judge(params, step(), state)


class Pods:
    """20 pods with counters; the first two are the canary's, and what fails comes in tens."""

    def __init__(self, *, seed: int, canary_events: float) -> None:
        self._draw = random.Random(seed)
        self._canary_events = canary_events
        self._bad = [0] * 20
        self.scrapes = 0

    def scrape(self) -> None:
        self.scrapes += 1
        for pod in range(20):
            chance = self._canary_events if pod < 2 else 0.05
            self._bad[pod] += 10 * (self._draw.random() < chance)

    def reading(self, *, named: bool = True):
        at = SOURCE + 15 * self.scrapes
        found = [
            CounterSeries(
                key=f"pod {pod}",
                points=(point(at, 150 * self.scrapes, bad),),
                pod=f"pod {pod}" if named else "",
            )
            for pod, bad in enumerate(self._bad)
        ]
        return cumulative(at, tuple(found[:2]), tuple(found[2:]))


def scrapes_until_stopped(one: Judge, world: Pods, *, most: int, named: bool = True) -> int | None:
    one.feed(RATE.name, world.reading(named=named))
    while world.scrapes < most:
        world.scrape()
        one.feed(RATE.name, world.reading(named=named))
        if one.evidence >= 100.0:
            return world.scrapes
    return None


def test_pods_are_compared_where_the_source_names_them_and_the_verdict_says_so():
    one, world = judge(), Pods(seed=1, canary_events=0.6)
    assert scrapes_until_stopped(one, world, most=40) is not None
    reason = one.assess(WRITTEN + 15 * world.scrapes).reason
    assert "dispersion 4, 20 pods compared" in reason


@pytest.mark.parametrize("dispersion", [1.0, 4.0])
def test_clusters_stop_no_healthy_pods_whatever_is_believed_about_them(dispersion):
    stopped = [
        scrapes_until_stopped(
            judge(dispersion=dispersion), Pods(seed=seed, canary_events=0.05), most=60
        )
        for seed in range(20)
    ]
    assert stopped.count(None) >= 19


def test_without_names_requests_are_compared():
    one, other = judge(Unit.PODS), judge(Unit.REQUESTS)
    for each in (one, other):
        scrapes_until_stopped(each, Pods(seed=2, canary_events=0.3), most=30, named=False)
    assert one.evidence == other.evidence != 1.0


def test_what_pods_did_so_far_goes_with_the_state():
    one, world = judge(), Pods(seed=3, canary_events=0.3)
    one.feed(RATE.name, world.reading())
    for scrape in range(20):
        world.scrape()
        reading = world.reading()
        # Only a part of the pods has answered when the process is replaced.
        one.feed(RATE.name, replace(reading, stable=reading.stable[:5]))
        if scrape % 5 == 4:
            one = judge(state=through_json(one))
        one.feed(RATE.name, reading)
    again, same = judge(), Pods(seed=3, canary_events=0.3)
    again.feed(RATE.name, same.reading())
    for _ in range(20):
        same.scrape()
        again.feed(RATE.name, replace(same.reading(), stable=same.reading().stable[:5]))
        again.feed(RATE.name, same.reading())
    assert one.evidence == again.evidence
    assert one.state() == again.state()
