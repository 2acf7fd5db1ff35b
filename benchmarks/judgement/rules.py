"""Flagger's and Argo Rollouts' counters, as those tools run them: the second they go back in.

Flagger looks every interval at its metric's window (1 m), counts failed checks that are never
forgiven, and compares the count at the start of the next look. Argo Rollouts measures every
interval and fails at the first measurement beyond its limit. Both clocks start with the canary's
traffic, which favours them; neither the query's delay nor the time to act is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from airflow_rollout.analysis.histogram import quantile
from airflow_rollout.analysis.readings import ArmCounts
from benchmarks.judgement.traffic import SECONDS, Traffic

__all__ = ["LATENCY_LIMIT", "RULES", "Rule"]

_WINDOW = 60
_LIMIT = 0.01
LATENCY_LIMIT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One counter: how often it looks, and how it counts."""

    name: str
    interval: int
    goes_back: Callable[[list[bool], int], int | None]

    def stops_at(self, traffic: Traffic) -> float | None:
        """Return the second in which the release goes back, None if it does not."""
        looks = range(self.interval, SECONDS + 1, self.interval)
        failed = [_fails(traffic, second) for second in looks]
        return self.goes_back(failed, self.interval)


def _fails(traffic: Traffic, second: int) -> bool:
    window = slice(max(0, second - _WINDOW), second)
    requests = int(traffic.canary[window].sum())
    if requests == 0:
        return True
    if traffic.boundaries:
        bad = tuple(int(x) for x in traffic.canary_bad[window].sum(axis=0))
        found = quantile(traffic.boundaries, ArmCounts(requests=requests, bad=bad), 0.99)
        return found is not None and found > LATENCY_LIMIT
    return int(traffic.canary_bad[window].sum()) > _LIMIT * requests


def _flagger(failed: list[bool], interval: int, threshold: int = 5) -> int | None:
    count = np.cumsum(failed)
    reached = np.flatnonzero(count >= threshold)
    if not reached.size:
        return None
    at = (int(reached[0]) + 2) * interval
    return at if at <= SECONDS else None


def _argo(failed: list[bool], interval: int, limit: int = 3) -> int | None:
    reached = np.flatnonzero(np.cumsum(failed) > limit)
    return (int(reached[0]) + 1) * interval if reached.size else None


RULES = (
    Rule(name="Flagger 1m/5", interval=60, goes_back=_flagger),
    Rule(name="Flagger 10s/5", interval=10, goes_back=_flagger),
    Rule(name="Argo 1m/3", interval=60, goes_back=_argo),
    Rule(name="Argo 15s/3", interval=15, goes_back=_argo),
)
