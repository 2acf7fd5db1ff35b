"""The few statistics the tables show: nothing is averaged away, ranges stand beside medians."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Summary", "linearity", "percentile", "summarize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How many values there were, their middle, their ends and their 95th percentile."""

    count: int
    median: float
    lowest: float
    highest: float
    p95: float


def summarize(values: Sequence[float]) -> Summary | None:
    """Return the summary of the values, None when there are none."""
    if not values:
        return None
    return Summary(
        count=len(values),
        median=statistics.median(values),
        lowest=min(values),
        highest=max(values),
        p95=percentile(values, 95),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile: always one of the values, so few values flatter nobody.

    With fewer than 20 values the 95th percentile is the largest one. ValueError without values
    or outside 0 < percent <= 100.
    """
    if not values:
        raise ValueError("a percentile of no values")
    if not 0 < percent <= 100:
        raise ValueError(f"percent must be above 0 and at most 100, not {percent!r}")
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def linearity(seconds_of: dict[int, float], *, small: int, large: int) -> float:
    """Return cost per item at `large` over cost per item at `small`; 1 is perfectly linear.

    :param seconds_of: number of items -> seconds for all of them.
    """
    return (seconds_of[large] / large) / (seconds_of[small] / small)
