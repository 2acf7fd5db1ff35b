"""Say in words whether somebody still watches an open release."""

from __future__ import annotations

import time

from airflow_rollout.errors import AdapterError
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.release import ReleaseState, TrafficSplit

__all__ = ["who_watches"]

# A gate renews its lease every 10 s and is moved to another triggerer within half a minute.
_SILENT_SECONDS = 45.0


async def who_watches(systems: Systems, split: TrafficSplit) -> str:
    """Return one clause about the gate of an open release, empty where nothing is known.

    The lease carries its holder's clock, so the age is as good as the two clocks agree.
    """
    if split.state is not ReleaseState.OPEN:
        return ""
    try:
        lease = await systems.read_lease()
    except AdapterError:
        return ""
    if lease is None or lease.epoch != split.token.epoch:
        return "no gate has watched it so far"
    age = max(0.0, time.time() - lease.renewed_at)
    if age <= _SILENT_SECONDS:
        return f"a gate watched it {age:.0f} s ago"
    return f"nobody has watched it for {age:.0f} s"
