"""When a gate asks for its metrics: at moments that depend on the question, not on the gate.

Gates that ask the same source the same thing do so at the same moments, so that it can be asked
once for all of them. Different questions are spread over the interval: a source with a thousand
gates behind it is not asked a thousand things in one instant.
"""

from __future__ import annotations

import math
import zlib

from airflow_rollout.analysis.parameters import Metric
from airflow_rollout.metrics.registry import PROVIDERS
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["asked_together", "next_moment"]


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
