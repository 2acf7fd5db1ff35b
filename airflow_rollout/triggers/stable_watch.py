"""Whether the stable version still serves: without it there is nobody to fall back on."""

from __future__ import annotations

from airflow_rollout.hooks.systems import Systems
from airflow_rollout.release import Arm
from airflow_rollout.triggers.clock import Clock
from airflow_rollout.triggers.own_delay import LATE_SECONDS, with_own_delay
from airflow_rollout.triggers.rounds import Next

__all__ = ["StableWatch"]

# As for the canary: one lost probe is an accident, two in a row are not.
_FAILED_IN_A_ROW = 2


class StableWatch:
    """Probe the stable version beside the judging.

    Only a version that has answered before can be gone: an old one may serve without knowing the
    health path of the new one, and must not hold up the release that brings it.

    :param stable: None where the service has no stable version.
    """

    def __init__(self, systems: Systems, stable: Arm | None, clock: Clock) -> None:
        self._systems = systems
        self._stable = stable
        self._clock = clock
        self._has_answered = False
        self._failed = 0
        self._last = ""

    @property
    def fault(self) -> str:
        """Return why nobody could fall back on the stable version now, empty if all is well."""
        if self._stable is None or not self._has_answered or self._failed < _FAILED_IN_A_ROW:
            return ""
        return f"stable version {self._stable.version} does not answer: {self._last}"

    async def probe(self) -> Next:
        """Ask the stable version once, and say when to ask again."""
        if self._stable is None:
            return Next.STEADY
        probe, late = await with_own_delay(self._systems.probe(self._stable, self._clock.now()))
        if not probe.ok and late > LATE_SECONDS:
            return Next.LATER
        self._has_answered = self._has_answered or probe.ok
        self._failed = 0 if probe.ok else self._failed + 1
        self._last = probe.detail
        # One that has been gone for long, or never answered, is not asked more often for that.
        return Next.SOON if self._failed == 1 else Next.STEADY
