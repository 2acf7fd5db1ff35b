"""What Dynatrace answers: made after its documentation; no published contract can be had."""

from __future__ import annotations

from typing import Any

from contract import START, Case, Contract, Recorded, ask_metric, body

from airflow_rollout.wire import HttpResponse


def series(*rows: list[float | None], **more: Any) -> HttpResponse:
    """Return an answer with one data row for each list of values."""
    found = [
        {"dimensions": [], "dimensionMap": {}, "timestamps": [int(START * 1000)] * len(row),
         "values": row}
        for row in rows
    ]  # fmt: skip
    result = {"metricId": "app.errors", "data": found}
    return body(
        {"totalCount": 1, "nextPageKey": None, "resolution": "Inf", "result": [result], **more}
    )


CONTRACT = Contract(
    provider="dynatrace",
    asked=ask_metric("app.errors:filter(eq(version,v2)):splitBy():sum"),
    refusal=b'{"error":{"code":403,"message":"Token is missing required scope metrics.read"}}',
    refusal_words="missing required scope",
    cases={
        Case.VALUE: Recorded(answers=(series([2.5]),), value=2.5),
        Case.COUNTS: "metric keys are the user's own, so there are no built-in questions",
        Case.EMPTY: Recorded(answers=(series(),), words="no value"),
        Case.NULL: Recorded(answers=(series([None]),), words="no value"),
        Case.NAN: Recorded(answers=(series([float("nan")]),)),
        Case.INFINITE: Recorded(answers=(series([float("inf")]),)),
        Case.SEVERAL: Recorded(answers=(series([1], [2]),), words="splitBy"),
        Case.PARTIAL: "tuples beyond its limit are left out without a word",
        Case.OPEN: "only minutes that are complete are asked for, as one number",
        Case.INSIDE: Recorded(
            answers=(body({"error": {"code": 400, "message": "unknown metric"}}),),
            words="unknown metric",
        ),
    },
)
