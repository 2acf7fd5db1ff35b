"""What other tasks of a run returned, as a gate asks Airflow for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import (
    ErrorResponse,
    GetTaskStates,
    GetXCom,
    TaskStatesResult,
    XComResult,
)

from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.triggers.xcoms import TaskRef, read_result
from airflow_rollout.wire import ResultRead, TaskResult

REF = TaskRef(dag_id="shop", run_id="run", task_id="step_01.gate")
ASKED = ResultRead(task_id="check", key="null_share")


class Supervisor:
    """Answers as Airflow's supervisor does, and keeps what it was asked."""

    def __init__(self, states: dict[str, Any], value: object = None) -> None:
        self.states = states
        self.value = value
        self.asked: list[Any] = []

    async def asend(self, message: Any) -> Any:
        self.asked.append(message)
        if isinstance(message, GetTaskStates):
            return TaskStatesResult(task_states=self.states)
        return XComResult(key=message.key, value=self.value)


def read(patch: pytest.MonkeyPatch, supervisor: object) -> TaskResult:
    patch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return asyncio.run(read_result(REF, ASKED))


def test_a_task_that_succeeded_is_read_from_the_gates_own_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    supervisor = Supervisor({"run": {"check": "success"}}, 0.25)
    assert read(monkeypatch, supervisor) == TaskResult(state="success", value=0.25)
    states, xcom = supervisor.asked
    assert (states.dag_id, states.run_ids, states.task_ids) == ("shop", ["run"], ["check"])
    assert isinstance(xcom, GetXCom)
    assert (xcom.dag_id, xcom.run_id, xcom.task_id, xcom.key, xcom.map_index) == (
        "shop", "run", "check", "null_share", -1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ({"run": {"check": "failed"}}, "failed"),
        ({"run": {"check": None}}, ""),
        ({"run": {}}, ""),
        ({}, ""),
    ],
)
def test_what_an_earlier_try_left_is_not_even_asked_for(
    monkeypatch: pytest.MonkeyPatch, states: dict[str, Any], state: str
) -> None:
    supervisor = Supervisor(states, 0.25)
    assert read(monkeypatch, supervisor) == TaskResult(state=state)
    assert [type(one) for one in supervisor.asked] == [GetTaskStates]


def test_an_airflow_that_cannot_say_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        async def asend(self, message: Any) -> Any:
            raise TimeoutError

    with pytest.raises(TransientAdapterError, match="did not say what check returned"):
        read(monkeypatch, Away())


def test_an_error_of_airflows_is_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(Supervisor):
        async def asend(self, message: Any) -> Any:
            return ErrorResponse()

    with pytest.raises(TransientAdapterError):
        read(monkeypatch, Refusing({}))
