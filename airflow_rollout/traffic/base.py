"""What every router's adapter offers, and the record that every router keeps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from airflow_rollout.release import TrafficSplit
from airflow_rollout.wire import Send

__all__ = ["Feature", "Lease", "LeaseKeeper", "OneService", "Router", "Shaped", "WriteConflict"]


class Feature(StrEnum):
    """What a router can do; preflight refuses a spec that needs more."""

    WEIGHTS = "weights"
    CONDITIONAL_WRITE = "conditional_write"
    READ_BACK = "read_back"
    LEASE = "lease"


class WriteConflict(Exception):
    """The router's record was not what the write expected; carries what it was."""

    def __init__(self, found: TrafficSplit | None) -> None:
        self.found = found
        super().__init__(f"the router's record changed: {found}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The last sign of life of whoever judges a release: which attempt, who, when (its clock)."""

    epoch: str
    holder: str
    renewed_at: float


class LeaseKeeper(Protocol):
    """A router with `Feature.LEASE`: keeps a lease beside the record, never in the route.

    It decides nothing. It tells a person, and the next release, whether somebody still watches.
    """

    async def read_lease(self, send: Send) -> Lease | None:
        """Return the last lease, None when there never was one or it cannot be understood."""
        ...

    async def renew_lease(self, lease: Lease, send: Send) -> None:
        """Leave a new one; the last writer wins."""
        ...


@runtime_checkable
class Shaped(Protocol):
    """A router that has to be told which backends there are, apart from their weights.

    Neither call moves traffic: a canary comes and goes at weight 0.
    """

    async def attach(self, send: Send) -> None:
        """Name the canary at weight 0, while its release is open; again is fine."""
        ...

    async def detach(self, send: Send) -> None:
        """Forget the canary, where no release is open and it has no weight; again is fine."""
        ...


@runtime_checkable
class OneService(Protocol):
    """A router with both arms behind one Service: how many pods each has is the weight.

    :param arm_label: the one label in which the canary's pods differ from stable's.
    """

    arm_label: str


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
