"""An event loop whose time jumps: hours of a release pass in milliseconds, always alike.

For code that waits on timers and on values in memory only; a socket or a thread would be overtaken
by the clock.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from airflow_rollout.triggers.clock import Clock

__all__ = ["EPOCH", "LoopClock", "hold_up", "run_virtual"]

# What the clock of a test shows when its loop starts, in epoch seconds.
EPOCH = 1_700_000_000.0

# A test that gets here waits for something that never comes.
_LONGEST_SECONDS = 100_000.0

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Sleep by moving the time on."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise RuntimeError("everything waits and nothing is due")
            self.now += max(0.0, timeout)
            if self.now > _LONGEST_SECONDS:
                raise RuntimeError(f"still running after {_LONGEST_SECONDS:g} s")
        return events


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, second: float) -> None:
        self._jumping = _Jumping()
        self._jumping.now = second
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def hold_up(self, seconds: float) -> None:
        self._jumping.now += seconds


def hold_up(seconds: float) -> None:
    """Let the time pass that a computation on the loop would take."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _VirtualLoop)
    loop.hold_up(seconds)


class LoopClock(Clock):
    """Tell epoch seconds by the loop's own time."""

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()


def run_virtual(work: Coroutine[Any, Any, T], *, second: float = 0.0) -> T:
    """Run a coroutine on a loop with virtual time, from a second of it on."""
    with asyncio.Runner(loop_factory=lambda: _VirtualLoop(second)) as runner:
        return runner.run(work)
