"""A clock that a change of the system's time cannot move, and how it is handed on."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_rollout.record import Checkpoint, StepStart

__all__ = ["Clock", "rebased"]

# A gate starts a few seconds after the write it judges. More than this apart, the two machines'
# clocks disagree, or nobody could start the gate: either way its hold begins when it does.
_LATE_SECONDS = 30.0

# A gate that was moved goes on within half a minute. Of a longer gap only this much counts as
# judged time, whether it was an outage or a clock that was set.
_LONGEST_GAP_SECONDS = 60.0


class Clock:
    """Tell epoch seconds, read from the wall once and counted by the monotonic clock since.

    :param not_before: the latest time this release has seen. Counters are ordered by time, so a
        machine whose clock is behind must not make new answers look old.
    """

    def __init__(self, *, not_before: float = 0.0) -> None:
        self._offset = max(time.time(), not_before) - time.monotonic()

    def now(self) -> float:
        """Return epoch seconds; never runs backwards."""
        return self._offset + time.monotonic()


def rebased(start: StepStart, own: Checkpoint | None, now: float) -> StepStart:
    """Return a start whose `written_at` fits the gate's clock.

    No time passes for a gate that it did not see: it can hold longer by that, never pass sooner.

    :param own: the gate's own last checkpoint, None when it starts for the first time.
    :param now: the gate's clock.
    """
    if own is None:
        late = now - start.written_at > _LATE_SECONDS
        return replace(start, written_at=now) if late else start
    unseen = now - own.at - _LONGEST_GAP_SECONDS
    return replace(start, written_at=start.written_at + unseen) if unseen > 0 else start
