"""What stable did while the canary had no request: kept for the interval in which it has one.

At a request or less per interval most intervals have no canary request and say nothing by
themselves; that stable went on without an error meanwhile is lost with them. Added to the next
interval it is not: at one request a second, a tenth of it the canary's, a comparison every second
is then as fast as one every 15 s, and three times as fast as without.
"""

from __future__ import annotations

from collections.abc import Sequence

from airflow_rollout.analysis.counts import Interval, add_counts
from airflow_rollout.analysis.readings import ArmCounts

__all__ = ["IdleStable"]

# Requests are exchangeable within an interval only as long as what both arms share stays the same.
_LONGEST_SECONDS = 60.0


class IdleStable:
    """Stable's counts since the canary's last request, for at most a minute."""

    __slots__ = ("_counts", "_start")

    def __init__(self) -> None:
        self._start = 0.0
        self._counts: ArmCounts | None = None

    def keep(self, interval: Interval) -> None:
        """Keep the stable arm of an interval without a canary request."""
        if self._counts is None or interval.end - self._start > _LONGEST_SECONDS:
            self._start, self._counts = interval.start, interval.stable
        else:
            self._counts = add_counts(self._counts, interval.stable)

    def added_to(self, interval: Interval) -> ArmCounts:
        """Return the stable arm of an interval with what was kept before it, and forget that."""
        kept, self._counts = self._counts, None
        if kept is None or interval.end - self._start > _LONGEST_SECONDS:
            return interval.stable
        return add_counts(kept, interval.stable)

    def forget(self) -> None:
        """Drop what was kept: the canary's share of the traffic is another one now."""
        self._counts = None

    def state(self) -> list[float] | None:
        """Return what is kept as plain numbers."""
        counts = self._counts
        return None if counts is None else [self._start, counts.requests, *counts.bad]

    def restore(self, state: Sequence[float] | None) -> None:
        """Continue from `state`."""
        self._counts = None
        if state is not None:
            self._start = float(state[0])
            self._counts = ArmCounts(
                requests=int(state[1]), bad=tuple(int(bad) for bad in state[2:])
            )
