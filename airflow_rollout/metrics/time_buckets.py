"""From systems that store counts a bucket of time to a reading of both arms.

A counter of a process rises for ever; Datadog, New Relic and their like keep what happened in each
10 seconds instead. A bucket is read as a counter's life of its own: zero when it begins, its count
when it ends. So each bucket is counted once, however often it is read, and none is lost when a
read is late. A bucket that has been counted is not looked at again: what arrives after the delay is
lost and never counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from airflow_rollout.analysis.readings import (
    CounterPoint,
    CounterSeries,
    Cumulative,
    NoData,
    Reading,
    Value,
)
from airflow_rollout.errors import PermanentAdapterError, SpecError
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.metrics.source_options import SourceOptions

__all__ = [
    "BUCKET_OPTIONS",
    "Buckets",
    "Span",
    "Tally",
    "boundaries_of",
    "count_of",
    "filled_in",
    "newest",
    "read_buckets",
    "read_seconds",
]

# start of a bucket -> requests, and how many of them were worse than each boundary
Tally = Mapping[float, tuple[int, tuple[int, ...]]]

# A counter that is born exactly when the one before it dies could be either.
_INSTANT_SECONDS = 0.001

# A service that gets requests has some in nearly every bucket: after this many without any, in
# either arm, the source has stopped telling, and what it told before does not say how it is now.
_STALE_BUCKETS = 3

# Counts that were rates in between come back with the last digits wrong.
_WHOLE = 0.01

# Latencies a person can tell apart; the limit of the question is added.
_USUAL_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5)

BUCKET_OPTIONS = {
    "bucket": "length of the buckets that are counted",
    "delay": "how long after its end a bucket is complete",
    "boundaries": "latencies in seconds that are told apart, 0.1,0.25,0.5,1,2.5 if not given",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Whole buckets that are over, in seconds of the epoch."""

    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """How a system's time is cut.

    :param seconds: length of a bucket; buckets begin at whole multiples of it.
    :param delay_seconds: how long after its end a bucket is complete.
    """

    seconds: float
    delay_seconds: float

    @classmethod
    def of(cls, options: SourceOptions, *, seconds: float, delay_seconds: float) -> Buckets:
        """Return what the options say, with these defaults."""
        return cls(
            seconds=options.seconds("bucket", seconds, minimum=1, maximum=300),
            delay_seconds=options.seconds("delay", delay_seconds, minimum=0, maximum=900),
        )

    def closed(self, at: Window) -> Span | None:
        """Return the buckets inside a window that are complete, None where there is none.

        The newest one is left out until it is over and its delay has passed: half a bucket would
        look like half the traffic. None begins before the release was opened.
        """
        end = math.floor((at.end - self.delay_seconds) / self.seconds) * self.seconds
        since = at.since(self.delay_seconds + 2 * self.seconds)
        start = math.ceil(since / self.seconds) * self.seconds
        return Span(start=start, end=end) if start < end else None


def read_seconds(options: SourceOptions) -> tuple[float, ...]:
    """Return the latencies that are told apart, ascending.

    :raises SpecError: no numbers, or numbers that do not rise.
    """
    text = options.text("boundaries")
    if not text.strip():
        return _USUAL_SECONDS
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(a < b for a, b in zip((0.0, *found), (*found, math.inf), strict=True)):
        raise SpecError(
            "are no rising numbers", path="source.boundaries", found=text, allowed="0.1,0.5,1"
        )
    return found


def boundaries_of(query: MetricQuery, usual: tuple[float, ...]) -> tuple[float, ...]:
    """Return the latencies a question tells apart, its own limit among them."""
    own = () if query.boundary_seconds is None else (query.boundary_seconds,)
    return tuple(sorted({*usual, *own}))


def filled_in(pattern: str, query: MetricQuery) -> str:
    """Return a pattern with the service and the namespace in it."""
    return pattern.replace("{service}", query.service).replace("{namespace}", query.namespace)


def count_of(value: object, *, name: str, system: str) -> int:
    """Return a count as a whole number, null as none.

    :raises PermanentAdapterError: guessing would turn a broken source into evidence.
    """
    if value is None:
        return 0
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        whole = round(value)
        if whole >= 0 and abs(value - whole) <= _WHOLE:
            return whole
    raise PermanentAdapterError(f"{name} is {value!r}, which is no count", system=system)


def read_buckets(
    canary: Tally,
    stable: Tally,
    *,
    span: Span,
    buckets: Buckets,
    boundaries: tuple[float, ...] = (),
) -> Cumulative | NoData:
    """Return both arms' counts; an arm without a bucket that the other one has had no request.

    :param boundaries: of a latency; empty for errors.
    """
    times = sorted(
        start
        for start in {*canary, *stable}
        if span.start <= start and start + buckets.seconds <= span.end
    )
    if not times:
        return NoData(
            at=span.end,
            reason=f"neither arm has a request in the {span.end - span.start:g} s until "
            f"{buckets.delay_seconds:g} s ago",
        )
    silent = span.end - times[-1] - buckets.seconds
    if silent >= _STALE_BUCKETS * buckets.seconds:
        return NoData(
            at=span.end,
            reason=f"neither arm has a request in the last {silent:g} s that are complete",
        )
    empty = (0, (0,) * max(1, len(boundaries)))
    arms = [
        tuple(_lives(((start, tally.get(start, empty)) for start in times), buckets.seconds))
        for tally in (canary, stable)
    ]
    at = times[-1] + buckets.seconds
    return Cumulative(at=at, boundaries=boundaries, canary=arms[0], stable=arms[1])


def _lives(
    counts: Iterable[tuple[float, tuple[int, tuple[int, ...]]]], seconds: float
) -> Iterable[CounterSeries]:
    for start, (requests, bad) in counts:
        # Counts that were not taken in the same instant may show more bad requests than requests.
        kept = tuple(min(one, requests) for one in bad)
        point = CounterPoint(at=start + seconds, requests=requests, bad=kept)
        yield CounterSeries(key="buckets", points=(point,), born_at=start + _INSTANT_SECONDS)


def newest(
    points: Iterable[tuple[float, float | None]],
    *,
    since: float,
    until: float,
    delay_seconds: float = 0.0,
) -> Reading:
    """Return the newest number of a series that is complete and of this release.

    It is dated by when it was complete: a source that is always a minute late is not out of date,
    one that has stopped is.

    :param points: end of the bucket -> its number, None for none; in any order.
    :param since: buckets that end before began before the release: with a part of another one.
    :param until: buckets that end after are not complete yet.
    :param delay_seconds: how long after its end a bucket is complete.
    """
    known = [(at, value) for at, value in points if value is not None]
    complete = [one for one in known if since <= one[0] <= until]
    if complete:
        at, value = max(complete)
        return Value(at=at + delay_seconds, canary=value)
    if not known:
        return NoData(at=until, reason="the series holds no number")
    age = until - max(known)[0]
    return NoData(
        at=until,
        reason="the newest number is not complete yet"
        if age < 0
        else f"the newest number is {age:g} s old and from before this release",
    )
