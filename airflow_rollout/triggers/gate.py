"""The gate's trigger: binds the loop to Airflow's XComs, connections and end events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSuccessEvent, TriggerEvent

from airflow_rollout.analysis.verdict import Judgement, Verdict
from airflow_rollout.hooks.links import LINK_NAME, release_url
from airflow_rollout.hooks.systems import open_systems
from airflow_rollout.plan import PlannedStep, later_step_ids, make_plan
from airflow_rollout.record import Checkpoint, Event, GatePiece, Key, StepStart, from_piece
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.triggers.airflow_patience import NothingThere, patient_connections, patiently
from airflow_rollout.triggers.clock import Clock, rebased
from airflow_rollout.triggers.gate_loop import GateLoop
from airflow_rollout.triggers.handover import Handover
from airflow_rollout.triggers.traffic_watch import TrafficWatch
from airflow_rollout.triggers.xcoms import TaskRef, XComNotebook, pull, read_result

__all__ = ["GateTrigger", "NoStart"]


class NoStart(NothingThere):
    """Say that the promote task handed nothing to this gate."""


class GateTrigger(BaseTrigger):
    """Judge one step of a release and put the traffic back if it is bad.

    Ends the task by itself: no worker is needed after the verdict. No `on_kill`: it would fire
    on *mark success* as well, where the release goes on.

    :param spec: `RolloutSpec.to_builtins()`.
    :param step_id: which step of the plan, for example ``step_02``.
    :param promote_task_id: the task whose piece says when the weight was written.
    :param live_seconds: how often the gate's piece is saved for readers while it holds.
    :param start: the promote task's piece; read from its XCom when None.
    :param task: dag_id, run_id, task_id and map_index, for a run outside a triggerer.
    """

    def __init__(
        self,
        *,
        spec: dict[str, Any],
        step_id: str,
        promote_task_id: str,
        live_seconds: float = 5.0,
        start: dict[str, Any] | None = None,
        task: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.spec = spec
        self.step_id = step_id
        self.promote_task_id = promote_task_id
        self.live_seconds = live_seconds
        self.start = start
        self.task_ref = task

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and what `__init__` takes."""
        return (
            "airflow_rollout.triggers.gate.GateTrigger",
            {
                "spec": self.spec,
                "step_id": self.step_id,
                "promote_task_id": self.promote_task_id,
                "live_seconds": self.live_seconds,
                "start": self.start,
                "task": self.task_ref,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event that ends the task."""
        try:
            passed = await self._gate()
        except Exception as error:
            # Whatever it was, the release must not go on; rollback puts the traffic back.
            self.log.exception("the gate ended without a verdict")
            await self._explain(error)
            passed = False
        yield TaskSuccessEvent() if passed else TaskFailedEvent()

    def _ref(self) -> TaskRef:
        return TaskRef.of(self.task_instance, self.task_ref)

    async def _gate(self) -> bool:
        ref = self._ref()
        notebook = XComNotebook(ref, self.log)
        start = await patiently(lambda: self._start(ref), self.log.warning)
        own = await patiently(lambda: self._own(ref, start), self.log.warning)
        clock = Clock(not_before=max(start.written_at, own.at if own else 0.0))
        start = rebased(start, own, clock.now())
        spec = RolloutSpec.from_builtins(self.spec).overridden(
            interval_seconds=start.attempt.interval_seconds, dispersion=start.attempt.dispersion
        )
        step = _step(spec, self.step_id)
        # Beside the judging: a slow Airflow must not keep the gate from its first look.
        linking = asyncio.create_task(self._link(notebook, ref))
        connect = patient_connections(self.log.warning)
        handover = Handover(f"{ref.dag_id} {ref.run_id} {step.id}")
        async with AsyncExitStack() as opened:
            systems = await opened.enter_async_context(
                open_systems(spec, connect, partial(read_result, ref))
            )
            watch = TrafficWatch(
                systems,
                start.attempt,
                weight=step.weight,
                written_at=start.written_at,
                clock=clock,
                say=notebook.say,
                later_steps=later_step_ids(spec, step.id),
                handover=handover,
            )
            loop = GateLoop(
                systems=systems,
                spec=spec,
                step=step,
                start=start,
                state=own.state if own else start.state,
                watch=watch,
                notebook=notebook,
                clock=clock,
                live_seconds=self.live_seconds,
            )
            try:
                piece = await loop.run()
            finally:
                handover.keep(opened)
        await self._last_words(notebook, ref, piece)
        await linking
        return piece.judgement.verdict is Verdict.PASS

    async def _start(self, ref: TaskRef) -> StepStart:
        start = from_piece(self.start, StepStart)
        if start is None:
            promote = TaskRef(dag_id=ref.dag_id, run_id=ref.run_id, task_id=self.promote_task_id)
            start = await pull(promote, Key.STEP, StepStart)
        if start is None or start.step_id != self.step_id:
            raise NoStart(f"{self.promote_task_id} did not hand over a start of {self.step_id}")
        return start

    async def _own(self, ref: TaskRef, start: StepStart) -> Checkpoint | None:
        """Return this gate's own checkpoint, if it is not the first to judge this step."""
        own = await pull(ref, Key.CHECKPOINT, Checkpoint)
        if own is None or (own.epoch, own.step_id) != (start.attempt.token.epoch, start.step_id):
            return None
        self.log.info("goes on from the state saved at %.1f", own.at)
        return own

    async def _last_words(self, notebook: XComNotebook, ref: TaskRef, piece: GatePiece) -> None:
        """Leave the timeline; its failure changes nothing of the verdict."""
        try:
            await notebook.save_events(_events(ref, piece))
        except Exception:
            self.log.exception("could not save the timeline")

    async def _link(self, notebook: XComNotebook, ref: TaskRef) -> None:
        try:
            await notebook.save_link(LINK_NAME, release_url(ref.dag_id, ref.run_id))
        except Exception:
            self.log.exception("could not save the link to the release's page")

    async def _explain(self, error: Exception) -> None:
        try:
            ref = self._ref()
            event = Event(
                at=Clock().now(),
                task=ref.task_id,
                text=f"the gate ended without a verdict: {str(error) or type(error).__name__}",
            )
            await XComNotebook(ref, self.log).save_events([event])
        except Exception:
            self.log.exception("could not save the reason")


def _step(spec: RolloutSpec, step_id: str) -> PlannedStep:
    steps = {step.id: step for step in make_plan(spec).steps}
    if step_id not in steps:
        raise NoStart(f"the spec has no step {step_id}, only {', '.join(steps)}")
    return steps[step_id]


def _events(ref: TaskRef, piece: GatePiece) -> list[Event]:
    def event(at: float, text: str) -> Event:
        return Event(at=at, task=ref.task_id, text=text, epoch=piece.epoch)

    judgement: Judgement = piece.judgement
    events = [event(judgement.at, judgement.reason)]
    stop = piece.stop
    if stop is not None and stop.written_at is not None:
        took = stop.written_at - stop.decided_at
        events.append(event(stop.written_at, f"all traffic back on stable {took:.2f} s later"))
    if stop is not None and stop.error:
        events.append(event(stop.decided_at, f"could not put the traffic back: {stop.error}"))
    return events
