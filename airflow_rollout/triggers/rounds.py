"""The rounds of a gate: what it does again and again beside its judging, each at its own pace.

Alone, a round follows the one before. In a crowd rounds are longer, and every gate makes each of
its rounds at a place of its own in the interval: gates that began in one moment would else want
their one event loop in the same moments for ever.
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeVar

from airflow_rollout.triggers.clock import Clock
from airflow_rollout.triggers.pace import CROWD, Crowd, next_moment

__all__ = ["Next", "Rounds"]

# Whatever a round costs, the others get their turn.
_SHORTEST_PAUSE_SECONDS = 0.05

# Where the process has too much to do, its rounds get this much rarer until they are in time again.
# What is late costs more than what is in time: it has to be broken off and begun anew.
_MOST_PUT_OFF = 4

T = TypeVar("T")


class Next(Enum):
    """When to ask again."""

    STEADY = "steady"
    SOON = "soon"  # at the pace of a gate that is alone
    LATER = "later"  # the own process is behind; a gate that is alone asks as before


class Rounds:
    """Repeat what one gate has to ask and to save.

    :param owner: what tells this gate from all others.
    :param say: where a line for the log goes.
    """

    def __init__(
        self, *, owner: str, clock: Clock, say: Callable[[str], None], crowd: Crowd = CROWD
    ) -> None:
        self._owner = owner
        self._clock = clock
        self._say = say
        self._crowd = crowd

    async def repeat(
        self,
        ask: Callable[[], Awaitable[Next | None]],
        seconds: float,
        *,
        longest_seconds: float = math.inf,
    ) -> None:
        """Ask at a steady pace; a slow answer delays the next question, it never stacks up.

        The first time is at once, in a crowd too.

        :param ask: may say when it wants to be asked again.
        :param longest_seconds: not further apart than this, however large the crowd is.
        """
        place = zlib.crc32(f"{self._owner} {ask.__qualname__}".encode()) / 2**32
        put_off = 1
        while True:
            began = self._clock.now()
            after = await self.attempt(ask, ask.__name__.strip("_"))
            put_off = min(put_off * 2, _MOST_PUT_OFF) if after is Next.LATER else 1
            due = began + seconds
            if self._crowd.is_large and after is not Next.SOON:
                every = self._crowd.stretched(seconds, longest_seconds=longest_seconds) * put_off
                # From half an interval later on: a round that was late does not move the others.
                due = next_moment(began + every / 2, every_seconds=every, place=place)
            await asyncio.sleep(max(_SHORTEST_PAUSE_SECONDS, due - self._clock.now()))

    async def attempt(self, ask: Callable[[], Awaitable[T]], what: str) -> T | None:
        """Ask once; one bad answer must not end the asking."""
        try:
            return await ask()
        except Exception as error:  # noqa: BLE001 - whatever it was, the next round may go well
            self._say(f"{what}: {error!r}")
            return None
