"""Go on with a way back that a gate could not finish, beside the rollback task that takes over.

A gate ends its task when the router has taken no write for a few seconds, so that somebody with
connections of his own tries too. It takes Airflow some seconds, on a busy day more, to start him,
and a paused DAG starts nobody: a router that answers again must not wait for that.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from airflow_rollout.hooks.moves import Move, persist
from airflow_rollout.hooks.way_back import DEADLINE_SECONDS

__all__ = ["Handover"]

_log = logging.getLogger(__name__)

# A loop keeps only weak references to its tasks.
_trying: set[asyncio.Task[None]] = set()


class Handover:
    """One gate's way back after its end; nothing where the gate went it by itself.

    :param what: names the release in the log of the triggerer.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._task: asyncio.Task[None] | None = None
        self._opened: AsyncExitStack | None = None

    def begin(self, seal: Callable[[], Awaitable[Move]]) -> None:
        """Let `seal` be tried beside whatever comes next, as long as a rollback task tries.

        :param seal: one try. The fence decides in each: what others have done since stays.
        """
        # In a context of its own: the log of a trigger that has ended takes no more lines.
        context = contextvars.Context()
        self._task = asyncio.create_task(self._try(seal), context=context)
        _trying.add(self._task)
        self._task.add_done_callback(_trying.discard)

    def keep(self, opened: AsyncExitStack) -> None:
        """Take over what a try needs, as long as one is to come; it is closed after the last."""
        if self._task is not None and not self._task.done():
            self._opened = opened.pop_all()

    async def _try(self, seal: Callable[[], Awaitable[Move]]) -> None:
        try:
            move = await persist(seal, seconds=DEADLINE_SECONDS, on_error=_log.debug)
            _log.info("%s, after its gate had ended: %s", self._what, move.reason)
        except Exception as error:  # noqa: BLE001 - the rollback task has said so too
            _log.warning("%s: not put back after its gate had ended: %r", self._what, error)
        finally:
            if self._opened is not None:
                await self._opened.aclose()
