"""Differencing: from what a metric system answered to closed intervals, each counted once.

One ledger a metric. It remembers the last point of every series, adds up what is new in both
arms, and closes an interval when both have moved on. Every decision is made in the source's own
time; an answer that is fed twice, or late, adds nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_rollout.analysis.readings import (
    ArmCounts,
    CounterPoint,
    CounterSeries,
    Cumulative,
    Increments,
)

__all__ = ["ByPod", "Interval", "Ledger", "add_counts"]

# A series that moves no more while another one of its arm got this many points has stopped: a
# range query still shows it for minutes, and the arm must not wait for it.
_OUTPACED_POINTS = 2

# A series' key may hold all its labels; a longer one is kept as a digest, or the state would grow
# with the number of labels.
_LONGEST_KEY = 32

_NOTHING = ArmCounts(requests=0, bad=())

# A series that vanished may come back under its key; after this time it is forgotten.
_FORGET_SECONDS = 600.0


# The counts of the canary's pods and of stable's.
ByPod = tuple[tuple[ArmCounts, ...], tuple[ArmCounts, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What both arms did between two times of the source; `pods` are each arm's own, if named."""

    start: float
    end: float
    canary: ArmCounts
    stable: ArmCounts
    pods: ByPod = ((), ())


def add_counts(a: ArmCounts, b: ArmCounts) -> ArmCounts:
    """Return the sum; an empty `bad` stands for zeros of any length."""
    if not a.bad or not b.bad:
        return ArmCounts(requests=a.requests + b.requests, bad=a.bad or b.bad)
    return ArmCounts(
        requests=a.requests + b.requests,
        bad=tuple(x + y for x, y in zip(a.bad, b.bad, strict=True)),
    )


class _Arm:
    """The series of one arm: last points, what is pending, which moved since the last closing.

    `stalled` series did not move in the last closed interval; nothing waits for them until they do.
    """

    __slots__ = ("fresh", "last", "pending", "pods", "stalled")

    def __init__(self) -> None:
        self.last: dict[str, CounterPoint] = {}
        self.fresh: dict[str, int] = {}
        self.stalled: set[str] = set()
        self.pending = _NOTHING
        self.pods: dict[str, ArmCounts] = {}

    def take(self, series: Iterable[CounterSeries], observed_from: float) -> bool:
        """Add what is new; return whether anything was counted (origins do not count)."""
        counted = False
        for one in series:
            for point in one.points:
                counted |= self._take_point(one, point, observed_from)
        return counted

    def _take_point(self, series: CounterSeries, point: CounterPoint, observed_from: float) -> bool:
        key = _short(series.key)
        before = self.last.get(key)
        if before is not None and point.at <= before.at:
            return False
        self.last[key] = point
        self.fresh[key] = self.fresh.get(key, 0) + 1
        self.stalled.discard(key)
        born = series.born_at
        if before is None:
            if born is None or born < observed_from:
                return False
            increment = ArmCounts(requests=point.requests, bad=point.bad)
        elif point.requests < before.requests or (born is not None and born > before.at):
            increment = ArmCounts(requests=point.requests, bad=point.bad)
        else:
            increment = _difference(before, point)
        counts = _bounded(increment)
        self.pending = add_counts(self.pending, counts)
        if series.pod:
            self.pods[series.pod] = add_counts(self.pods.get(series.pod, _NOTHING), counts)
        return True

    def is_ready(self, live: set[str]) -> bool:
        """Say whether every series that still moves has moved; an arm without series is ready."""
        moving = live - self.stalled
        if not moving:
            return True
        fresh = [self.fresh[key] for key in moving if key in self.fresh]
        if len(fresh) == len(moving):
            return True
        return bool(fresh) and max(fresh) >= _OUTPACED_POINTS

    def close(
        self, size: int, live: set[str], pods: Iterable[str]
    ) -> tuple[ArmCounts, tuple[ArmCounts, ...]]:
        """Hand over what is pending, in all and by pod, and start anew.

        :param pods: those that are there, with or without a request.
        """
        self.stalled = {key for key in live if key not in self.fresh}
        zero = ArmCounts(requests=0, bad=(0,) * size)
        counts = add_counts(self.pending, zero)
        names = sorted({*self.pods, *pods} - {""})
        by_pod = tuple(add_counts(self.pods.get(name, zero), zero) for name in names)
        self.pending, self.pods, self.fresh = _NOTHING, {}, {}
        return counts, by_pod

    def forget(self, live: set[str], before: float) -> None:
        """Drop series that are gone for long, so that the state stays small."""
        gone = [k for k, p in self.last.items() if k not in live and p.at < before]
        for key in gone:
            del self.last[key]

    def state(self) -> dict[str, Any]:
        return {
            "last": {k: [p.at, p.requests, *p.bad] for k, p in self.last.items()},
            "fresh": dict(self.fresh),
            "stalled": sorted(self.stalled),
            "pending": [self.pending.requests, *self.pending.bad],
            "pods": {name: [one.requests, *one.bad] for name, one in self.pods.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.last = {
            key: CounterPoint(at=at, requests=requests, bad=tuple(bad))
            for key, (at, requests, *bad) in state["last"].items()
        }
        self.fresh = {key: int(count) for key, count in state["fresh"].items()}
        self.stalled = set(state["stalled"])
        requests, *bad = state["pending"]
        self.pending = ArmCounts(requests=requests, bad=tuple(bad))
        self.pods = {
            name: ArmCounts(requests=requests, bad=tuple(bad))
            for name, (requests, *bad) in state["pods"].items()
        }


class Ledger:
    """The counts of one metric, both arms.

    `boundaries` are known after the first answer that holds a series. `newest` is the source's
    time as far as it is known; `observed_from` the time of the first answer. `problem` says why
    the last answer could not be counted, empty when it could.
    """

    __slots__ = (
        "_arms",
        "_closed_at",
        "_counted",
        "boundaries",
        "newest",
        "observed_from",
        "problem",
    )

    def __init__(self) -> None:
        self.boundaries: tuple[float, ...] | None = None
        self.newest: float | None = None
        self.observed_from: float | None = None
        self.problem = ""
        self._closed_at: float | None = None
        self._counted = False
        self._arms = (_Arm(), _Arm())

    def feed(self, reading: Cumulative | Increments) -> Interval | None:
        """Take an answer in; return the interval it closes, None when it closes none.

        An answer with several new points a series closes one interval, the sum of them: the
        points of both arms rarely fall on the same times, and one update is always right.
        """
        self.problem = self._misfit(reading)
        if self.problem:
            return None
        if isinstance(reading, Increments):
            return self._feed_increments(reading)
        return self._feed_cumulative(reading)

    def _feed_increments(self, reading: Increments) -> Interval | None:
        closed = self._closed_at
        if closed is not None and reading.end <= closed:
            return None
        if closed is not None and reading.start < closed:
            self.problem = (
                f"the interval from {reading.start:.0f} overlaps the one counted until {closed:.0f}"
            )
            return None
        self.boundaries = tuple(reading.boundaries)
        self._observe(reading.start)
        self.newest = max(self.newest or reading.end, reading.end)
        self._closed_at = reading.end
        return Interval(
            start=reading.start,
            end=reading.end,
            canary=_bounded(reading.canary),
            stable=_bounded(reading.stable),
        )

    def _feed_cumulative(self, reading: Cumulative) -> Interval | None:
        sides = (reading.canary, reading.stable)
        points = [p.at for side in sides for one in side for p in one.points]
        self._observe(self._first_time(sides, reading.at))
        if points:
            self.boundaries = tuple(reading.boundaries)
        self.newest = max(self.newest or reading.at, reading.at, *points)
        for arm, side in zip(self._arms, sides, strict=True):
            self._counted |= arm.take(side, self.observed_from or 0.0)
        return self._close(sides)

    def _close(self, sides: Sequence[Sequence[CounterSeries]]) -> Interval | None:
        lives = [{_short(one.key) for one in side if one.points} for side in sides]
        if not all(arm.is_ready(live) for arm, live in zip(self._arms, lives, strict=True)):
            return None
        if not any(arm.fresh for arm in self._arms):
            return None
        end = max(p.at for arm in self._arms for p in arm.last.values())
        start = self._closed_at if self._closed_at is not None else self.observed_from or end
        counted, self._counted = self._counted, False
        self._closed_at = end
        size = max(1, len(self.boundaries or ()))
        (canary, canary_pods), (stable, stable_pods) = (
            arm.close(size, live, (one.pod for one in side))
            for arm, live, side in zip(self._arms, lives, sides, strict=True)
        )
        for arm, live in zip(self._arms, lives, strict=True):
            arm.forget(live, end - _FORGET_SECONDS)
        if not counted:
            return None
        return Interval(
            start=start, end=end, canary=canary, stable=stable, pods=(canary_pods, stable_pods)
        )

    def _observe(self, at: float) -> None:
        if self.observed_from is None:
            self.observed_from = at

    @staticmethod
    def _first_time(sides: Sequence[Sequence[CounterSeries]], at: float) -> float:
        # What was seen first are the points; the read itself may be a scrape interval later, and a
        # process born between the two has its first requests still to be counted.
        firsts = [one.points[0].at for side in sides for one in side if one.points]
        return min(firsts, default=at)

    def _misfit(self, reading: Cumulative | Increments) -> str:
        counts: list[tuple[int, ...]]
        if isinstance(reading, Increments):
            counts = [reading.canary.bad, reading.stable.bad]
        else:
            sides = (reading.canary, reading.stable)
            counts = [p.bad for side in sides for one in side for p in one.points]
            if not counts:
                return ""
        size = max(1, len(reading.boundaries))
        if any(len(bad) != size for bad in counts):
            return f"the answer holds {len(counts[0])} counts for {size} boundaries"
        if self.boundaries is not None and tuple(reading.boundaries) != self.boundaries:
            return (
                f"the bucket boundaries changed in mid-release from {list(self.boundaries)} "
                f"to {list(reading.boundaries)}"
            )
        return ""

    def state(self) -> dict[str, Any]:
        """Return the ledger as JSON-ready values."""
        return {
            "boundaries": None if self.boundaries is None else list(self.boundaries),
            "newest": self.newest,
            "observed_from": self.observed_from,
            "closed_at": self._closed_at,
            "counted": self._counted,
            "arms": [arm.state() for arm in self._arms],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        boundaries = state["boundaries"]
        self.boundaries = None if boundaries is None else tuple(boundaries)
        self.newest = state["newest"]
        self.observed_from = state["observed_from"]
        self._closed_at = state["closed_at"]
        self._counted = bool(state["counted"])
        for arm, saved in zip(self._arms, state["arms"], strict=True):
            arm.restore(saved)


def _short(key: str) -> str:
    if len(key) <= _LONGEST_KEY:
        return key
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def _difference(before: CounterPoint, point: CounterPoint) -> ArmCounts:
    # `requests` did not fall, so the process lives; a single counter that fell was reset alone and
    # has counted from zero since.
    return ArmCounts(
        requests=point.requests - before.requests,
        bad=tuple(
            new if new < old else new - old for old, new in zip(before.bad, point.bad, strict=True)
        ),
    )


def _bounded(counts: ArmCounts) -> ArmCounts:
    # Counters that were not read in the same instant may show more bad requests than requests;
    # the tests need a part of a whole.
    requests = max(0, counts.requests)
    return ArmCounts(requests=requests, bad=tuple(min(max(0, b), requests) for b in counts.bad))
