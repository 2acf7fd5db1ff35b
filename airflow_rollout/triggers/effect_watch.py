"""Whether the requests of a step went where its weight says: "written" is never taken for "moved".

Only where the router's own counters are read: what other systems call requests may be sampled, or
hold more than what this router carries.
"""

from __future__ import annotations

from airflow_rollout.analysis.effect import Effect
from airflow_rollout.analysis.judge import Judge
from airflow_rollout.analysis.parameters import Mode, Question
from airflow_rollout.metrics.registry import PROVIDERS, Asks
from airflow_rollout.record import StepStart
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.triggers.traffic_watch import LIVE_GRACE_SECONDS

__all__ = ["EffectWatch"]

# The first share may miss what the canary had before its counters were seen for the first time.
_MISFITS = 2


class EffectWatch:
    """Hold the counted requests of one step against its weight.

    :param judge: counts them, from now on.
    """

    def __init__(self, spec: RolloutSpec, start: StepStart, judge: Judge) -> None:
        self._judge = judge
        self._metric = _counted_at_router(spec)
        # The first version of a service has nobody beside it.
        self._is_watched = bool(self._metric) and start.attempt.stable is not None
        self._acts = spec.judge.mode is Mode.ACT
        self._deadline = start.written_at + LIVE_GRACE_SECONDS
        canary, stable = judge.requests(self._metric) if self._is_watched else (0, 0)
        self._effect = Effect(weight=start.weight, canary=canary, stable=stable)

    def look(self) -> None:
        """Take in what was counted since the last look."""
        if self._is_watched:
            self._effect.look(*self._judge.requests(self._metric))

    def fault(self, at: float) -> str:
        """Return what is wrong with the share of the requests, empty if nothing is by now."""
        is_wrong = self._effect.misfits >= _MISFITS and at > self._deadline
        return self.words if self._acts and is_wrong else ""

    @property
    def doubt(self) -> str:
        """Return what forbids a PASS, empty if nothing does."""
        return self.words if self._acts and self._effect.misfits else ""

    @property
    def words(self) -> str:
        """Return what was seen so far, for a verdict."""
        if not self._is_watched:
            return "split not observed: no metric counts the router's requests"
        return self._effect.words


def _counted_at_router(spec: RolloutSpec) -> str:
    """Return the name of a metric that counts the router's requests, empty where there is none."""
    if PROVIDERS[spec.source.provider].asks is not Asks.ROUTER:
        return ""
    return next(
        (
            metric.name
            for metric in spec.judge.metrics
            if metric.query is None and metric.question is not Question.VALUE
        ),
        "",
    )
