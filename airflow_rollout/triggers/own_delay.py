"""How late the own process was while it waited: what looks like a silent version may be that."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["LATE_SECONDS", "with_own_delay"]

# A probe may take a second. With a quarter of it lost by the asker, its silence says nothing.
LATE_SECONDS = 0.25

# A look is work too: rare enough that looks add nothing to a delay that there is.
_LOOK_SECONDS = 0.5

Answer = TypeVar("Answer")


async def with_own_delay(asking: Coroutine[Any, Any, Answer]) -> tuple[Answer, float]:
    """Return an answer, and by how many seconds the event loop was late meanwhile at the most."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(asking)
    late = 0.0
    try:
        while not task.done():
            began = loop.time()
            await asyncio.wait({task}, timeout=_LOOK_SECONDS)
            late = max(late, loop.time() - began - _LOOK_SECONDS)
    finally:
        task.cancel()
    return task.result(), late
