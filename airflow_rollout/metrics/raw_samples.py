"""From scraped samples of a router's counters to a reading of both arms.

Pure bookkeeping on what a time series database returned for one window: which process a series
belongs to, which of its lives, and since when it is known to have been zero.

* A **target** is one scraped process: all labels that the router does not set itself.
* A **life** is one run of that process, told apart by its start time.
* A series that a target was scraped without, and then with, was born in between: all it counts is
  new. Its `born_at` is the last scrape without it, or the process's start if that came later.
* A scrape is known by the router's `alive` family. Databases that merge replicas may give the
  series of one target different times; such a time is no scrape, so nothing is inferred from it.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import CounterPoint, CounterSeries, Cumulative, NoData
from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.metrics.counters import boundary, slower_than, whole_count
from airflow_rollout.metrics.query_sets import QuerySet

__all__ = ["ArmsAsked", "RawSeries", "read_arms"]

Labels = frozenset[tuple[str, str]]

# time -> requests and bad requests
Points = dict[float, tuple[int, tuple[int, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSeries:
    """One series as the database returned it; `labels` without the metric's name."""

    name: str
    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]

    def key(self, without: frozenset[str] = frozenset()) -> Labels:
        """Return the labels as a key, some left out."""
        return frozenset((k, v) for k, v in self.labels.items() if k not in without)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmsAsked:
    """What was asked for: which family, and which label tells the arms apart.

    :param arms: the arms' names in that label, the canary's first.
    :param pod_label: the label that names the pod which answered, None where there is none.
    :param system: for error messages.
    """

    rows: QuerySet
    question: Question
    arm_label: str
    arms: tuple[str, str]
    system: str
    pod_label: str | None = None

    @property
    def family(self) -> str:
        """Return the name of the series that are counted."""
        if self.question is Question.ERRORS:
            return self.rows.requests
        return f"{self.rows.durations}_bucket"

    @property
    def own_labels(self) -> frozenset[str]:
        """Return the labels that do not name the scraped process."""
        return (self.rows.own_labels - {self.rows.arm_label}) | {self.arm_label, "le"}

    def arm_of(self, series: RawSeries) -> str:
        """Return the arm's name in a series' label, empty where there is none."""
        return self.rows.arm_of(series.labels.get(self.arm_label, ""))

    def at_targets(self, found: Sequence[RawSeries]) -> ArmsAsked:
        """Return the same for a pod's label that the router sets, not whoever scrapes the pods."""
        alive = [raw for raw in found if raw.name == self.rows.alive]
        if self.pod_label is None or not alive or any(self.pod_label in r.labels for r in alive):
            return self
        rows = replace(self.rows, own_labels=self.rows.own_labels | {self.pod_label})
        return replace(self, rows=rows)


class Scrapes:
    """When each target was scraped, and which start time it showed then."""

    def __init__(
        self, found: Sequence[RawSeries], starts: Sequence[RawSeries], asked: ArmsAsked
    ) -> None:
        alive = _times([s for s in found if s.name == asked.rows.alive], asked)
        # Some people keep the service families only: then any series of the target has to do.
        self.times = {**_times(found, asked), **alive}
        self._starts = {raw.key(): dict(raw.samples) for raw in starts}

    def life(self, target: Labels, at: float) -> float | None:
        """Return the start time the target showed at that scrape, None if it showed none."""
        return self._starts.get(target, {}).get(at)

    def born_at(self, target: Labels, first: float) -> float | None:
        """Return the latest time before its first point when a series was surely zero."""
        times = self.times[target]
        index = bisect_left(times, first)
        scraped = index < len(times) and times[index] == first
        known = [times[index - 1]] if scraped and index else []
        life = self.life(target, first)
        # A process that starts after it was scraped has another clock: its start says nothing.
        if life is not None and life <= first:
            known.append(life)
        return max(known, default=None)


def _times(series: Sequence[RawSeries], asked: ArmsAsked) -> dict[Labels, list[float]]:
    times: dict[Labels, set[float]] = defaultdict(set)
    for raw in series:
        times[raw.key(asked.own_labels)].update(at for at, _ in raw.samples)
    return {target: sorted(found) for target, found in times.items()}


def read_arms(
    found: Sequence[RawSeries], starts: Sequence[RawSeries], asked: ArmsAsked
) -> Cumulative | NoData:
    """Return both arms' counters; an arm without a series at a scraped target is at zero.

    :param found: all series of the window: the counted family and the router's `alive` one.
    :param starts: start times of the scraped processes.
    :raises PermanentAdapterError: samples that are no counts, buckets that do not fit together.
    """
    asked = asked.at_targets(found)
    scrapes = Scrapes(found, starts, asked)
    at = max(sample[0] for raw in found for sample in raw.samples)
    counted = [s for s in found if s.name == asked.family]
    edges = _edges(counted, asked) if asked.question is Question.LATENCY else []
    if asked.question is Question.LATENCY and not edges:
        return NoData(at=at, reason="the router has served no request yet: its buckets are unknown")
    canary, stable = (_arm(arm, counted, scrapes, edges, asked) for arm in asked.arms)
    boundaries = tuple(e * asked.rows.seconds_per_unit for e in edges if e != math.inf)
    return Cumulative(at=at, boundaries=boundaries, canary=canary, stable=stable)


def _arm(
    arm: str,
    counted: Sequence[RawSeries],
    scrapes: Scrapes,
    edges: list[float],
    asked: ArmsAsked,
) -> tuple[CounterSeries, ...]:
    mine = [raw for raw in counted if asked.arm_of(raw) == arm]
    errors = asked.question is Question.ERRORS
    found = _error_points(mine, asked) if errors else _latency_points(mine, edges, asked)
    series = [
        one
        for labels, target, points in found
        for one in _lives(_short(labels), target, points, scrapes, pod=_pod(labels, asked))
    ]
    if series:
        return tuple(series)
    zero = (0, (0,) * max(1, len(edges) - 1))
    return tuple(
        one
        for target, times in scrapes.times.items()
        for one in _lives(f"none {_short(target)}", target, dict.fromkeys(times, zero), scrapes)
    )


def _error_points(
    series: Sequence[RawSeries], asked: ArmsAsked
) -> Iterator[tuple[Labels, Labels, Points]]:
    """Yield labels, target and points of each status's counter, without clients that left."""
    for raw in series:
        status = raw.labels.get(asked.rows.status_label, "")
        if not asked.rows.counts(status):
            continue
        bad = asked.rows.is_error(status)
        points: Points = {}
        for at, value in raw.samples:
            count = whole_count(value, name=raw.name, system=asked.system)
            points[at] = (count, (count if bad else 0,))
        yield raw.key(), raw.key(asked.own_labels), points


def _latency_points(
    series: Sequence[RawSeries], edges: list[float], asked: ArmsAsked
) -> Iterator[tuple[Labels, Labels, Points]]:
    """Yield labels, target and points of each histogram, put together from its buckets."""
    histograms: dict[Labels, dict[float, dict[float, int]]] = defaultdict(lambda: defaultdict(dict))
    targets: dict[Labels, Labels] = {}
    for raw in series:
        key = raw.key(frozenset({"le"}))
        targets[key] = raw.key(asked.own_labels)
        edge = boundary(raw.labels.get("le", ""), name=raw.name, system=asked.system)
        for at, value in raw.samples:
            count = whole_count(value, name=raw.name, system=asked.system)
            histograms[key][at][edge] = count
    for key, scrapes in histograms.items():
        # A time at which buckets are missing is left out: the next one counts for both.
        whole = {at: found for at, found in scrapes.items() if len(found) == len(edges)}
        if not whole:
            raise PermanentAdapterError(
                f"{asked.family}: the series of one router have different buckets",
                system=asked.system,
            )
        counts = {
            at: slower_than(found, name=asked.family, system=asked.system)
            for at, found in whole.items()
        }
        yield key, targets[key], counts


def _edges(series: Sequence[RawSeries], asked: ArmsAsked) -> list[float]:
    names = {raw.labels.get("le", "") for raw in series}
    return sorted(boundary(le, name=asked.family, system=asked.system) for le in names)


def _pod(labels: Labels, asked: ArmsAsked) -> str:
    return next((value for name, value in labels if name == asked.pod_label), "")


def _lives(
    name: str, target: Labels, points: Points, scrapes: Scrapes, *, pod: str = ""
) -> Iterator[CounterSeries]:
    for life, times in groupby(sorted(points), key=lambda at: scrapes.life(target, at)):
        found = tuple(
            CounterPoint(at=at, requests=points[at][0], bad=points[at][1]) for at in times
        )
        yield CounterSeries(
            key=name if life is None else f"{name} since {life:.3f}",
            points=found,
            born_at=scrapes.born_at(target, found[0].at),
            pod=pod,
        )


def _short(labels: Labels) -> str:
    """Return a name for a label set; gates save one for each series, so it has to be short."""
    text = "\0".join(f"{name}\0{value}" for name, value in sorted(labels))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
