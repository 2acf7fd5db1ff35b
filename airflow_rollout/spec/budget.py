"""Share the false-alarm budget of a release among its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from airflow_rollout.analysis.parameters import Metric, Mode, Question

__all__ = ["share_budget"]


def share_budget(metrics: Sequence[tuple[Metric, float | None, Mode]]) -> tuple[Metric, ...]:
    """Return the metrics with their modes and weights; the weights of those that act sum to 1.

    Each entry is a metric, its relative weight and its mode; errors weigh as much as all others
    together if nobody says it, since most bad releases show there first. A metric without a
    sequential test (one number from a query) needs no budget and gets none, unless nothing else
    acts. A metric that is only observed is shown the evidence it would have had beside the acting
    ones.
    """
    others = sum(_is_tested(m) and m.question is not Question.ERRORS for m, _, _ in metrics)
    usual = {True: float(max(1, others)), False: 1.0}
    weighed = [
        (metric, usual[metric.question is Question.ERRORS] if weight is None else weight, mode)
        for metric, weight, mode in metrics
    ]
    tested = [entry for entry in weighed if _is_tested(entry[0])]
    acting = [entry for entry in tested if entry[2] is Mode.ACT]
    whole = sum(weight for _, weight, _ in acting)
    every = sum(weight for _, weight, _ in tested)
    shared = []
    for metric, weight, mode in weighed:
        share = 0.0
        if _is_tested(metric):
            share = weight / (whole if mode is Mode.ACT else every)
        shared.append(replace(metric, mode=mode, weight=share))
    return tuple(shared)


def _is_tested(metric: Metric) -> bool:
    return metric.compare or metric.guardrail is not None
