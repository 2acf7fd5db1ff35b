"""What a counted check looks back on: the last `window_seconds` of both arms.

Kept in a fixed number of slots, so that the state of a gate stays small however long the window
is and however often the source answers.
"""

from __future__ import annotations

from typing import Any

from airflow_rollout.analysis.counts import Interval, add_counts
from airflow_rollout.analysis.readings import ArmCounts

__all__ = ["NOTHING", "LookBack"]

# A window reaches back at most 1/20 of its length too far.
_SLOTS = 20

NOTHING = ArmCounts(requests=0, bad=())


class _Slot:
    __slots__ = ("canary", "end", "first_end", "stable")

    def __init__(self, first_end: float, end: float, canary: ArmCounts, stable: ArmCounts) -> None:
        self.first_end = first_end
        self.end = end
        self.canary = canary
        self.stable = stable


class LookBack:
    """The newest intervals of one metric, in the source's own time.

    An interval belongs to the window when it ended inside it. Nothing before this release's first
    answer is ever in it, since nothing before that is ever counted.
    """

    __slots__ = ("_length", "_slots")

    def __init__(self, length_seconds: float) -> None:
        self._length = length_seconds
        self._slots: list[_Slot] = []

    def add(self, interval: Interval) -> None:
        """Take in a closed interval, newer than those before."""
        slots = self._slots
        if slots and interval.end - slots[-1].first_end < self._length / _SLOTS:
            last = slots[-1]
            last.end = interval.end
            last.canary = add_counts(last.canary, interval.canary)
            last.stable = add_counts(last.stable, interval.stable)
        else:
            slots.append(_Slot(interval.end, interval.end, interval.canary, interval.stable))
        oldest = interval.end - self._length
        self._slots = [slot for slot in slots if slot.end > oldest]

    def total(self, now: float) -> tuple[ArmCounts, ArmCounts]:
        """Return canary and stable in the window that ends at `now` (source's time)."""
        canary, stable = NOTHING, NOTHING
        for slot in self._slots:
            if slot.end > now - self._length:
                canary = add_counts(canary, slot.canary)
                stable = add_counts(stable, slot.stable)
        return canary, stable

    def state(self) -> list[list[Any]]:
        """Return the slots as plain numbers."""
        return [
            [s.first_end, s.end, [s.canary.requests, *s.canary.bad],
             [s.stable.requests, *s.stable.bad]]
            for s in self._slots
        ]  # fmt: skip

    def restore(self, state: list[list[Any]]) -> None:
        """Continue from `state`."""
        self._slots = [
            _Slot(first_end, end, _counts(canary), _counts(stable))
            for first_end, end, canary, stable in state
        ]


def _counts(numbers: list[int]) -> ArmCounts:
    return ArmCounts(requests=numbers[0], bad=tuple(numbers[1:]))
