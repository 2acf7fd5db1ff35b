"""The pieces of the record as XComs of one task, read and written from an event loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time.comms import GetTaskStates, TaskStatesResult

from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.record import (
    Checkpoint,
    Event,
    GatePiece,
    Key,
    events_piece,
    from_piece,
    schema_fault,
    to_piece,
)
from airflow_rollout.seen import SeriesPiece
from airflow_rollout.wire import ResultRead, TaskResult

__all__ = ["TaskRef", "XComNotebook", "pull", "read_result"]

# Airflow answers in milliseconds, or never: a message its supervisor does not know hangs for good.
_AIRFLOW_TIMEOUT_SECONDS = 20.0

_SUCCEEDED = "success"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRef:
    """One task of one run."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @classmethod
    def of(cls, task_instance: Any, given: dict[str, Any] | None) -> TaskRef:
        """Return the task a trigger runs for: as the triggerer says, else as it was given."""
        if task_instance is None:
            return cls(**(given or {}))
        index = task_instance.map_index
        return cls(
            dag_id=task_instance.dag_id,
            run_id=task_instance.run_id,
            task_id=task_instance.task_id,
            map_index=-1 if index is None else index,
        )


async def pull(ref: TaskRef, key: Key, kind: type[T]) -> T | None:
    """Return a piece of a task, None if it pushed none or one that cannot be read.

    :raises TimeoutError: Airflow did not answer.
    :raises PermanentAdapterError: the piece is of another schema.
    """
    value = await asyncio.wait_for(
        BaseXCom.aget_one(
            key=key,
            dag_id=ref.dag_id,
            task_id=ref.task_id,
            run_id=ref.run_id,
            map_index=ref.map_index,
        ),
        _AIRFLOW_TIMEOUT_SECONDS,
    )
    fault = schema_fault(value)
    if fault:
        raise PermanentAdapterError(f"the {key} piece of {ref.task_id} {fault}", system="record")
    return from_piece(value, kind)


async def read_result(ref: TaskRef, request: ResultRead) -> TaskResult:
    """Return how another task of a task's run ended, and what it left if it succeeded.

    Its state is asked for first: after a run was cleared the XComs of its last try are still there.

    :raises TransientAdapterError: Airflow did not answer.
    """
    try:
        states = await asyncio.wait_for(_states(ref, request.task_id), _AIRFLOW_TIMEOUT_SECONDS)
        if states != {_SUCCEEDED}:
            unlike = sorted(state for state in states if state != _SUCCEEDED)
            return TaskResult(state=", ".join(unlike))
        value = await asyncio.wait_for(
            BaseXCom.aget_one(
                key=request.key,
                dag_id=ref.dag_id,
                run_id=ref.run_id,
                task_id=request.task_id,
                map_index=-1,
            ),
            _AIRFLOW_TIMEOUT_SECONDS,
        )
    except (TimeoutError, TypeError, AirflowRuntimeError) as error:
        raise TransientAdapterError(
            f"Airflow did not say what {request.task_id} returned", system="airflow"
        ) from error
    return TaskResult(state=_SUCCEEDED, value=value)


async def _states(ref: TaskRef, task_id: str) -> set[str]:
    """Return the states of a task's instances in this run, empty while there is none."""
    # The module sets it when the triggerer has started.
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    answer = await SUPERVISOR_COMMS.asend(
        GetTaskStates(dag_id=ref.dag_id, task_ids=[task_id], run_ids=[ref.run_id])
    )
    if not isinstance(answer, TaskStatesResult):
        raise TypeError(f"a question for states was answered with {type(answer).__name__}")
    states = answer.task_states.get(ref.run_id, {})
    return {str(state or "") for state in states.values()}


class XComNotebook:
    """Write a gate's pieces to its own task."""

    def __init__(self, ref: TaskRef, log: Any) -> None:
        self._ref = ref
        self._log = log

    async def save_gate(self, piece: GatePiece) -> None:
        """Keep what the gate says now."""
        await self._push(Key.GATE, to_piece(piece))

    async def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep the judge's state."""
        await self._push(Key.CHECKPOINT, to_piece(checkpoint))

    async def save_series(self, number: int, piece: SeriesPiece) -> None:
        """Keep a part of what was seen; a gate that was moved begins parts of its own."""
        await self._push(f"{Key.SERIES}_{piece.start:.0f}_{number}", to_piece(piece))

    async def save_events(self, events: list[Event]) -> None:
        """Keep this task's lines of the timeline."""
        await self._push(Key.EVENTS, events_piece(events))

    async def save_link(self, name: str, url: str) -> None:
        """Give the task its link: a task that ends in the triggerer has no worker to make it."""
        await self._push(f"_link_{name}", url)

    def say(self, text: str) -> None:
        """Write a line to the task's log."""
        self._log.info("%s", text)

    async def _push(self, key: str, value: Any) -> None:
        ref = self._ref
        await asyncio.wait_for(
            BaseXCom.aset(
                key=key,
                value=value,
                dag_id=ref.dag_id,
                task_id=ref.task_id,
                run_id=ref.run_id,
                map_index=ref.map_index,
            ),
            _AIRFLOW_TIMEOUT_SECONDS,
        )
