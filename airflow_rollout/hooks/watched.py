"""Say in words whether somebody still watches an open release."""

from __future__ import annotations

import time
from dataclasses import dataclass

from airflow_rollout.errors import AdapterError
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.release import ReleaseState, TrafficSplit

__all__ = ["Watch", "who_watches"]

# A gate renews its lease every 10 s and is moved to another triggerer within half a minute.
_SILENT_SECONDS = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One clause about the gate of an open release, empty where nothing is known.

    `is_lost` says that a gate has watched and does so no more: traffic is judged by nobody.
    """

    text: str = ""
    is_lost: bool = False


async def who_watches(systems: Systems, split: TrafficSplit) -> Watch:
    """Return what is known about the gate of a release.

    The lease carries its holder's clock, so the age is as good as the two clocks agree.
    """
    if split.state is not ReleaseState.OPEN:
        return Watch()
    try:
        lease = await systems.read_lease()
    except AdapterError:
        return Watch()
    if lease is None or lease.epoch != split.token.epoch:
        return Watch(text="no gate has watched it so far")
    age = max(0.0, time.time() - lease.renewed_at)
    if age <= _SILENT_SECONDS:
        return Watch(text=f"a gate watched it {age:.0f} s ago")
    return Watch(text=f"nobody has watched it for {age:.0f} s", is_lost=True)
