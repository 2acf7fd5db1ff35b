"""The permutation of pods: exact, however errors cluster inside one."""

from __future__ import annotations

import math
import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_rollout.analysis.evidence import RATIOS, Growth, Mixture, log_ratios
from airflow_rollout.analysis.parameters import Comparison
from airflow_rollout.analysis.pods import log_choices, pod_log_ratios

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
