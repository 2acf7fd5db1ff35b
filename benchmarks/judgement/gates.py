"""The judge's own test on drawn traffic: the second in which its evidence reaches the limit."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_rollout.analysis.counts import Interval
from airflow_rollout.analysis.evidence import Growth
from airflow_rollout.analysis.histogram import ComparisonProcess
from airflow_rollout.analysis.idle import IdleStable
from airflow_rollout.analysis.parameters import Comparison
from airflow_rollout.analysis.readings import ArmCounts
from benchmarks.judgement.traffic import SECONDS, Traffic

__all__ = ["GATES", "PLAIN", "Gate"]

_ALPHA = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The comparison at one resolution.

    :param corrected: with tolerance, growth cap and dispersion; the textbook's test is without.
    """

    name: str
    every: int
    corrected: bool = True

    def stops_at(self, traffic: Traffic) -> float | None:
        """Return the second in which the release is stopped, None if it is not."""
        process = self._process(traffic.phi)
        canary, canary_bad, stable, stable_bad = (
            part.tolist() for part in traffic.summed(self.every)
        )
        idle = IdleStable()
        for number in range(SECONDS // self.every):
            interval = Interval(
                start=float(number * self.every),
                end=float((number + 1) * self.every),
                canary=ArmCounts(requests=canary[number][0], bad=tuple(canary_bad[number])),
                stable=ArmCounts(requests=stable[number][0], bad=tuple(stable_bad[number])),
            )
            if interval.canary.requests == 0:
                idle.keep(interval)
                process.update(interval.canary, interval.stable)
                continue
            process.update(interval.canary, idle.added_to(interval))
            if process.value >= 1.0 / _ALPHA:
                return float((number + 1) * self.every)
        return None

    def _process(self, phi: float) -> ComparisonProcess:
        planned = SECONDS // self.every
        params = Comparison(planned_intervals=planned, dispersion=phi)
        if not self.corrected:
            params = Comparison(
                planned_intervals=planned, dispersion=1.0, tolerance=1.0, min_intervals=1
            )
        return ComparisonProcess(params, Growth.of(params, alpha=_ALPHA, weight=1.0))


GATES = tuple(Gate(name=f"gate {every}s", every=every) for every in (1, 5, 15))
PLAIN = tuple(Gate(name=f"e {every}s", every=every, corrected=False) for every in (1, 5, 15))
