"""Obey a metric system that asks to be left alone for a while.

Without it a gate would go on asking at its own pace, and a rate limit would never end.
"""

from __future__ import annotations

from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.hooks.timer import LOOP_TIMER, Timer
from airflow_rollout.wire import HttpResponse, Request, Response, Send, asked_to_wait

__all__ = ["LONGEST_WAIT_SECONDS", "patient"]

# A system that asks for an hour is asked again sooner: a gate must know what it judges on.
LONGEST_WAIT_SECONDS = 60.0


def patient(send: Send, *, system: str, timer: Timer = LOOP_TIMER) -> Send:
    """Return a `Send` that sends nothing while the system has asked to wait.

    What is asked meanwhile fails at once, as it would have been refused.
    """
    until = float("-inf")

    async def waiting(request: Request) -> Response:
        nonlocal until
        left = until - timer.now()
        if left > 0:
            raise TransientAdapterError(
                f"not asked: it wants to be left alone for {left:.0f} s more",
                system=system,
                retry_after_seconds=left,
            )
        response = await send(request)
        if isinstance(response, HttpResponse):
            seconds = asked_to_wait(response)
            if seconds:
                until = timer.now() + min(seconds, LONGEST_WAIT_SECONDS)
        return response

    return waiting
