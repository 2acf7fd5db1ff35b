"""What Graphite's render API answers, in the shapes of version 1.1."""

from __future__ import annotations

from typing import Any

from contract import START, Case, Contract, Recorded, ask_metric, body

from airflow_rollout.wire import HttpResponse


def render(*values: float | None, end: float = START + 120, more: int = 0) -> HttpResponse:
    """Return one series of 10 s buckets that ends with a bucket at `end`; `more` series as well."""
    first = end - 10 * (len(values) - 1)
    points = [[value, int(first + 10 * index)] for index, value in enumerate(values)]
    series: dict[str, Any] = {"target": "t", "tags": {"name": "t"}, "datapoints": points}
    return body([series] * (1 + more))


CONTRACT = Contract(
    provider="graphite",
    asked=ask_metric("asPercent(sumSeries(app.canary.5xx), sumSeries(app.canary.all))"),
    refusal=b"Invalid 'from' value: soon",
    refusal_words="Invalid 'from' value: soon",
    cases={
        Case.VALUE: Recorded(answers=(render(1.0, 2.5, None, None),), value=2.5),
        Case.COUNTS: "a target gives one number a bucket; two targets are two questions",
        Case.EMPTY: Recorded(answers=(body([]),), words="a fault in the target"),
        Case.NULL: Recorded(answers=(render(None, None, None),), words="no number"),
        Case.NAN: Recorded(answers=(render(float("nan"), float("nan")),), words="no number"),
        Case.INFINITE: Recorded(answers=(render(float("inf"), float("inf")),), words="no number"),
        Case.SEVERAL: Recorded(answers=(render(1, 2, more=1),), words="2 series"),
        Case.PARTIAL: "the render API does not say that data is incomplete",
        Case.OPEN: Recorded(answers=(render(1, 2, 3, 4),), value=3),
        Case.INSIDE: "Graphite has no errors inside an answer: a bad target is an empty list",
    },
)
