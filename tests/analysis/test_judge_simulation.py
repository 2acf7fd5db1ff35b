"""Small seeded releases: bad ones are stopped fast, good ones are not stopped.

The seeds are fixed, so the numbers are; the bounds leave room for a change of the traffic.
"""

from __future__ import annotations

from statistics import median

import pytest
from judging import DURATION, SUCCESS, World, flagger, step

from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.verdict import Verdict

PARAMS = flagger(SUCCESS, DURATION)


def release(seconds: int, **world) -> tuple[World, Verdict]:
    traffic = World(**world)
    judgement = traffic.release(Judge(PARAMS, step()), seconds)
    return traffic, judgement.verdict


@pytest.mark.parametrize("base", [0.0, 0.01])
def test_healthy_releases_are_not_stopped(base):
    stopped = [seed for seed in range(100) if release(50, seed=seed, base=base)[1] is Verdict.FAIL]
    assert len(stopped) <= 1


def test_five_percent_errors_are_stopped_within_fifteen_seconds():
    worlds = [release(59, seed=seed, bad=0.05) for seed in range(60)]
    assert all(verdict is Verdict.FAIL for _, verdict in worlds)
    assert median(world.second for world, _ in worlds) <= 15
    assert median(world.failed for world, _ in worlds) <= 20


def test_a_canary_that_is_600_ms_slower_is_stopped_within_five_seconds():
    worlds = [release(59, seed=seed, slow_by=0.6) for seed in range(30)]
    assert max(world.second for world, _ in worlds) <= 5


def test_a_canary_that_fails_everything_is_stopped_in_the_third_interval_at_most():
    worlds = [release(59, seed=seed, bad=1.0) for seed in range(30)]
    assert max(world.second for world, _ in worlds) <= 3
