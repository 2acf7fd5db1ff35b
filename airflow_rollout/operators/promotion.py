"""The canary becomes the stable version."""

from __future__ import annotations

import time
from typing import Any

from airflow.sdk import Context

from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.hooks.connection import airflow_connections
from airflow_rollout.hooks.moves import Move, make_stable, wait_live
from airflow_rollout.hooks.systems import open_systems
from airflow_rollout.late import record
from airflow_rollout.operators.base import ReleaseOperator, run_async
from airflow_rollout.operators.news import OnEvent, check_on_event
from airflow_rollout.release import Outcome
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["PromoteCanaryOperator"]

# How long the data plane may take to show the switch before the log says that it was not seen.
_SEEN_SECONDS = 10.0


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
        end = record.End(epoch=epoch, outcome=Outcome.PROMOTED, reason=reason, at=time.time())
        self.push(context, record.Key.END, end)
        self.tell(context, f"{reason} (not seen yet: {doubt})" if doubt else reason, epoch=epoch)
        self.send_news(context, end, self.on_event)

    async def _promote(self, attempt: record.Attempt) -> tuple[Move, str]:
        async with open_systems(self.spec, airflow_connections()) as systems:
            await systems.promote(attempt.canary)
            move = await make_stable(systems, token=attempt.token, canary=attempt.canary)
            try:
                await wait_live(systems, 0, seconds=_SEEN_SECONDS)
            except TransientAdapterError as error:
                return move, str(error)
        return move, ""
