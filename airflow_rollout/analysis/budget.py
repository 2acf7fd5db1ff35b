"""Who holds how much of the release's budget of false alarms, and which parameters make sense."""

from __future__ import annotations

import math

from airflow_rollout.analysis.parameters import Comparison, JudgeParams, Metric, Mode, Question

__all__ = ["check_params", "is_compared", "is_guarded", "split_budget"]


def is_compared(metric: Metric, params: JudgeParams) -> bool:
    """Say whether the canary is compared with the stable arm on this metric."""
    return params.comparison.enabled and metric.compare and metric.question is not Question.VALUE


def is_guarded(metric: Metric) -> bool:
    """Say whether a sequential one-arm test watches this metric."""
    return metric.guardrail is not None and metric.question is not Question.VALUE


def split_budget(params: JudgeParams) -> dict[str, float]:
    """Return each metric's part of the budget; the parts of those who share it sum to 1.

    Only acting metrics with a sequential test share it. Their weights are normalised rather than
    refused: observing one metric only, or switching a comparison off, must neither waste the
    budget nor need other numbers in the file. Everything else has a budget of 1 of its own, which
    can stop nothing.
    """
    sharing = [
        m for m in params.metrics
        if m.mode is Mode.ACT and (is_compared(m, params) or is_guarded(m))
    ]  # fmt: skip
    total = math.fsum(m.weight for m in sharing)
    if sharing and total <= 0.0:
        raise ValueError("at least one acting metric needs a weight above 0")
    parts = dict.fromkeys((m.name for m in params.metrics), 1.0)
    parts.update({m.name: m.weight / total for m in sharing})
    return parts


def check_params(params: JudgeParams) -> None:
    """Refuse parameters no release can be judged by; raises `ValueError`."""
    names = [metric.name for metric in params.metrics]
    if len(set(names)) != len(names):
        raise ValueError(f"metric names must be unique, found {names}")
    if not 0.0 < params.alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1, found {params.alpha}")
    if params.interval_seconds <= 0.0:
        raise ValueError(f"interval_seconds must be above 0, found {params.interval_seconds}")
    _check_comparison(params.comparison)
    if not 0.0 < params.promotion.beta < 1.0:
        raise ValueError(f"beta must lie between 0 and 1, found {params.promotion.beta}")
    for metric in params.metrics:
        if metric.window_seconds <= 0.0:
            raise ValueError(f"{metric.name}: window_seconds must be above 0")
        if metric.weight < 0.0:
            raise ValueError(f"{metric.name}: weight must not be negative, found {metric.weight}")


def _check_comparison(comparison: Comparison) -> None:
    if not 0.0 <= comparison.restart_share < 1.0:
        raise ValueError(f"restart_share must lie in [0, 1), found {comparison.restart_share}")
    if comparison.tolerance < 1.0:
        raise ValueError(f"tolerance is an odds ratio from 1, found {comparison.tolerance}")
    if not 0.0 <= comparison.absolute < 1.0:
        raise ValueError(f"absolute is a share below 1, found {comparison.absolute}")
