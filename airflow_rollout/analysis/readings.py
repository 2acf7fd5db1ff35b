"""What a metric system answered, before anything is judged.

One shape serves errors and latency: a number of requests and, beside it, how many of them were
worse than each of the query's boundaries. An error metric has one unnamed boundary ("bad"); a
latency metric has one per histogram bucket ("slower than 0.1 s", "slower than 0.5 s" ...).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ArmCounts",
    "CounterPoint",
    "CounterSeries",
    "Cumulative",
    "Increments",
    "NoData",
    "Probe",
    "ReadFailure",
    "Reading",
    "Value",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCounts:
    """Requests of one arm in one interval; `bad[k]` of them were worse than boundary k."""

    requests: int
    bad: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterPoint:
    """Cumulative counters of one process at one time (`at`: epoch seconds of the source)."""

    at: float
    requests: int
    bad: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterSeries:
    """The points of one process, oldest first.

    `key` names the process's life: after a restart the key differs or the counters fall.
    `born_at` is when all counters of the key were known to be zero, None when that is not known;
    then the first point of an unseen key is its origin and counts nothing.
    `pod` is the pod or instance of the service that answered, empty where the series is of all.
    """

    key: str
    points: tuple[CounterPoint, ...]
    born_at: float | None = None
    pod: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cumulative:
    """Raw counters of both arms; `analysis` does the differencing.

    `boundaries` are in the unit of the metric (seconds for latency), ascending, and empty for an
    error metric, whose `bad` tuples then have exactly one entry.
    """

    at: float
    boundaries: tuple[float, ...]
    canary: tuple[CounterSeries, ...]
    stable: tuple[CounterSeries, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Increments:
    """Counts of one closed interval, from a system that stores counts instead of counters."""

    start: float
    end: float
    boundaries: tuple[float, ...]
    canary: ArmCounts
    stable: ArmCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One number an arm, from a query that can only give a number."""

    at: float
    canary: float | None
    stable: float | None = None
    requests: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoData:
    """The system answered and had nothing: never success, never an error."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFailure:
    """The system could not be asked; made from an `AdapterError` by whoever asked."""

    at: float
    reason: str
    transient: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Whether the canary answered its health probe; `fatal` ends the release at once.

    `fatal` is for what a second look cannot mend: no ready endpoint left, a restart loop.
    """

    at: float
    ok: bool
    detail: str = ""
    fatal: bool = False


Reading = Cumulative | Increments | Value | NoData | ReadFailure
