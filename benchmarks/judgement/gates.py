"""The judge's own test on drawn traffic: the second in which its evidence reaches the limit."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_rollout.analysis.counts import Interval
from airflow_rollout.analysis.evidence import Growth
from airflow_rollout.analysis.histogram import ComparisonProcess
from airflow_rollout.analysis.idle import IdleStable
from airflow_rollout.analysis.latency import first_compared
from airflow_rollout.analysis.parameters import (
    Comparison,
    Metric,
    Question,
    Semantics,
    Threshold,
)
from airflow_rollout.analysis.readings import ArmCounts
from benchmarks.judgement.rules import LATENCY_LIMIT
from benchmarks.judgement.traffic import SECONDS, Counts, Traffic

__all__ = ["GATES", "PLAIN", "THREE_AGREE", "Gate"]

_ALPHA = 0.01
# The limit the other tools' rules are given decides here where latencies are compared.
_LATENCY = Metric(
    name="latency", question=Question.LATENCY, threshold=Threshold(maximum=LATENCY_LIMIT)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The comparison at one resolution.

    :param corrected: with tolerance, growth cap and dispersion; the textbook's test is without.
    :param min_intervals: how many intervals must agree.
    """

    name: str
    every: int
    corrected: bool = True
    min_intervals: int = 2

    def stops_at(self, traffic: Traffic) -> float | None:
        """Return the second in which the release is stopped, None if it is not."""
        process = self._process(traffic.phi)
        idle, keeps = IdleStable(), False
        first = first_compared(_LATENCY, Semantics.NATIVE, traffic.boundaries)
        for number, counts in enumerate(
            zip(*map(_listed, traffic.summed(self.every)), strict=True)
        ):
            (requests,), bad, (stable_requests,), stable_bad = counts
            canary = ArmCounts(requests=requests, bad=tuple(bad[first:]))
            stable = ArmCounts(requests=stable_requests, bad=tuple(stable_bad[first:]))
            end = float((number + 1) * self.every)
            if keeps or not requests:
                interval = Interval(start=end - self.every, end=end, canary=canary, stable=stable)
                keeps = not requests
                if keeps:
                    idle.keep(interval)
                else:
                    stable = idle.added_to(interval)
            process.update(canary, stable)
            if process.value >= 1.0 / _ALPHA:
                return end
        return None

    def _process(self, phi: float) -> ComparisonProcess:
        planned = SECONDS // self.every
        params = Comparison(
            planned_intervals=planned, dispersion=phi, min_intervals=self.min_intervals
        )
        if not self.corrected:
            params = Comparison(
                planned_intervals=planned, dispersion=1.0, tolerance=1.0, min_intervals=1
            )
        return ComparisonProcess(params, Growth.of(params, alpha=_ALPHA, weight=1.0))


def _listed(counts: Counts) -> list[list[int]]:
    return counts.tolist()  # type: ignore[no-any-return]


GATES = tuple(Gate(name=f"gate {every}s", every=every) for every in (1, 5, 15))
PLAIN = tuple(Gate(name=f"e {every}s", every=every, corrected=False) for every in (1, 5, 15))
# What a site can say whose metric system reads its targets one after the other.
THREE_AGREE = Gate(name="gate 15s, 3 agree", every=15, min_intervals=3)
