"""Run what waits for sockets, files and threads; what hangs fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["run"]

# Far above what any of these tests takes.
_SECONDS = 20.0


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test to its end, in an event loop of its own."""

    async def bounded() -> None:
        async with asyncio.timeout(_SECONDS):
            await test()

    asyncio.run(bounded())
