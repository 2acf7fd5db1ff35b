"""What the external metrics API answers, in the shapes of its published types."""

from __future__ import annotations

from typing import Any

from contract import Case, Contract, Recorded, ask_metric, body

from airflow_rollout.wire import HttpResponse


def listed(*values: Any) -> HttpResponse:
    """Return a list of values of one metric."""
    found = [
        {"metricName": "errors", "metricLabels": {}, "timestamp": "2026-11-24T06:01:30Z",
         "value": value}
        for value in values
    ]  # fmt: skip
    return body(
        {"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1",
         "metadata": {}, "items": found}
    )  # fmt: skip


CONTRACT = Contract(
    provider="kubernetes_metrics",
    asked=ask_metric("prod/errors?labelSelector=version=v2"),
    refusal=b'{"kind":"Status","reason":"Forbidden","message":"cannot get resource errors"}',
    refusal_words="Forbidden: cannot get resource errors",
    cases={
        Case.VALUE: Recorded(answers=(listed("2500m"),), value=2.5),
        Case.COUNTS: "an external metric is one number; metric names are the cluster's own",
        Case.EMPTY: Recorded(answers=(listed(),), words="no such metric"),
        Case.NULL: Recorded(answers=(listed(None),), words="no value"),
        Case.NAN: Recorded(answers=(listed("NaN"),), words="no value"),
        Case.INFINITE: Recorded(answers=(listed("Infinity"),), words="no value"),
        Case.SEVERAL: Recorded(answers=(listed("1", "2"),), words="2 items"),
        Case.PARTIAL: "the API does not say that data is incomplete",
        Case.OPEN: "the API gives the adapter's newest number and no buckets",
        Case.INSIDE: Recorded(
            answers=(body({"kind": "Status", "reason": "NotFound", "message": "no metric"}),),
            words="NotFound: no metric",
        ),
    },
)
