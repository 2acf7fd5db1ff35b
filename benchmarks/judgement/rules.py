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
from numpy.typing import NDArray

from airflow_rollout.analysis.histogram import quantile
from airflow_rollout.analysis.readings import ArmCounts
from benchmarks.judgement.traffic import SECONDS, Counts, Traffic

__all__ = ["LATENCY_LIMIT", "RULES", "Rule"]

Flags = NDArray[np.bool_]

_WINDOW = 60
_LIMIT = 0.01
LATENCY_LIMIT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One counter: how often it looks, and how it counts."""

    name: str
    interval: int
    goes_back: Callable[[Flags, int], int | None]

    def stops_at(self, traffic: Traffic) -> float | None:
        """Return the second in which the release goes back, None if it does not."""
        looks = np.arange(self.interval, SECONDS + 1, self.interval)
        return self.goes_back(_fails(traffic, looks), self.interval)


def _fails(traffic: Traffic, looks: Counts) -> Flags:
    """Say of each look whether the window before it fails; one without a request does."""
    requests = _in_window(traffic.canary, looks)
    bad = _in_window(traffic.canary_bad, looks)
    if not traffic.boundaries:
        return np.asarray((bad > _LIMIT * requests) | (requests == 0))
    slow = [
        _is_slow(traffic.boundaries, ArmCounts(requests=n, bad=tuple(x)))
        for n, x in zip(requests.tolist(), bad.tolist(), strict=True)
    ]
    return np.array(slow)


def _in_window(counts: Counts, looks: Counts) -> Counts:
    summed = np.concatenate([np.zeros_like(counts[:1]), counts.cumsum(axis=0)])
    return np.asarray(summed[looks] - summed[np.maximum(looks - _WINDOW, 0)])


def _is_slow(boundaries: tuple[float, ...], counts: ArmCounts) -> bool:
    found = quantile(boundaries, counts, 0.99)
    return found is None or found > LATENCY_LIMIT


def _flagger(failed: Flags, interval: int, threshold: int = 5) -> int | None:
    count = np.cumsum(failed)
    reached = np.flatnonzero(count >= threshold)
    if not reached.size:
        return None
    at = (int(reached[0]) + 2) * interval
    return at if at <= SECONDS else None


def _argo(failed: Flags, interval: int, limit: int = 3) -> int | None:
    reached = np.flatnonzero(np.cumsum(failed) > limit)
    return (int(reached[0]) + 1) * interval if reached.size else None


RULES = (
    Rule(name="Flagger 1m/5", interval=60, goes_back=_flagger),
    Rule(name="Flagger 10s/5", interval=10, goes_back=_flagger),
    Rule(name="Argo 1m/3", interval=60, goes_back=_argo),
    Rule(name="Argo 15s/3", interval=15, goes_back=_argo),
)
