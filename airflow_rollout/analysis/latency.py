"""What of a latency histogram matters to somebody who says how slow is too slow."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_rollout.analysis.histogram import boundary_at
from airflow_rollout.analysis.parameters import Metric, Question, Semantics

__all__ = ["first_compared", "latency_limit"]

# A canary has a tenth of the traffic, and colder caches and processors: it is a few milliseconds
# slower where nobody who allows half a second cares.
_FAST_ENOUGH = 0.1


def latency_limit(metric: Metric, semantics: Semantics) -> float | None:
    """Return the limit of a latency metric in seconds, None where there is none."""
    if metric.boundary_seconds is not None:
        return metric.boundary_seconds
    if metric.threshold is None or metric.threshold.maximum is None:
        return None
    scale = 1000.0 if semantics is Semantics.FLAGGER else 1.0
    return metric.threshold.maximum / scale


def first_compared(metric: Metric, semantics: Semantics, boundaries: Sequence[float]) -> int:
    """Return the index of the first boundary at which both versions are compared.

    The first from a tenth of the limit on (the last one if all lie below), or the first of all
    where there is no limit.
    """
    limit = latency_limit(metric, semantics)
    if metric.question is not Question.LATENCY or limit is None or not boundaries:
        return 0
    return boundary_at(boundaries, limit * _FAST_ENOUGH)
