"""What a metric system has been told of requests: the part that its server does not make up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["EDGES", "Counted", "Counts", "begun", "in_bucket"]

# Latencies that are counted, in seconds: what the bucket systems ask for when nobody says more.
EDGES = (0.1, 0.25, 0.4, 0.5, 1.0, 2.5)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Requests, how many of them were errors, and how many took at most so many seconds."""

    requests: int = 0
    errors: int = 0
    within: Mapping[float, int] = field(default_factory=dict)

    def slower(self, edge: float) -> int:
        """Return how many took longer."""
        # A router writes its page while it counts: it may show a latency before its request.
        return max(0, self.requests - self.within.get(edge, self.requests))

    def plus(self, more: Counts) -> Counts:
        """Return both counts in one."""
        edges = {**self.within, **more.within}
        return Counts(
            requests=self.requests + more.requests,
            errors=self.errors + more.errors,
            within={edge: self.within.get(edge, 0) + more.within.get(edge, 0) for edge in edges},
        )

    def since(self, earlier: Counts) -> Counts:
        """Return what was added to an earlier count."""
        return Counts(
            requests=self.requests - earlier.requests,
            errors=self.errors - earlier.errors,
            within={edge: n - earlier.within.get(edge, 0) for edge, n in self.within.items()},
        )


class Counted(Protocol):
    """Requests by arm (`app-canary`), from the beginning of counting."""

    @property
    def newest(self) -> float:
        """Return until when requests have been counted, in epoch seconds."""
        ...

    def total(self, arm: str, at: float) -> Counts:
        """Return an arm's requests until a time."""
        ...


def begun(counted: Counted, start: float, end: float, seconds: float) -> list[float]:
    """Return the buckets of a span that have begun: the newest may be still filling up."""
    first = math.ceil(start / seconds)
    last = math.ceil(min(end, counted.newest) / seconds)
    return [index * seconds for index in range(first, last)]


def in_bucket(counted: Counted, arm: str, begin: float, seconds: float) -> Counts:
    """Return what an arm did in one bucket, as far as it is over."""
    end = min(begin + seconds, counted.newest)
    return counted.total(arm, end).since(counted.total(arm, begin))
