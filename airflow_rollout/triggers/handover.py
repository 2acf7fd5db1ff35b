"""Go on with a way back that a gate could not finish, until its rollback task has taken over.

A gate ends its task when the router has taken no write for a few seconds, so that somebody with
connections of his own tries too. It takes Airflow some seconds, on a busy day more, to start him;
a router that answers again just then must not wait for that.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from airflow_rollout.hooks.moves import Move, persist
from airflow_rollout.hooks.timer import LOOP_TIMER, Timer

__all__ = ["HANDOVER_SECONDS", "go_on"]

# Longer than Airflow needs to start a task; the rollback task tries for an hour.
HANDOVER_SECONDS = 60.0

_log = logging.getLogger(__name__)

# A loop keeps only weak references to its tasks.
_trying: set[asyncio.Task[None]] = set()


def go_on(
    seal: Callable[[], Awaitable[Move]], opened: AsyncExitStack, *, timer: Timer = LOOP_TIMER
) -> None:
    """Let `seal` be tried beside whatever comes next; returns at once.

    :param seal: one try. The fence decides in each: what others have done since stays.
    :param opened: what it needs, closed after the last try.
    """
    # In a context of its own: the log of a trigger that has ended takes no more lines.
    task = asyncio.create_task(_try(seal, opened, timer), context=contextvars.Context())
    _trying.add(task)
    task.add_done_callback(_trying.discard)


async def _try(seal: Callable[[], Awaitable[Move]], opened: AsyncExitStack, timer: Timer) -> None:
    async with opened:
        try:
            move = await persist(seal, seconds=HANDOVER_SECONDS, on_error=_log.debug, timer=timer)
        except Exception as error:  # noqa: BLE001 - the rollback task goes on where this ends
            _log.warning("a gate that had ended could not put its traffic back: %r", error)
        else:
            _log.info("after its gate had ended: %s", move.reason)
