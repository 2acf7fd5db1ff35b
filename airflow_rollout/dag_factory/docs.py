"""The documentation of a rollout's DAG: what will happen, with times and limits."""

from __future__ import annotations

from airflow_rollout.analysis.parameters import Metric, Mode, Promote
from airflow_rollout.analysis.sentences import terms
from airflow_rollout.plan import make_plan
from airflow_rollout.spec.model import RolloutSpec

__all__ = ["dag_doc"]


def dag_doc(spec: RolloutSpec) -> str:
    """Return Markdown for the DAG's page in Airflow."""
    plan = make_plan(spec)
    lines = [
        f"### Release of {spec.name}",
        "",
        "One run is one release. Traffic moves to the new version step by step; it is judged at "
        "each step and put back at once when it is worse.",
        "",
        "| step | traffic on the canary | held | given up after |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {'verify' if step.is_full else step.id} | {step.weight} % | {step.hold_seconds:g} s "
        f"| {step.deadline_seconds:g} s |"
        for step in plan.steps
    ]
    if spec.judge.promotion.when is Promote.ON_EVIDENCE:
        least = spec.judge.promotion.min_duration_seconds
        lines += [
            "",
            f"A step ends sooner, after {least:g} s at least, once the canary is surely no worse "
            "than stable.",
        ]
    lines += ["", "| question | limit | against the stable version |", "| --- | --- | --- |"]
    lines += [_metric_row(spec, metric) for metric in spec.judge.metrics]
    if spec.judge.comparison.enabled:
        lines += ["", f"Compared with {terms(spec.judge)}."]
    lines += [
        "",
        f"Shortest release {plan.shortest_seconds:g} s. Longest exposure of a version that nobody "
        f"can judge {plan.longest_exposure_seconds:g} s (with no triggerer running "
        f"{plan.backstop_exposure_seconds:g} s).",
        "",
        "**In this UI**: mark a gate *success* to promote now, *failed* to abort; clear the *run* "
        "to try again. What happened and why: the link **Release record** on every task.",
    ]
    if spec.judge.mode is Mode.OBSERVE:
        lines += ["", "**Observes only**: judges and records, never stops a release."]
    if spec.ignored:
        lines += ["", f"Not executed, as agreed: {', '.join(spec.ignored)}"]
    return "\n".join(lines)


def _metric_row(spec: RolloutSpec, metric: Metric) -> str:
    compared = "compared" if metric.compare and spec.judge.comparison.enabled else "not compared"
    if metric.mode is Mode.OBSERVE:
        compared += ", observed only"
    return f"| {metric.name} | {_limit(metric)} | {compared} |"


def _limit(metric: Metric) -> str:
    threshold = metric.threshold
    if threshold is None:
        return "none"
    parts = []
    if threshold.minimum is not None:
        parts.append(f"at least {threshold.minimum:g}")
    if threshold.maximum is not None:
        parts.append(f"at most {threshold.maximum:g}")
    return " and ".join(parts) or "none"
