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

from airflow_rollout.triggers.clock import Clock
from airflow_rollout.triggers.pace import CROWD, Crowd

__all__ = ["Rounds"]

# Whatever a round costs, the others get their turn.
_SHORTEST_PAUSE_SECONDS = 0.05


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
        ask: Callable[[], Awaitable[None]],
        seconds: float,
        *,
        longest_seconds: float = math.inf,
        in_doubt: Callable[[], bool] = lambda: False,
    ) -> None:
        """Ask at a steady pace; a slow answer delays the next question, it never stacks up.

        :param longest_seconds: not further apart than this, however large the crowd is.
        :param in_doubt: whether to ask at the pace of a gate that is alone.
        """
        place = zlib.crc32(f"{self._owner} {ask.__qualname__}".encode()) / 2**32
        while True:
            began = self._clock.now()
            await self.attempt(ask, ask.__name__.strip("_"))
            due = began + seconds
            if not in_doubt():
                due = self._crowd.next_round(
                    began, seconds, longest_seconds=longest_seconds, place=place
                )
            await asyncio.sleep(max(_SHORTEST_PAUSE_SECONDS, due - self._clock.now()))

    async def attempt(self, ask: Callable[[], Awaitable[None]], what: str) -> None:
        """Ask once; one bad answer must not end the asking."""
        try:
            await ask()
        except Exception as error:  # noqa: BLE001 - whatever it was, the next round may go well
            self._say(f"{what}: {error!r}")
