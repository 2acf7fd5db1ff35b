"""The stable version's history, from the rollout's own metric source or from a file of counts."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from airflow_rollout.analysis.counts import add_counts
from airflow_rollout.analysis.dispersion import (
    BLOCK_SECONDS,
    Block,
    Dispersion,
    dispersion_over_time,
)
from airflow_rollout.analysis.history import Differences, StableHistory
from airflow_rollout.analysis.readings import (
    ArmCounts,
    Cumulative,
    Increments,
    NoData,
    ReadFailure,
    Reading,
)
from airflow_rollout.cli.replay_counts import Tick
from airflow_rollout.errors import RolloutError
from airflow_rollout.metrics.base import Window

__all__ = ["CalibrateError", "Collector", "History", "history_of_ticks", "read_history"]

# What one question to the source covers: a day in one answer would time out.
_CHUNK_SECONDS = 3600.0

Read = Callable[[Window], Awaitable[Mapping[str, Reading]]]


class CalibrateError(RolloutError):
    """Say why nothing can be learned of the stable version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the stable version did in equal spans; metric -> counts, oldest first.

    :param every: seconds of one span.
    :param note: what a reader has to know about it, empty if nothing.
    :param pods: the same, pod by pod, where the source tells them apart.
    :param boundaries: of each latency metric's histogram.
    :param unanswered: metric -> why there is nothing of it.
    """

    every: float
    spans: tuple[dict[str, ArmCounts], ...]
    boundaries: dict[str, tuple[float, ...]] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)
    pods: dict[str, StableHistory] = field(default_factory=dict)
    note: str = ""

    @property
    def seconds(self) -> float:
        """Return how much history there is."""
        return self.every * len(self.spans)

    def total(self, metric: str) -> ArmCounts:
        """Return all counts of a metric."""
        whole = ArmCounts(requests=0, bad=())
        for span in self.spans:
            if metric in span:
                whole = add_counts(whole, span[metric])
        return whole

    def blocks(self, metric: str, boundary: int = 0) -> list[Block]:
        """Return requests and bad requests in blocks of 15 s, or of a span if that is longer."""
        size = max(1, round(BLOCK_SECONDS / self.every))
        blocks = []
        for first in range(0, len(self.spans) - size + 1, size):
            found = [s[metric] for s in self.spans[first : first + size] if metric in s]
            blocks.append(
                (sum(one.requests for one in found), sum(one.bad[boundary] for one in found))
            )
        return blocks

    def dispersion(self, metric: str, boundary: int = 0) -> Dispersion | None:
        """Return phi between pods, over time where the source counts the service as one."""
        pods = self.pods.get(metric)
        between = None if pods is None else pods.between_pods(boundary)
        return between or dispersion_over_time(self.blocks(metric, boundary))


class Collector:
    """Adds up answers: each point of a series once, whatever windows overlap."""

    def __init__(self) -> None:
        self._differences: dict[str, Differences] = defaultdict(Differences)
        self._pods: dict[str, StableHistory] = defaultdict(StableHistory)
        self._found: dict[str, dict[float, ArmCounts]] = defaultdict(dict)
        self._until: dict[str, float] = {}
        self.boundaries: dict[str, tuple[float, ...]] = {}
        self.unanswered: dict[str, str] = {}

    def take(self, metric: str, reading: Reading) -> None:
        """Add one answer; what was not answered is remembered with its reason."""
        self._pods[metric].take(reading)
        if isinstance(reading, Cumulative):
            for series in reading.stable:
                for at, counts in self._differences[metric].take(series):
                    self._add(metric, at, counts)
            if reading.stable:
                self.boundaries[metric] = reading.boundaries
        elif isinstance(reading, Increments):
            if reading.start >= self._until.get(metric, -math.inf):
                self._add(metric, reading.end, reading.stable)
                self._until[metric] = reading.end
                self.boundaries[metric] = reading.boundaries
        elif isinstance(reading, (NoData, ReadFailure)):
            self.unanswered[metric] = reading.reason
        else:
            self.unanswered[metric] = "it is one number, and a test needs counts"

    def _add(self, metric: str, at: float, counts: ArmCounts) -> None:
        found = self._found[metric]
        found[at] = add_counts(found.get(at, ArmCounts(requests=0, bad=())), counts)

    def history(self) -> History:
        """Return what was collected, in spans of the source's own pace."""
        times = sorted({at for found in self._found.values() for at in found})
        if len(times) < 2:
            return History(every=1.0, spans=(), unanswered=dict(self.unanswered))
        every = max(1.0, self._pace())
        spans: dict[int, dict[str, ArmCounts]] = defaultdict(dict)
        for metric, found in self._found.items():
            for at, counts in found.items():
                span = spans[math.floor((at - times[0]) / every)]
                span[metric] = add_counts(span.get(metric, ArmCounts(requests=0, bad=())), counts)
        unanswered = {k: v for k, v in self.unanswered.items() if k not in self._found}
        return History(
            every=every,
            spans=tuple(_bounded(spans[number]) for number in sorted(spans)),
            boundaries=self.boundaries,
            unanswered=unanswered,
            pods=dict(self._pods),
        )

    def _pace(self) -> float:
        """Return the usual time between two answers of one metric."""
        steps = []
        for found in self._found.values():
            times = sorted(found)
            steps += [later - at for at, later in pairwise(times)]
        return statistics.median(steps) if steps else 1.0


def _bounded(span: dict[str, ArmCounts]) -> dict[str, ArmCounts]:
    """Return counts of which the bad ones are a part, whatever was scraped a moment later."""
    return {
        metric: ArmCounts(
            requests=one.requests, bad=tuple(min(bad, one.requests) for bad in one.bad)
        )
        for metric, one in span.items()
    }


async def read_history(read: Read, *, seconds: float, now: float) -> History:
    """Ask the source for the time before `now`, hour by hour.

    :raises CalibrateError: the source has nothing of it.
    """
    collector = Collector()
    start = now - seconds
    while start < now:
        end = min(start + _CHUNK_SECONDS, now)
        for metric, reading in (await read(Window(start=start, end=end))).items():
            collector.take(metric, reading)
        start = end
    return collector.history()


def history_of_ticks(
    ticks: Iterable[Tick], boundaries: Mapping[str, tuple[float, ...]], *, seconds: float
) -> History:
    """Return the stable arm of a file of counts.

    :param seconds: how much of its end is kept; a file may be longer than memory.
    """
    spans: deque[dict[str, ArmCounts]] = deque()
    times: deque[float] = deque()
    for tick in ticks:
        spans.append({metric: stable for metric, (_, stable) in tick.counts.items()})
        times.append(tick.seconds)
        while times[0] <= tick.seconds - seconds:
            spans.popleft()
            times.popleft()
    steps = [later - at for at, later in pairwise(times)]
    return History(
        every=statistics.median(steps) if steps else 1.0,
        spans=tuple(spans),
        boundaries=dict(boundaries),
    )
