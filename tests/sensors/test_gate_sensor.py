"""The gate as a task: what it may not be told, and how its trigger's end becomes an outcome."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred
from in_memory import make_spec

from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.plan import find_step
from airflow_rollout.record import GatePiece, to_piece
from airflow_rollout.sensors.metric_gate import MetricGateSensor
from airflow_rollout.sensors.workload_ready import WorkloadReadySensor
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.triggers.gate import GateTrigger
from airflow_rollout.triggers.ready import ReadyTrigger

SPEC = make_spec(ready_timeout_seconds=120.0)


class TaskInstance:
    """Hand out the XComs that other tasks have pushed."""

    dag_id, run_id, task_id = "shop", "run", "step_01.gate"

    def __init__(self, **values: Any) -> None:
        self._values = values

    def xcom_pull(self, *, task_ids: str, key: str, map_indexes: int) -> Any:
        return self._values.get(f"{task_ids}:{key}".replace(".", "_").replace(":", "_"))


def gate(**arguments: Any) -> MetricGateSensor:
    values: dict[str, Any] = {
        "task_id": "gate",
        "spec": SPEC,
        "step_id": "step_01",
        "promote_task_id": "step_01.promote",
        **arguments,
    }
    return MetricGateSensor(**values)


def ready(**arguments: Any) -> WorkloadReadySensor:
    values: dict[str, Any] = {
        "task_id": "ready", "spec": SPEC, "prepare_task_id": "prepare", **arguments,
    }  # fmt: skip
    return WorkloadReadySensor(**values)


SENSORS = pytest.mark.parametrize("make", [gate, ready], ids=["gate", "ready"])


@SENSORS
@pytest.mark.parametrize("setting", ["soft_fail", "never_fail", "silent_fail"])
class TestQuietFailure:
    def test_is_refused_in_the_call(self, make: Any, setting: str) -> None:
        with pytest.raises(ValueError, match=f"{setting}=True would skip the rollback"):
            make(**{setting: True})

    def test_is_refused_in_default_args(self, make: Any, setting: str) -> None:
        with (
            DAG("shop", schedule=None, default_args={setting: True}),
            pytest.raises(ValueError, match="take it out of the call or of default_args"),
        ):
            make()

    def test_is_fine_when_it_is_off(self, make: Any, setting: str) -> None:
        assert getattr(make(**{setting: False}), setting) is False


_DELAYS = {
    "retries": 3,
    "execution_timeout": timedelta(seconds=1),
    "depends_on_past": True,
    "wait_for_downstream": True,
}


@SENSORS
@pytest.mark.parametrize("from_default_args", [False, True], ids=["call", "default_args"])
def test_what_would_delay_the_rollback_is_overridden(make: Any, from_default_args: bool) -> None:
    if from_default_args:
        with DAG("shop", schedule=None, default_args=_DELAYS):
            sensor = make()
    else:
        sensor = make(**_DELAYS)
    assert sensor.retries == 0
    assert sensor.execution_timeout is None
    assert sensor.depends_on_past is False
    assert sensor.wait_for_downstream is False


@pytest.mark.parametrize("step_id", ["step_01", "step_02", "step_full"])
def test_a_gate_starts_its_trigger_with_the_backstop_behind_its_own_deadline(step_id: str) -> None:
    sensor = gate(step_id=step_id, live_seconds=2.0)
    arguments = sensor.start_trigger_args
    assert sensor.start_from_trigger is True
    assert arguments is not None
    assert arguments.trigger_cls == f"{GateTrigger.__module__}.{GateTrigger.__name__}"
    assert arguments.next_method == "execute_complete"
    assert arguments.timeout == timedelta(seconds=find_step(SPEC, step_id).backstop_seconds)
    made = GateTrigger(**(arguments.trigger_kwargs or {}))
    assert (made.step_id, made.promote_task_id, made.live_seconds) == (
        step_id,
        "step_01.promote",
        2.0,
    )
    assert RolloutSpec.from_builtins(made.spec) == SPEC


def test_ready_starts_its_trigger_with_a_backstop_behind_its_own_timeout() -> None:
    arguments = ready().start_trigger_args
    assert arguments is not None
    assert arguments.timeout == timedelta(seconds=120 + 60)
    made = ReadyTrigger(**(arguments.trigger_kwargs or {}))
    assert (made.prepare_task_id, RolloutSpec.from_builtins(made.spec)) == ("prepare", SPEC)


def test_two_gates_do_not_share_their_trigger_arguments() -> None:
    first, second = gate(step_id="step_01"), gate(step_id="step_02", task_id="other")
    assert first.start_trigger_args is not None
    assert second.start_trigger_args is not None
    assert (first.start_trigger_args.trigger_kwargs or {})["step_id"] == "step_01"
    assert (second.start_trigger_args.trigger_kwargs or {})["step_id"] == "step_02"


def test_a_gate_of_an_unknown_step_is_refused_where_it_is_made() -> None:
    with pytest.raises(KeyError, match="no step 'step_07' in shop, only step_01, step_02"):
        gate(step_id="step_07")


def test_the_spec_is_no_template_field() -> None:
    for sensor in (gate(), ready()):
        assert "spec" not in sensor.template_fields
        assert "start_trigger_args" not in sensor.template_fields


# --- on a worker, where no scheduler started the trigger ---


def test_execute_defers_the_same_trigger_with_what_the_promote_task_pushed() -> None:
    ti = TaskInstance(step_01_promote_step={"any": "start"})
    with pytest.raises(TaskDeferred) as caught:
        gate().execute({"ti": ti})  # type: ignore[typeddict-item]
    deferred = caught.value
    assert isinstance(deferred.trigger, GateTrigger)
    assert deferred.trigger.start == {"any": "start"}
    assert deferred.trigger.task_ref == {
        "dag_id": "shop", "run_id": "run", "task_id": "step_01.gate",
    }  # fmt: skip
    assert deferred.method_name == "execute_complete"
    assert deferred.timeout == timedelta(seconds=find_step(SPEC, "step_01").backstop_seconds)


def test_execute_of_ready_defers_with_what_prepare_pushed() -> None:
    ti = TaskInstance(prepare_attempt={"any": "attempt"})
    with pytest.raises(TaskDeferred) as caught:
        ready().execute({"ti": ti})  # type: ignore[typeddict-item]
    assert isinstance(caught.value.trigger, ReadyTrigger)
    assert caught.value.trigger.attempt == {"any": "attempt"}


def _failed_piece() -> dict[str, Any]:
    judgement = Judgement(at=1.0, verdict=Verdict.FAIL, ends=True, reason="FAIL errors 5 %")
    return to_piece(
        GatePiece(
            epoch="e", step_id="step_01", weight=10, written_at=0.0, hold_seconds=1.0,
            judgement=judgement,
        )
    )  # fmt: skip


def test_success_of_the_trigger_is_success_of_the_task() -> None:
    context: Any = {"ti": TaskInstance()}
    assert gate().execute_complete(context, "success") is None
    assert ready().execute_complete(context, "success") is None


@pytest.mark.parametrize("event", ["failed", None, "", "anything", {"status": "success"}])
def test_anything_else_fails_the_task_for_good(event: Any) -> None:
    context: Any = {"ti": TaskInstance()}
    with pytest.raises(AirflowFailException, match="the gate failed"):
        gate().execute_complete(context, event)
    with pytest.raises(AirflowFailException, match="never became ready"):
        ready().execute_complete(context, event)


def test_a_failed_gate_says_why() -> None:
    context: Any = {"ti": TaskInstance(gate_gate=_failed_piece())}
    with pytest.raises(AirflowFailException, match="FAIL errors 5 %"):
        gate().execute_complete(context, "failed")


def test_a_skipped_gate_is_skipped() -> None:
    with pytest.raises(AirflowSkipException):
        gate().execute_complete({"ti": TaskInstance()}, "skipped")  # type: ignore[typeddict-item]
