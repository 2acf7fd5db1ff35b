"""The canary becomes the stable version."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from airflow.sdk import Context

from airflow_rollout.errors import (
    AccessDenied,
    PermanentAdapterError,
    ReleaseRefused,
    RolloutError,
    TransientAdapterError,
)
from airflow_rollout.hooks.connection import airflow_connections
from airflow_rollout.hooks.moves import (
    Move,
    check_promotion,
    make_stable,
    persist,
    stay,
    wait_live,
)
from airflow_rollout.hooks.systems import Systems, open_systems
from airflow_rollout.hooks.timer import LOOP_TIMER
from airflow_rollout.hooks.way_back import clear_up
from airflow_rollout.late import record
from airflow_rollout.operators.base import ReleaseOperator, run_async
from airflow_rollout.operators.news import OnEvent, check_on_event
from airflow_rollout.release import Arm, Outcome
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["PromoteCanaryOperator"]

# How long the data plane may take to show the switch before the log says that it was not seen.
_SEEN_SECONDS = 10.0

# Between two looks at a stable workload that takes over. The first only announces it.
_FIRST_LOOK_SECONDS = 0.1
_LOOK_SECONDS = 1.0

# A canary that cannot be removed now has no traffic; the next release replaces it.
_REMOVE_SECONDS = 60.0

# How long it is tried to say that a promotion got stuck; if that fails, the rollback goes back.
_STAY_SECONDS = 10.0


class PromoteCanaryOperator(ReleaseOperator):
    """Make the canary stable, after it has carried all traffic and was judged there.

    :param spec: how the service is released.
    :param prepare_task_id: the task that opened the release.
    :param on_event: who is told when the release has ended, by outcome.
    """

    def __init__(
        self,
        *,
        spec: RolloutSpec,
        prepare_task_id: str,
        on_event: OnEvent | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hold(spec)
        self.prepare_task_id = prepare_task_id
        self.on_event = check_on_event(on_event)

    def execute(self, context: Context) -> None:
        """Give the idle stable workload the new version and switch."""
        attempt = self.attempt(context, self.prepare_task_id)
        epoch = attempt.token.epoch
        with self.telling(context, "promotion", epoch):
            _, doubt = run_async(self._promote(attempt))
        reason = f"promoted: {attempt.canary.version} is the stable version"
        if attempt.unjudged:
            reason += f", unjudged: {attempt.unjudged}"
        end = record.End(epoch=epoch, outcome=Outcome.PROMOTED, reason=reason, at=time.time())
        self.push(context, record.Key.END, end)
        self.tell(context, f"{reason} ({doubt})" if doubt else reason, epoch=epoch)
        self.send_news(context, end, self.on_event)

    async def _promote(self, attempt: record.Attempt) -> tuple[Move, str]:
        seconds = self.spec.ready_timeout_seconds
        async with open_systems(self.spec, airflow_connections()) as systems:
            try:
                await _until_stable_serves(systems, attempt, seconds, say=self.log.info)
            except ReleaseRefused:
                await self._clear_up(systems, attempt)
                raise
            except PermanentAdapterError as error:
                await self._stay(systems, attempt, f"promotion stuck: {error}")
                raise
            # Stable serves already: a right that is given back is worth waiting for.
            move = await persist(
                lambda: make_stable(systems, token=attempt.token, canary=attempt.canary),
                seconds=seconds,
                on_error=self.log.warning,
                repeats=AccessDenied,
            )
            doubts = []
            try:
                await wait_live(systems, 0, seconds=_SEEN_SECONDS)
            except TransientAdapterError as error:
                doubts.append(f"not seen yet: {error}")
            try:
                await persist(
                    lambda: systems.remove(attempt.canary, released=True),
                    seconds=_REMOVE_SECONDS,
                    on_error=self.log.warning,
                )
            except RolloutError as error:
                doubts.append(f"the canary could not be removed: {error}")
        return move, "; ".join(doubts)

    async def _stay(self, systems: Systems, attempt: record.Attempt, reason: str) -> None:
        """Leave the traffic on the canary, which was judged there, for a person to decide."""
        try:
            await persist(
                lambda: stay(systems, token=attempt.token, canary=attempt.canary, reason=reason),
                seconds=_STAY_SECONDS,
                on_error=self.log.warning,
            )
        except RolloutError:
            self.log.exception("could not leave the traffic where it is")

    async def _clear_up(self, systems: Systems, attempt: record.Attempt) -> None:
        try:
            await clear_up(systems, token=attempt.token)
        except RolloutError:
            self.log.exception("could not remove what is left of this promotion")


async def _until_stable_serves(
    systems: Systems, attempt: record.Attempt, seconds: float, *, say: Callable[[str], None]
) -> None:
    """Give the idle stable workload the canary's version and wait until it can take over.

    :param say: told what it waits for, whenever that changes.
    :raises PermanentAdapterError: it could not within `seconds`; the canary has all traffic still.
    :raises TransientAdapterError: nor could the router's record be read.
    :raises ReleaseRefused: somebody has stopped the release meanwhile.
    """
    end = LOOP_TIMER.now() + seconds
    pause = _FIRST_LOOK_SECONDS
    said = ""
    while True:
        doubt: RolloutError | None = None
        try:
            await check_promotion(systems, token=attempt.token, canary=attempt.canary)
            missing = await _missing(systems, attempt.canary)
        except (TransientAdapterError, AccessDenied) as error:
            doubt, missing = error, str(error)
        if not missing:
            return
        if missing != said:
            say(f"stable does not take over yet: {missing}")
            said = missing
        if LOOP_TIMER.now() > end:
            raise doubt or PermanentAdapterError(
                f"stable has not taken over within {seconds:g} s: {missing}", system="workload"
            )
        await LOOP_TIMER.pause(pause)
        pause = _LOOK_SECONDS


async def _missing(systems: Systems, canary: Arm) -> str:
    try:
        return await systems.promote(canary)
    except (TransientAdapterError, AccessDenied) as error:
        return str(error)
