"""What an OAP server answers, in the shapes of its published query protocol."""

from __future__ import annotations

from typing import Any

from contract import START, Case, Contract, Recorded, ask_metric, body

from airflow_rollout.wire import HttpResponse


def result(
    *series: dict[float, Any], kind: str = "TIME_SERIES_VALUES", **more: Any
) -> HttpResponse:
    """Return series of values, as texts, by the start of their minute."""
    results = [
        {"values": [
            {"id": str(round(at * 1000)), "value": None if value is None else str(value)}
            for at, value in one.items()
        ]}
        for one in series
    ]  # fmt: skip
    return body({"data": {"result": {"type": kind, "error": None, "results": results, **more}}})


CONTRACT = Contract(
    provider="skywalking",
    asked=ask_metric("service_sla/100"),
    refusal=b'{"errors":[{"message":"Unauthorized"}]}',
    refusal_words="Unauthorized",
    cases={
        Case.VALUE: Recorded(answers=(result({START: 99.5}),), value=99.5),
        Case.COUNTS: "expressions give one number a minute; a count is another expression",
        Case.EMPTY: Recorded(answers=(result(),), words="no series"),
        Case.NULL: Recorded(answers=(result({START: None}),), words="no number"),
        Case.NAN: Recorded(answers=(result({START: "NaN"}),), words="no number"),
        Case.INFINITE: Recorded(answers=(result({START: "Infinity"}),), words="no number"),
        Case.SEVERAL: Recorded(answers=(result({START: 1}, {START: 2}),), words="2 series"),
        Case.PARTIAL: "the query protocol does not say that data is incomplete",
        Case.OPEN: Recorded(answers=(result({START: 5, START + 60: 1}),), value=5),
        Case.INSIDE: Recorded(
            answers=(result(error="Metric [servic_sla] is not found"),), words="servic_sla"
        ),
    },
)
