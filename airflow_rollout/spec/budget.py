"""Share the false-alarm budget of a release among its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from airflow_rollout.analysis.parameters import Metric, Mode

__all__ = ["share_budget"]


def share_budget(metrics: Sequence[tuple[Metric, float, Mode]]) -> tuple[Metric, ...]:
    """Return the metrics with their modes and weights; the weights of those that act sum to 1.

    Each entry is a metric, its relative weight and its mode. A metric without a sequential test
    (one number from a query) needs no budget and gets none, unless nothing else acts. A metric
    that is only observed is shown the evidence it would have had beside the acting ones.
    """
    tested = [entry for entry in metrics if entry[0].compare or entry[0].guardrail is not None]
    acting = [entry for entry in tested if entry[2] is Mode.ACT]
    whole = sum(weight for _, weight, _ in acting)
    every = sum(weight for _, weight, _ in tested)
    shared = []
    for metric, weight, mode in metrics:
        share = 0.0
        if metric.compare or metric.guardrail is not None:
            share = weight / (whole if mode is Mode.ACT else every)
        shared.append(replace(metric, mode=mode, weight=share))
    return tuple(shared)
