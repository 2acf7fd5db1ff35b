"""What a cluster answers about a KeptnMetric, in the shapes of its custom resource."""

from __future__ import annotations

from typing import Any

from contract import Case, Contract, Outcome, Recorded, ask_metric, body

from airflow_rollout.wire import HttpResponse


def measured(value: Any, at: str = "2026-11-24T06:01:50Z", **status: Any) -> HttpResponse:
    """Return a metric with its last value; Keptn writes numbers as texts."""
    return body(
        {
            "apiVersion": "metrics.keptn.sh/v1beta1", "kind": "KeptnMetric",
            "metadata": {"name": "errors", "namespace": "prod"},
            "spec": {"provider": {"name": "p"}, "query": "q", "fetchIntervalSeconds": 10},
            "status": {"value": value, "rawValue": "", "lastUpdated": at, **status},
        }
    )  # fmt: skip


CONTRACT = Contract(
    provider="keptn",
    asked=ask_metric("prod/errors"),
    refusal=b'{"kind":"Status","reason":"NotFound","message":"keptnmetrics errors not found"}',
    refusal_words="keptnmetrics errors not found",
    cases={
        Case.VALUE: Recorded(answers=(measured("2.5"),), value=2.5),
        Case.COUNTS: "a KeptnMetric is one number",
        Case.EMPTY: Recorded(answers=(measured(""),), words="not measured"),
        Case.NULL: Recorded(answers=(measured(None),), words="not measured"),
        Case.NAN: Recorded(answers=(measured("NaN"),)),
        Case.INFINITE: Recorded(answers=(measured("+Inf"),)),
        Case.SEVERAL: "a KeptnMetric is one number by its definition",
        Case.PARTIAL: "a KeptnMetric does not say that data is incomplete",
        Case.OPEN: "Keptn keeps its last measurement and no buckets",
        Case.INSIDE: Recorded(
            # Keptn keeps the last good value beside the error: it is an old one.
            answers=(measured("2.5", errMsg="provider is away"),),
            outcome=Outcome.NO_DATA, words="provider is away",
        ),
    },
)  # fmt: skip
