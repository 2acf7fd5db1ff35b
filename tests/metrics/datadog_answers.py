"""What Datadog answers: made in the shapes of its published models, which a test holds them to."""

from __future__ import annotations

import json
from typing import Any

from contract import START, Case, Contract, Outcome, Recorded, ask_metric, body

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.wire import HttpResponse

# The window is 120 s long and 30 s are not complete yet: buckets from START to START + 90.
LAST = START + 80


def classic(*pointlists: list[list[float | None]], **more: Any) -> HttpResponse:
    """Return a v1 answer: seconds are given, milliseconds are sent."""
    series = [
        {
            "metric": "app.errors", "interval": 10, "length": len(points), "scope": "version:v2",
            "expression": "sum:app.errors{version:v2}.as_count()", "aggr": "sum", "query_index": 0,
            "start": START * 1000, "end": (START + 120) * 1000, "tag_set": [],
            "pointlist": [[(at or 0) * 1000, value] for at, value in points],
        }
        for points in pointlists
    ]  # fmt: skip
    return body(
        {"status": "ok", "res_type": "time_series", "message": "", "series": series, **more}
    )


def scalar(*values: float | None, rows: int = 1, **more: Any) -> HttpResponse:
    """Return a v2 answer to a formula: one column each."""
    columns = [
        {"name": name, "type": "number", "values": [value] * rows, "meta": {"unit": None}}
        for name, value in zip("abcd", values, strict=False)
    ]
    data = {"id": "0", "type": "scalar_response", "attributes": {"columns": columns}}
    return body({"data": data, **more})


def timeseries(*queries: dict[float, float | None]) -> HttpResponse:
    """Return a v2 answer: for each query its counts by the start of their bucket."""
    times = sorted({at for query in queries for at in query})
    series = [
        {"group_tags": [], "query_index": index, "unit": None}
        for index, query in enumerate(queries)
        if query
    ]
    attributes = {
        "series": series,
        "times": [round(at * 1000) for at in times],
        "values": [[query.get(at) for at in times] for query in queries if query],
    }
    return body({"data": {"id": "0", "type": "timeseries_response", "attributes": attributes}})


# canary: requests, errors; stable: requests, errors
BOTH_ARMS = timeseries(
    {LAST - 10: 40, LAST: 50}, {LAST: 3}, {LAST - 10: 400, LAST: 410}, {LAST - 10: 1, LAST: 2}
)

ERRORS = ask_metric(question=Question.ERRORS)
FORMULA = ask_metric(
    json.dumps(
        {
            "queries": {"a": "sum:app.errors{*}.as_count()", "b": "sum:app.hits{*}.as_count()"},
            "formula": "a / b",
            "requests": "b",
            "aggregator": "sum",
        }
    )
)

CONTRACT = Contract(
    provider="datadog",
    asked=ask_metric("sum:app.errors{version:v2}.as_count()"),
    refusal=b'{"errors":["Rate limit of 100 requests in 3600 seconds reached"]}',
    refusal_words="Rate limit of 100 requests",
    cases={
        Case.VALUE: Recorded(
            answers=(scalar(0.004, 2500),), asked=FORMULA, value=0.004, requests=2500
        ),
        Case.COUNTS: Recorded(answers=(BOTH_ARMS,), asked=ERRORS, counts=(50, 3)),
        Case.EMPTY: Recorded(answers=(classic(),), words="no series"),
        Case.NULL: Recorded(answers=(scalar(None, 0),), asked=FORMULA, words="no value"),
        Case.NAN: Recorded(answers=(classic([[LAST, float("nan")]]),), words="no number"),
        Case.INFINITE: Recorded(answers=(classic([[LAST, float("inf")]]),), words="no number"),
        Case.SEVERAL: Recorded(answers=(classic([[LAST, 1]], [[LAST, 2]]),), words="2 series"),
        Case.PARTIAL: Recorded(
            # One arm has not arrived yet: it counts as no request, and never as no error.
            answers=(timeseries({}, {}, {LAST: 400}, {}),),
            asked=ERRORS, outcome=Outcome.COUNTS, counts=(0, 0),
        ),
        Case.OPEN: Recorded(
            answers=(classic([[START, 1], [LAST - 10, 7], [LAST, 5], [LAST + 10, 2]]),),
            value=5,
        ),
        Case.INSIDE: Recorded(
            answers=(body({"status": "error", "error": "Rule 'aggregator' did not match"}),),
            words="did not match",
        ),
    },
)  # fmt: skip
