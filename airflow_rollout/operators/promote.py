"""Raise the weight: make room, sample both arms, write, hand sample and time to the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from airflow_rollout.analysis.budget import is_compared
from airflow_rollout.hooks.connection import airflow_connections
from airflow_rollout.hooks.moves import Move, raise_weight
from airflow_rollout.hooks.sizing import until_sized
from airflow_rollout.hooks.systems import Systems, open_systems
from airflow_rollout.late import record
from airflow_rollout.operators.base import ReleaseOperator, run_async
from airflow_rollout.plan import PlannedStep, find_step
from airflow_rollout.release import ReleaseState
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.triggers.clock import Clock

if TYPE_CHECKING:
    from airflow_rollout.analysis.judge import Judge

__all__ = ["PromoteStepOperator"]


class PromoteStepOperator(ReleaseOperator):
    """Raise the canary to one step's weight.

    Idempotent: repeated, it finds its weight and hands over again. Refused by the fence when the
    split is not what the step before left; the run is then rolled back.

    :param spec: how the service is released.
    :param step_id: which step of the plan, for example ``step_02``.
    :param prepare_task_id: the task that opened the release.
    :param previous_task_ids: the step before: its gate and its promote task, empty for the first.
    """

    def __init__(
        self,
        *,
        spec: RolloutSpec,
        step_id: str,
        prepare_task_id: str,
        previous_task_ids: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hold(spec)
        self.step_id = step_id
        self.prepare_task_id = prepare_task_id
        self.previous_task_ids = tuple(previous_task_ids)

    def execute(self, context: Context) -> None:
        """Write the weight and push the gate's start."""
        attempt = self.attempt(context, self.prepare_task_id)
        spec = self.spec.overridden(
            interval_seconds=attempt.interval_seconds, dispersion=attempt.dispersion
        )
        step = find_step(spec, self.step_id)
        epoch = attempt.token.epoch
        with self.telling(context, f"{step.weight} %", epoch):
            before = self._handed_on(context, epoch)
            start, move, waited = run_async(self._raise(spec, step, attempt, before))
        self.push(context, record.Key.STEP, start)
        if before.state is None and self.previous_task_ids and not attempt.unjudged:
            self.tell(context, "no evidence was handed on: the judge begins anew", epoch=epoch)
        if waited:
            self.tell(context, waited, epoch=epoch)
        self.tell(context, f"{step.weight} % of traffic: {move.reason}", epoch=epoch)

    def _handed_on(self, context: Context, epoch: str) -> _Before:
        """Return what the step before left: the newest judge's state of this attempt."""
        before = _Before()
        for task_id in self.previous_task_ids:
            checkpoint = self.pull(context, task_id, record.Key.CHECKPOINT, record.Checkpoint)
            if checkpoint is not None and checkpoint.epoch == epoch:
                before.take(checkpoint.state, checkpoint.at)
            start = self.pull(context, task_id, record.Key.STEP, record.StepStart)
            if start is not None and start.attempt.token.epoch == epoch:
                before.take(start.state, start.written_at)
                before.release_started_at = start.release_started_at
        return before

    async def _raise(
        self, spec: RolloutSpec, step: PlannedStep, attempt: record.Attempt, before: _Before
    ) -> tuple[record.StepStart, Move, str]:
        """Give the canary room, sample, write; return the gate's start, the move, what it took."""
        clock = Clock(not_before=max(before.at, attempt.opened_at))
        start = record.StepStart(
            attempt=attempt,
            step_id=step.id,
            weight=step.weight,
            written_at=clock.now(),
            release_started_at=before.release_started_at or clock.now(),
            state=before.state,
        )
        async with open_systems(spec, airflow_connections()) as systems:
            waited, sampled = await self._make_room(systems, spec, step, start, clock)
            if not attempt.unjudged:
                begun = replace(start, written_at=clock.now(), state=sampled)
                sampled = await _sample(systems, spec, step, begun)
            move = await raise_weight(
                systems,
                token=attempt.token,
                canary=attempt.canary,
                weight=step.weight,
                previous_weight=step.previous_weight,
                step=step.id,
            )
        now = clock.now()
        first = move.split is not None and move.split.state is ReleaseState.RELEASED
        started_at = before.release_started_at or now
        start = replace(
            start, written_at=now, release_started_at=started_at, state=sampled, first=first
        )
        return start, move, waited

    async def _make_room(
        self,
        systems: Systems,
        spec: RolloutSpec,
        step: PlannedStep,
        start: record.StepStart,
        clock: Clock,
    ) -> tuple[str, dict[str, Any] | None]:
        """Wait until the canary can carry the step; return how long, and the judge's state.

        A canary that has traffic already is judged meanwhile.
        """
        watch = None
        if systems.canary_grows and step.previous_weight > 0 and not start.unjudged:
            # Not for a DAG file that is only parsed, nor where nothing is waited for.
            from airflow_rollout.triggers.room_watch import RoomWatch

            watch = RoomWatch(systems, spec, step=step, start=start, clock=clock)
        waited = await until_sized(
            systems,
            token=start.attempt.token,
            canary=start.attempt.canary,
            step=step,
            seconds=spec.ready_timeout_seconds,
            say=self.log.info,
            look=watch.fault if watch else None,
        )
        return waited, watch.state if watch else start.state


@dataclass(kw_only=True)
class _Before:
    """What the step before left; `at` is the latest time it has seen."""

    state: dict[str, Any] | None = None
    release_started_at: float | None = None
    at: float = 0.0

    def take(self, state: dict[str, Any] | None, at: float) -> None:
        self.state = state if self.state is None else self.state
        self.at = max(self.at, at)


async def _sample(
    systems: Systems, spec: RolloutSpec, step: PlannedStep, start: record.StepStart
) -> dict[str, Any]:
    """Feed the judge with what both arms have counted until now, so that no window is blind."""
    # Here and not above: a DAG file that is only parsed does not load the judge and the gate.
    from airflow_rollout.analysis.judge import Judge
    from airflow_rollout.triggers.gate_loop import context_of
    from airflow_rollout.triggers.pace import read_window

    judge = Judge(spec.judge, context_of(step, start), start.state)
    if start.state is None:
        await _learn(systems, spec, judge, before=start.attempt.opened_at)
    window = read_window(start.attempt.opened_at, start.written_at, start.written_at)
    for name, reading in (await systems.read_metrics(spec.judge.metrics, window)).items():
        judge.feed(name, reading)
    return judge.state()


async def _learn(systems: Systems, spec: RolloutSpec, judge: Judge, *, before: float) -> None:
    """Tell the judge how errors cluster, from what the source still has of the stable version."""
    from airflow_rollout.analysis.history import HISTORY_SECONDS, measured_on

    asked = [metric for metric in spec.judge.metrics if is_compared(metric, spec.judge)]
    if not asked or spec.judge.comparison.dispersion is not None:
        return
    found = await systems.read_history(asked, before=before, seconds=HISTORY_SECONDS)
    for metric in asked:
        if metric.name in found:
            measured = measured_on(found[metric.name], metric, spec.judge.semantics)
            if measured is not None:
                judge.learn(metric.name, measured)
