"""What CloudWatch answers, in the shapes of botocore's service model."""

from __future__ import annotations

import json
from typing import Any

from contract import START, Case, Contract, Recorded, ask_metric, body

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.wire import HttpResponse

ARMS = (
    ("canary", "TargetGroup=targetgroup/{service}-canary/1"),
    ("stable", "TargetGroup=targetgroup/{service}-stable/1"),
)


def result(name: str, points: dict[float, float], state: str = "Complete") -> dict[str, Any]:
    """Return one query's result, the newest point first."""
    times = sorted(points, reverse=True)
    return {
        "Id": name, "Label": name, "Timestamps": times,
        "Values": [points[at] for at in times], "StatusCode": state,
    }  # fmt: skip


def data(*results: dict[str, Any], **more: Any) -> HttpResponse:
    """Return an answer to GetMetricData."""
    return body({"MetricDataResults": list(results), **more})


def metric(name: str = "errors", period: int = 60, **more: Any) -> dict[str, Any]:
    """Return one query of a metric."""
    stat = {
        "Metric": {"Namespace": "App", "MetricName": "Errors"}, "Period": period, "Stat": "Sum",
    }  # fmt: skip
    return {"Id": name, "MetricStat": stat, **more}


ERRORS = ask_metric(question=Question.ERRORS)

CONTRACT = Contract(
    provider="cloudwatch",
    asked=ask_metric(json.dumps([metric()])),
    refusal=b'{"__type":"com.amazonaws.cloudwatch#InvalidParameterValue","message":"Bad Id"}',
    refusal_words="InvalidParameterValue: Bad Id",
    cases={
        Case.VALUE: Recorded(
            answers=(data(result("errors", {START: 3}), result("requests", {START: 40})),),
            asked=ask_metric(json.dumps([metric(), metric("requests")])),
            value=3,
            requests=40,
        ),
        Case.COUNTS: Recorded(
            answers=(
                data(
                    result("c0", {START: 50}), result("c1", {START: 3}),
                    result("s0", {START: 410}), result("s1", {}),
                ),
            ),
            asked=ERRORS, options=ARMS, counts=(50, 3),
        ),
        Case.EMPTY: Recorded(answers=(data(result("errors", {})),), words="no number"),
        Case.NULL: Recorded(answers=(data(result("errors", {START: None})),)),  # type: ignore[dict-item]
        Case.NAN: Recorded(answers=(data(result("errors", {START: float("nan")})),)),
        Case.INFINITE: Recorded(answers=(data(result("errors", {START: float("inf")})),)),
        Case.SEVERAL: Recorded(
            answers=(data(result("a", {START: 1}), result("b", {START: 2})),), words="ReturnData"
        ),
        Case.PARTIAL: Recorded(
            answers=(data(result("errors", {START: 1}, "PartialData")),), words="PartialData"
        ),
        Case.OPEN: Recorded(
            answers=(data(result("errors", {START: 5, START + 60: 1})),), value=5
        ),
        Case.INSIDE: Recorded(
            answers=(
                data(
                    result("errors", {}, "Forbidden"),
                    Messages=[{"Code": "Forbidden", "Value": "not allowed to get metrics"}],
                ),
            ),
            words="not allowed to get metrics",
        ),
    },
)  # fmt: skip
