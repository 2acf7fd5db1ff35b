"""What every workload's adapter offers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from airflow_rollout.analysis.readings import Probe
from airflow_rollout.release import Arm
from airflow_rollout.wire import Send

__all__ = ["Beside", "Place", "Sized", "TargetForm", "Workload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetForm:
    """How a release says where its version comes from.

    :param name: the release's parameter, for example ``url`` or ``image``.
    :param pattern: a JSON-schema pattern its value must match.
    """

    name: str
    title: str
    description: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a workload stands: the rollout's namespace, and its service's name at the router.

    :param arm_label: the one label in which the canary's pods differ from stable's, where both are
        behind one Service; empty where each arm has its own.
    """

    namespace: str
    service: str
    arm_label: str = ""


class Workload(Protocol):
    """Start, probe, promote and remove the thing that is released. All calls are idempotent."""

    async def deploy(self, canary: Arm, send: Send) -> None:
        """Start the canary; return before it is ready."""
        ...

    async def probe(self, arm: Arm, at: float, send: Send) -> Probe:
        """Ask once whether an arm can serve; a failed probe is an answer, not an error."""
        ...

    async def promote(self, canary: Arm, send: Send) -> str:
        """Give the idle stable workload the canary's version; wait for nothing.

        Called until it returns an empty text, which means that stable serves that version. What it
        returns before that is what stable still waits for. Whoever calls asks the router's record
        before each call whether the release may still be promoted.
        """
        ...

    async def remove(self, canary: Arm, send: Send, *, released: bool) -> None:
        """Remove what `deploy` made; nothing else, and no error if it is gone.

        :param released: whether the canary has become stable. If not, what `promote` did to the
            stable workload is taken back first.
        """
        ...


@runtime_checkable
class Sized(Protocol):
    """A workload whose canary may grow with its weight.

    :param grows: whether it does; if not, it has its full size from the start.
    """

    grows: bool

    async def size(self, canary: Arm, weight: int, at: float, send: Send) -> str:
        """Give the canary what it needs to carry a weight; wait for nothing.

        Called before the weight rises, until it returns an empty text. What it returns before that
        is what the canary still waits for. It never takes anything away again.

        :param at: now, in epoch seconds.
        :raises PermanentAdapterError: it cannot be had, in the words of `probe`.
        """
        ...

    async def shares(self, weights: Collection[int], send: Send) -> list[str]:
        """Return, in words, which weights will be another share of traffic in truth."""
        ...


@runtime_checkable
class Beside(Protocol):
    """A workload that other things of its cluster may reach into."""

    async def check_beside(self, reached: Collection[str], send: Send) -> list[str]:
        """Return what a person should know of them before a release.

        :param reached: names of the Services that users reach on the same way.
        :raises PermanentAdapterError: the canary would get traffic that no weight holds back.
        """
        ...
