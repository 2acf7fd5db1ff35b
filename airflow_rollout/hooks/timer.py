"""Time for what waits: now and a pause, so that a test can pass both by hand."""

from __future__ import annotations

import asyncio
from typing import Protocol

__all__ = ["LOOP_TIMER", "LoopTimer", "Timer"]


class Timer(Protocol):
    """Tell seconds that never run backwards, and let them pass."""

    def now(self) -> float:
        """Return seconds since some fixed moment."""
        ...

    async def pause(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


class LoopTimer:
    """Take the time of the running event loop."""

    def now(self) -> float:
        """Return the loop's monotonic seconds."""
        return asyncio.get_running_loop().time()

    async def pause(self, seconds: float) -> None:
        """Sleep on the loop."""
        await asyncio.sleep(seconds)


LOOP_TIMER = LoopTimer()
