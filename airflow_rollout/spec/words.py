"""A spec's questions in words, for plans and documentation that people read."""

from __future__ import annotations

from airflow_rollout.analysis.parameters import Metric, Mode, Question, Semantics
from airflow_rollout.spec.durations import say_duration
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.spec.shares import say_share

__all__ = ["say_question"]


def say_question(spec: RolloutSpec, metric: Metric) -> str:
    """Say what a metric asks: ``P99 latency at most 400ms, and no worse than stable``."""
    parts = [_limit(spec.judge.semantics, metric)]
    if metric.compare and spec.judge.comparison.enabled:
        parts.append("and no worse than stable" if parts[0] else f"{_what(metric)} as on stable")
    text = ", ".join(part for part in parts if part) or "nothing"
    observed = Mode.OBSERVE in (metric.mode, spec.judge.mode)
    return f"{text} (observed only)" if observed else text


def _limit(semantics: Semantics, metric: Metric) -> str:
    threshold = metric.threshold
    if threshold is None:
        return ""
    sides = [
        f"{side} {_value(semantics, metric, limit)}"
        for side, limit in (("at least", threshold.minimum), ("at most", threshold.maximum))
        if limit is not None
    ]
    if not sides:
        return ""
    what = _what(metric)
    if metric.question is Question.ERRORS and semantics is Semantics.FLAGGER:
        what = "success rate"
    return f"{what} {' and '.join(sides)}"


def _what(metric: Metric) -> str:
    if metric.question is Question.ERRORS:
        return "5xx rate"
    if metric.question is Question.LATENCY:
        return f"P{(metric.quantile or 0) * 100:g} latency"
    return "value"


def _value(semantics: Semantics, metric: Metric, limit: float) -> str:
    if metric.question is Question.VALUE:
        return f"{limit:g}"
    if metric.question is Question.LATENCY:
        return f"{limit:g}ms" if semantics is Semantics.FLAGGER else say_duration(limit)
    return f"{limit:g} %" if semantics is Semantics.FLAGGER else say_share(limit)
