"""The gate of a step: judged in the triggerer, from its start to its end."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.triggers.base import StartTriggerArgs

from airflow_rollout.hooks.links import ReleaseRecordLink
from airflow_rollout.late import record
from airflow_rollout.plan import find_step
from airflow_rollout.sensors.rules import refuse_quiet_failure
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["MetricGateSensor"]

_TRIGGER = "airflow_rollout.triggers.gate.GateTrigger"


@lru_cache(maxsize=16)
def _described(spec: RolloutSpec) -> dict[str, Any]:
    """Return the spec for the trigger, one for all gates of a file: Airflow only reads it."""
    return spec.to_builtins()


class MetricGateSensor(BaseSensorOperator):
    """Judge one step; stop the release at once if the new version is worse.

    Starts and ends in the triggerer and takes no worker slot. On FAIL the trigger itself puts all
    traffic back, before Airflow hears of it. Marking it success promotes now, marking it failed
    aborts. Never retried: a second try would judge traffic that is no longer there.

    :param spec: how the service is released.
    :param step_id: which step of the plan, for example ``step_02``.
    :param promote_task_id: the task that raised the weight.
    :param live_seconds: how often the gate's piece of the record is renewed while it holds.
    """

    start_from_trigger = True
    operator_extra_links = (ReleaseRecordLink(),)

    def __init__(
        self,
        *,
        spec: RolloutSpec,
        step_id: str,
        promote_task_id: str,
        live_seconds: float = 5.0,
        **kwargs: Any,
    ) -> None:
        # The largest backstop any release of this spec can have: overrides only shorten it.
        backstop = find_step(spec, step_id).backstop_seconds
        # Said, not left to Airflow, which would look its default up for every gate of every file.
        super().__init__(**{**kwargs, "timeout": backstop})
        refuse_quiet_failure(self)
        self.spec = spec
        self.step_id = step_id
        self.promote_task_id = promote_task_id
        self.live_seconds = live_seconds
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=_TRIGGER,
            next_method="execute_complete",
            trigger_kwargs=self._trigger_kwargs(),
            timeout=timedelta(seconds=backstop),
        )

    def _trigger_kwargs(self) -> dict[str, Any]:
        return {
            "spec": _described(self.spec),
            "step_id": self.step_id,
            "promote_task_id": self.promote_task_id,
            "live_seconds": self.live_seconds,
        }

    def execute(self, context: Context) -> None:
        """Start the same trigger from a worker, where nothing started it before (`dag.test`)."""
        # The class is needed here only; the scheduler starts it by its name.
        from airflow_rollout.triggers.gate import GateTrigger

        ti = context["ti"]
        start = ti.xcom_pull(
            task_ids=self.promote_task_id, key=record.Key.STEP.value, map_indexes=-1
        )
        task = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id}
        trigger = GateTrigger(**self._trigger_kwargs(), start=start, task=task)
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            timeout=self.start_trigger_args.timeout if self.start_trigger_args else None,
        )

    def execute_complete(self, context: Context, event: Any = None) -> None:
        """Turn the trigger's end into an outcome, where the trigger could not do so itself."""
        if event == "skipped":
            raise AirflowSkipException("the gate was skipped")
        if event != "success":
            raise AirflowFailException(self._why(context) or "the gate failed")

    def _why(self, context: Context) -> str:
        value = context["ti"].xcom_pull(
            task_ids=self.task_id, key=record.Key.GATE.value, map_indexes=-1
        )
        piece = record.from_piece(value, record.GatePiece)
        return piece.judgement.reason if piece is not None else ""
