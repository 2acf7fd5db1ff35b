"""What the stable version did before a release: its counts in blocks, pod by pod.

Feeds the estimate of how errors cluster (`dispersion`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from airflow_rollout.analysis.counts import add_counts
from airflow_rollout.analysis.dispersion import (
    BLOCK_SECONDS,
    Block,
    Dispersion,
    dispersion_between_pods,
    measure_dispersion,
)
from airflow_rollout.analysis.histogram import boundary_at
from airflow_rollout.analysis.latency import latency_limit
from airflow_rollout.analysis.parameters import Metric, Semantics
from airflow_rollout.analysis.readings import (
    ArmCounts,
    CounterPoint,
    CounterSeries,
    Cumulative,
    Increments,
    Reading,
)

__all__ = ["HISTORY_SECONDS", "Differences", "StableHistory", "measured_on"]

# Twice what an estimate needs at least.
HISTORY_SECONDS = 1800.0

_NOTHING = ArmCounts(requests=0, bad=())


class Differences:
    """What is new in counters that are read again and again: each point once."""

    def __init__(self) -> None:
        self._last: dict[str, CounterPoint] = {}

    def take(self, series: CounterSeries) -> Iterator[tuple[float, ArmCounts]]:
        """Yield time and counts of each new point."""
        for point in series.points:
            before = self._last.get(series.key)
            if before is not None and point.at <= before.at:
                continue
            self._last[series.key] = point
            # The first point is where counting begins, unless the series was born before our eyes.
            if before is None and series.born_at is None:
                continue
            if before is None or point.requests < before.requests:
                before = CounterPoint(at=0.0, requests=0, bad=(0,) * len(point.bad))
            bad = tuple(max(0, x - y) for x, y in zip(point.bad, before.bad, strict=True))
            yield point.at, ArmCounts(requests=point.requests - before.requests, bad=bad)


class StableHistory:
    """The stable arm of one metric in blocks of 15 s; a series without a pod is one for all."""

    def __init__(self) -> None:
        self._differences = Differences()
        self._blocks: dict[int, dict[str, ArmCounts]] = defaultdict(dict)

    def take(self, reading: Reading) -> None:
        """Add an answer; one that holds no counts adds nothing."""
        if isinstance(reading, Cumulative):
            for series in reading.stable:
                for at, counts in self._differences.take(series):
                    self._add(at, series.pod, counts)
        elif isinstance(reading, Increments):
            self._add(reading.end, "", reading.stable)

    def _add(self, at: float, pod: str, counts: ArmCounts) -> None:
        block = self._blocks[math.floor(at / BLOCK_SECONDS)]
        block[pod] = add_counts(block.get(pod, _NOTHING), counts)

    def dispersion(self, boundary: int = 0) -> Dispersion | None:
        """Return phi between pods, else over time; None when there is too little history."""
        return measure_dispersion(self._pods(boundary))

    def between_pods(self, boundary: int = 0) -> Dispersion | None:
        """Return phi between pods; None when they are not told apart, or too rarely fail."""
        return dispersion_between_pods(self._pods(boundary))

    def _pods(self, boundary: int) -> list[list[Block]]:
        return [
            [
                (one.requests, one.bad[boundary] if one.bad else 0)
                for one in self._blocks[at].values()
            ]
            for at in sorted(self._blocks)
        ]


def measured_on(reading: Reading, metric: Metric, semantics: Semantics) -> Dispersion | None:
    """Return phi of one metric from an answer about the time before the release.

    Of a latency the requests slower than its limit are meant.
    """
    if not isinstance(reading, Cumulative):
        return None
    history, boundary = StableHistory(), 0
    history.take(reading)
    if reading.boundaries:
        boundary = boundary_at(reading.boundaries, latency_limit(metric, semantics))
    return history.dispersion(boundary)
