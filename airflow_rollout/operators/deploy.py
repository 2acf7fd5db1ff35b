"""Start the canary."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Context

from airflow_rollout.errors import ReleaseRefused
from airflow_rollout.hooks.connection import airflow_connections
from airflow_rollout.hooks.systems import open_systems
from airflow_rollout.hooks.way_back import clear_up
from airflow_rollout.late import record
from airflow_rollout.operators.base import ReleaseOperator, run_async
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["DeployCanaryOperator"]


class DeployCanaryOperator(ReleaseOperator):
    """Start the new version beside the stable one, without traffic; does not wait for it.

    :param spec: how the service is released.
    :param prepare_task_id: the task that opened the release.
    """

    def __init__(self, *, spec: RolloutSpec, prepare_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hold(spec)
        self.prepare_task_id = prepare_task_id

    def execute(self, context: Context) -> None:
        """Start the canary."""
        attempt = self.attempt(context, self.prepare_task_id)
        with self.telling(context, "deploy", attempt.token.epoch):
            run_async(self._deploy(attempt))
        self.tell(
            context,
            f"canary {attempt.canary.version} at {attempt.canary.target}",
            epoch=attempt.token.epoch,
        )

    async def _deploy(self, attempt: record.Attempt) -> None:
        async with open_systems(self.spec, airflow_connections()) as systems:
            await systems.deploy(attempt.canary)
            # A task lives on for a moment after its run was ended.
            if await clear_up(systems, token=attempt.token):
                wanted = f"canary {attempt.canary.version}"
                raise ReleaseRefused("this attempt was stopped", found="its end", wanted=wanted)
