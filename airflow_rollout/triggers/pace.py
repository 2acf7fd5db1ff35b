"""When a gate asks: for its metrics at moments that depend on the question, not on the gate.

Gates that ask the same source the same thing do so at the same moments, so that it can be asked
once for all of them. Different questions are spread over the interval: a source with a thousand
gates behind it is not asked a thousand things in one instant.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_rollout.analysis.parameters import Metric
from airflow_rollout.metrics.base import Window
from airflow_rollout.metrics.registry import PROVIDERS
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["CROWD", "Crowd", "asked_together", "next_moment", "read_window"]

# How far a read looks back beyond the last answer, so that a slow source's late points are met.
_LOOKBACK_SECONDS = 60.0

# After a source was away, or a gate was moved: what is older is left, or the answer gets too large.
_LONGEST_LOOKBACK_SECONDS = 600.0

# Each gate probes two versions a second, a probe takes a triggerer most of a millisecond: with this
# many gates probes take a fifth of its one processor.
_GATES_AT_FULL_PACE = 100

# A crowd is counted in so many gates, or each one that comes or goes would shift all rounds.
_GATES_COUNTED = 50


class Crowd:
    """The gates of one process, which share its event loop.

    The more of them there are, the more rarely each probes, looks around and saves: a thousand see
    a dead version after 11 s instead of 2 s, but all of them go on judging in time.
    """

    def __init__(self) -> None:
        self._size = 0

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Be one of them meanwhile."""
        self._size += 1
        try:
            yield
        finally:
            self._size -= 1

    @property
    def is_large(self) -> bool:
        """Say whether there are more gates than can all go at full pace."""
        return self._size > _GATES_AT_FULL_PACE

    def stretched(self, alone: float, *, longest_seconds: float = math.inf) -> float:
        """Return the time between two rounds for who would leave `alone` seconds between them."""
        counted = math.ceil(self._size / _GATES_COUNTED) * _GATES_COUNTED
        factor = max(1.0, counted / _GATES_AT_FULL_PACE)
        return min(alone * factor, max(alone, longest_seconds))


CROWD = Crowd()


def asked_together(spec: RolloutSpec) -> dict[float, tuple[Metric, ...]]:
    """Return the metrics of a rollout by their place in the interval, from 0 to below 1."""
    found: dict[float, list[Metric]] = {}
    for metric in spec.judge.metrics:
        found.setdefault(_place(spec, metric), []).append(metric)
    return {place: tuple(metrics) for place, metrics in found.items()}


def next_moment(now: float, *, every_seconds: float, place: float) -> float:
    """Return the next moment of a place, in seconds of the epoch: the same number for all."""
    count = math.floor(now / every_seconds - place) + 1
    return (count + place) * every_seconds


def read_window(opened_at: float, last_answer_at: float, now: float) -> Window:
    """Return what a read may look at: since the last answer and a margin, never before the open."""
    start = max(opened_at, last_answer_at - _LOOKBACK_SECONDS, now - _LONGEST_LOOKBACK_SECONDS)
    return Window(start=start, end=now, earliest=opened_at)


def _place(spec: RolloutSpec, metric: Metric) -> float:
    """Return where in the interval a question belongs."""
    source = spec.source
    told: list[object] = [source.provider, source.conn_id, source.options]
    # A page is the same page whatever is looked for on it.
    if PROVIDERS[source.provider].queries:
        query = metric.query or metric.question
        own = metric.query is None or "{{" in metric.query
        told += [query, *((spec.traffic.service, spec.namespace) if own else ())]
    return zlib.crc32(repr(told).encode()) / 2**32
