"""What every router's adapter offers, and the record that every router keeps."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from airflow_rollout.release import TrafficSplit
from airflow_rollout.wire import Send

__all__ = ["Feature", "Router", "WriteConflict"]


class Feature(StrEnum):
    """What a router can do; preflight refuses a spec that needs more."""

    WEIGHTS = "weights"
    CONDITIONAL_WRITE = "conditional_write"
    READ_BACK = "read_back"


class WriteConflict(Exception):
    """The router's record was not what the write expected; carries what it was."""

    def __init__(self, found: TrafficSplit | None) -> None:
        self.found = found
        super().__init__(f"the router's record changed: {found}")


class Router(Protocol):
    """Read and write one service's split at one router.

    Methods raise `TransientAdapterError` and `PermanentAdapterError`.
    """

    features: frozenset[Feature]

    async def read(self, send: Send) -> TrafficSplit | None:
        """Return the recorded split, None when the router knows nothing of the service."""
        ...

    async def write(
        self, split: TrafficSplit, expected: TrafficSplit | None, send: Send
    ) -> TrafficSplit:
        """Write split and record in one request; `WriteConflict` if `expected` is not there."""
        ...

    async def live(self, send: Send) -> int | None:
        """Return the weight the data plane works with now, None when it does not say."""
        ...
