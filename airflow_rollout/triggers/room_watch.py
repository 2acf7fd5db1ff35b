"""Judge a canary at the weight it has, while it waits for room for the next one.

The gate before has ended, and behind one Service the pods that are ready sooner have traffic
already: a bad version must not have the time that a slow one may take.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import OnInconclusive
from airflow_rollout.analysis.standing import StepContext
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.plan import PlannedStep
from airflow_rollout.record import StepStart
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.triggers.clock import Clock
from airflow_rollout.triggers.pace import read_window

__all__ = ["RoomWatch"]

_STOPPING = frozenset({Verdict.FAIL, Verdict.ERROR})


class RoomWatch:
    """Ask and judge by the rules of a gate that never passes and has no deadline.

    :param step: the one that is waited for.
    :param start: what the gate before has handed on.
    """

    def __init__(
        self,
        systems: Systems,
        spec: RolloutSpec,
        *,
        step: PlannedStep,
        start: StepStart,
        clock: Clock,
    ) -> None:
        self._systems = systems
        self._spec = spec
        self._step = step
        self._start = start
        self._clock = clock
        # A wait that shows nothing is no reason to go back.
        policies = replace(spec.judge.policies, on_inconclusive=OnInconclusive.PROMOTE)
        self._params = replace(spec.judge, policies=policies)
        self._parts = 0
        self._judge = self._judge_from(start.state)
        self._asked_at = -math.inf

    @property
    def state(self) -> dict[str, Any] | None:
        """Return the judge's state to go on with: nothing is forgotten, and nothing counted twice.

        Where nothing was handed on nothing is: whoever begins looks at the stable version first.
        """
        has_asked = self._asked_at > -math.inf
        return self._judge.state() if self._start.state and has_asked else self._start.state

    async def fault(self) -> str:
        """Return why the canary has to go back, empty while it need not; asks at the source's pace.

        What cannot be read is judged as in a gate. Probes are left out: a canary that grows has
        pods that are not ready.
        """
        now = self._clock.now()
        if now - self._asked_at < self._spec.source.every_seconds:
            return ""
        since = max(self._asked_at, self._start.written_at)
        self._asked_at = now
        window = read_window(self._start.attempt.opened_at, since, now)
        metrics = self._spec.judge.metrics
        for name, reading in (await self._systems.read_metrics(metrics, window)).items():
            self._judge.feed(name, reading)
        judgement = self._judge.assess(self._clock.now())
        if not judgement.ends:
            return ""
        if judgement.verdict in _STOPPING:
            return judgement.reason
        # It would pass, and then look no further: begin the next part of the wait.
        self._parts += 1
        self._judge = self._judge_from(self._judge.state())
        return ""

    def _judge_from(self, state: dict[str, Any] | None) -> Judge:
        context = StepContext(
            # Another one than the step's own, whose counts start anew when its weight is there.
            step_id=f"{self._step.id}.room_{self._parts}",
            weight=self._step.previous_weight,
            written_at=self._clock.now(),
            hold_seconds=self._spec.judge.interval_seconds,
            deadline_seconds=math.inf,
            release_started_at=self._start.release_started_at,
        )
        return Judge(self._params, context, state)
