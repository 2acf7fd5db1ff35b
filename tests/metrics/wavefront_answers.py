"""What Wavefront's chart API answers: made after its documentation; no contract can be had."""

from __future__ import annotations

from typing import Any

from contract import START, Case, Contract, Recorded, ask_metric, body

from airflow_rollout.wire import HttpResponse


def chart(*series: dict[float, float], **more: Any) -> HttpResponse:
    """Return series of values by the start of their minute."""
    found = [
        {"label": "ts(app.errors)", "data": [[at, value] for at, value in one.items()]}
        for one in series
    ]
    return body({"query": "q", "name": "q", "timeseries": found, "granularity": 60, **more})


CONTRACT = Contract(
    provider="wavefront",
    asked=ask_metric("sum(ts(app.errors, version=v2))"),
    refusal=b'{"status":{"result":"ERROR","message":"Invalid token","code":401}}',
    refusal_words="Invalid token",
    cases={
        Case.VALUE: Recorded(answers=(chart({START: 1.0, START + 60: 2.5}),), value=2.5),
        Case.COUNTS: "a query gives one number a minute; metric names are the user's own",
        Case.EMPTY: Recorded(answers=(chart(warnings="no such metric"),), words="no such metric"),
        Case.NULL: Recorded(answers=(chart({START: None}),)),  # type: ignore[dict-item]
        Case.NAN: Recorded(answers=(chart({START: float("nan")}),)),
        Case.INFINITE: Recorded(answers=(chart({START: float("inf")}),)),
        Case.SEVERAL: Recorded(answers=(chart({START: 1}, {START: 2}),), words="2 series"),
        Case.PARTIAL: "the chart API does not say that data is incomplete",
        Case.OPEN: Recorded(answers=(chart({START: 5.0, START + 90: 1.0}),), value=5.0),
        Case.INSIDE: Recorded(
            answers=(chart(errorType="QuerySyntaxError", errorMessage="expected )"),),
            words="QuerySyntaxError: expected )",
        ),
    },
)
