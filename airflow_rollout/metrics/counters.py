"""Turn numbers off the wire into counts: whole, finite and not negative, or refused."""

from __future__ import annotations

import math

from airflow_rollout.errors import PermanentAdapterError

__all__ = ["boundary", "slower_than", "whole_count"]


def whole_count(value: float, *, name: str, system: str) -> int:
    """Return a counter's value; NaN, infinite, negative or broken numbers are refused.

    :raises PermanentAdapterError: guessing would turn a broken source into evidence.
    """
    if not math.isfinite(value) or value < 0 or value != int(value):
        raise PermanentAdapterError(f"{name} is {value!r}, which is no count", system=system)
    return int(value)


def boundary(le: str, *, name: str, system: str) -> float:
    """Return the upper boundary of a histogram bucket, infinite for the last one."""
    try:
        value = float(le)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise PermanentAdapterError(f"{name} has a bucket le={le!r}", system=system)
    return value


def slower_than(
    buckets: dict[float, int], *, name: str, system: str
) -> tuple[int, tuple[int, ...]]:  # fmt: skip
    """Return all requests of a histogram and, per finite boundary, how many were slower.

    Buckets are cumulative upwards ("at most le seconds"), so slower ones are total minus bucket.

    :raises PermanentAdapterError: no +Inf bucket, or a bucket below its predecessor.
    """
    total = buckets.get(math.inf)
    if total is None:
        raise PermanentAdapterError(f"{name} has no bucket le=+Inf", system=system)
    slower = tuple(total - buckets[le] for le in sorted(buckets) if le != math.inf)
    if any(a < b for a, b in zip(slower, (*slower[1:], 0), strict=True)):
        raise PermanentAdapterError(f"{name}: its buckets do not rise", system=system)
    return total, slower
