"""How much time the own process lost while it waited: what looks like silence may be that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from weakref import WeakKeyDictionary

__all__ = ["LATE_SECONDS", "with_own_delay"]

# A probe may take a second. With a quarter of it lost by the asker, its silence says nothing.
LATE_SECONDS = 0.25

# An answer takes several turns of the event loop, so many short delays are as bad as a long one.
# One look for all who wait: looks of each would be work that adds to the delay.
_LOOK_SECONDS = 0.1

Answer = TypeVar("Answer")


class _Watch:
    """Sum up by how much an event loop is late, while somebody wants to know."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._late = 0.0
        self._looked_at = self._loop.time()
        self._task = self._loop.create_task(self._look())
        self.users = 0

    def lost_seconds(self) -> float:
        """Return what was lost so far, with what the next look will find."""
        return self._late + max(0.0, self._loop.time() - self._looked_at - _LOOK_SECONDS)

    def stop(self) -> None:
        self._task.cancel()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._late = self.lost_seconds()
            self._looked_at = self._loop.time()


_WATCHES: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = WeakKeyDictionary()


@contextmanager
def _watching() -> Iterator[_Watch]:
    """Yield the watch of this event loop; the last one to leave ends it."""
    loop = asyncio.get_running_loop()
    if loop not in _WATCHES:
        _WATCHES[loop] = _Watch()
    watch = _WATCHES[loop]
    watch.users += 1
    try:
        yield watch
    finally:
        watch.users -= 1
        if not watch.users:
            watch.stop()
            del _WATCHES[loop]


async def with_own_delay(asking: Awaitable[Answer]) -> tuple[Answer, float]:
    """Return an answer, and how many seconds the event loop lost meanwhile."""
    with _watching() as watch:
        before = watch.lost_seconds()
        answer = await asking
        return answer, watch.lost_seconds() - before
