"""Wait until the canary is ready to serve."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import StartTriggerArgs

from airflow_rollout.hooks.links import ReleaseRecordLink
from airflow_rollout.late import record
from airflow_rollout.plan import GATE_BACKSTOP_SECONDS
from airflow_rollout.sensors.rules import refuse_quiet_failure
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["WorkloadReadySensor"]

_TRIGGER = "airflow_rollout.triggers.ready.ReadyTrigger"


class WorkloadReadySensor(BaseSensorOperator):
    """Wait, in the triggerer, until the canary answers its probe.

    :param spec: how the service is released; `ready_timeout_seconds` bounds the wait.
    :param prepare_task_id: the task that opened the release.
    """

    start_from_trigger = True
    operator_extra_links = (ReleaseRecordLink(),)

    def __init__(self, *, spec: RolloutSpec, prepare_task_id: str, **kwargs: Any) -> None:
        # Said, not left to Airflow, which would look its default up for every file.
        super().__init__(**{**kwargs, "timeout": spec.ready_timeout_seconds})
        refuse_quiet_failure(self)
        self.spec = spec
        self.prepare_task_id = prepare_task_id
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=_TRIGGER,
            next_method="execute_complete",
            trigger_kwargs=self._trigger_kwargs(),
            timeout=timedelta(seconds=spec.ready_timeout_seconds + GATE_BACKSTOP_SECONDS),
        )

    def _trigger_kwargs(self) -> dict[str, Any]:
        return {"spec": self.spec.to_builtins(), "prepare_task_id": self.prepare_task_id}

    def execute(self, context: Context) -> None:
        """Start the same trigger from a worker, where nothing started it before (`dag.test`)."""
        # The class is needed here only; the scheduler starts it by its name.
        from airflow_rollout.triggers.ready import ReadyTrigger

        ti = context["ti"]
        attempt = ti.xcom_pull(
            task_ids=self.prepare_task_id, key=record.Key.ATTEMPT.value, map_indexes=-1
        )
        task = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id}
        self.defer(
            trigger=ReadyTrigger(**self._trigger_kwargs(), attempt=attempt, task=task),
            method_name="execute_complete",
            timeout=self.start_trigger_args.timeout if self.start_trigger_args else None,
        )

    def execute_complete(self, context: Context, event: Any = None) -> None:  # noqa: ARG002
        """Turn the trigger's end into an outcome, where the trigger could not do so itself."""
        if event != "success":
            raise AirflowFailException("the canary never became ready")
