"""The trigger that waits until the canary answers its probe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSuccessEvent, TriggerEvent

from airflow_rollout.hooks.links import LINK_NAME, release_url
from airflow_rollout.hooks.systems import Systems, open_systems
from airflow_rollout.record import Attempt, Event, Key, from_piece
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.triggers.airflow_patience import patient_connections, patiently
from airflow_rollout.triggers.clock import Clock
from airflow_rollout.triggers.xcoms import TaskRef, XComNotebook, pull

__all__ = ["ReadyTrigger"]

# Two answers in a row: one may come from a process that is about to die of its own start.
_PROBES_IN_A_ROW = 2
_PROBE_SECONDS = 0.5

# A triggerer builds the tasks' API for the first question it is asked: 3 s, and 22 s were measured
# on a crowded machine. No traffic has moved yet, so patience costs nothing here.
_FIRST_ANSWER_SECONDS = 120.0


class ReadyTrigger(BaseTrigger):
    """Wait until the canary is ready, or say why it never was.

    :param spec: `RolloutSpec.to_builtins()`.
    :param prepare_task_id: the task whose piece names the canary.
    :param attempt: that piece; read from its XCom when None.
    :param task: dag_id, run_id, task_id and map_index, for a run outside a triggerer.
    """

    def __init__(
        self,
        *,
        spec: dict[str, Any],
        prepare_task_id: str,
        attempt: dict[str, Any] | None = None,
        task: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.spec = spec
        self.prepare_task_id = prepare_task_id
        self.attempt = attempt
        self.task_ref = task

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and what `__init__` takes."""
        return (
            "airflow_rollout.triggers.ready.ReadyTrigger",
            {
                "spec": self.spec,
                "prepare_task_id": self.prepare_task_id,
                "attempt": self.attempt,
                "task": self.task_ref,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event that ends the task."""
        ready = False
        try:
            ready = await self._wait()
        except Exception as error:
            self.log.exception("could not ask whether the canary is ready")
            await self._tell(
                f"could not ask whether the canary is ready: {str(error) or type(error).__name__}"
            )
        yield TaskSuccessEvent() if ready else TaskFailedEvent()

    def _ref(self) -> TaskRef:
        return TaskRef.of(self.task_instance, self.task_ref)

    async def _wait(self) -> bool:
        ref = self._ref()
        prepare = TaskRef(dag_id=ref.dag_id, run_id=ref.run_id, task_id=self.prepare_task_id)
        attempt = from_piece(self.attempt, Attempt) or await patiently(
            lambda: pull(prepare, Key.ATTEMPT, Attempt),
            self.log.warning,
            seconds=_FIRST_ANSWER_SECONDS,
        )
        if attempt is None:
            raise LookupError(f"{self.prepare_task_id} opened no release")
        spec = RolloutSpec.from_builtins(self.spec)
        clock = Clock()
        began = clock.now()
        connect = patient_connections(self.log.warning)
        async with open_systems(spec, connect) as systems:
            ready, detail = await _probe_until(systems, attempt, spec.ready_timeout_seconds, clock)
        text = f"{attempt.canary.version} is ready" if ready else f"never ready: {detail}"
        text += f" after {clock.now() - began:.1f} s"
        await self._tell(text, epoch=attempt.token.epoch)
        return ready

    async def _tell(self, text: str, *, epoch: str = "") -> None:
        """Leave a line in the record and the link to it; their failure changes nothing."""
        try:
            ref = self._ref()
            notebook = XComNotebook(ref, self.log)
            notebook.say(text)
            event = Event(at=Clock().now(), task=ref.task_id, text=text, epoch=epoch)
            await patiently(lambda: notebook.save_events([event]), self.log.warning)
            await notebook.save_link(LINK_NAME, release_url(ref.dag_id, ref.run_id))
        except Exception:
            self.log.exception("could not save what happened")


async def _probe_until(
    systems: Systems, attempt: Attempt, seconds: float, clock: Clock
) -> tuple[bool, str]:
    end = clock.now() + seconds
    good = 0
    detail = "not asked"
    while clock.now() < end:
        probe = await systems.probe(attempt.canary, clock.now())
        good = good + 1 if probe.ok else 0
        detail = probe.detail or detail
        if good >= _PROBES_IN_A_ROW:
            return True, detail
        if probe.fatal:
            return False, detail
        await asyncio.sleep(_PROBE_SECONDS)
    return False, f"{detail} (gave up at {seconds:.0f} s)"
