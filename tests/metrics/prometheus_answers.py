"""What Prometheus answers: recorded from version 2.42, and made where it cannot be provoked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from contract import START, Case, Contract, Outcome, Recorded, ask_metric, body

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.wire import HttpResponse

RECORDED = json.loads((Path(__file__).parent / "recordings" / "prometheus_2_42.json").read_text())


def answers(name: str) -> tuple[HttpResponse, ...]:
    return tuple(
        HttpResponse(status=one["status"], body=json.dumps(one["body"]).encode())
        for one in RECORDED[name]
    )


def vector(*values: str, **more: Any) -> HttpResponse:
    result = [{"metric": {}, "value": [START + 119, value]} for value in values]
    return body({"status": "success", "data": {"resultType": "vector", "result": result}, **more})


CONTRACT = Contract(
    provider="prometheus",
    asked=ask_metric("x"),
    refusal=b'{"status":"error","errorType":"bad_data","error":"unclosed left parenthesis"}',
    refusal_words="unclosed left parenthesis",
    cases={
        Case.VALUE: Recorded(answers=answers("vector"), value=1.0),
        Case.COUNTS: Recorded(
            answers=answers("errors"), asked=ask_metric(question=Question.ERRORS), counts=(24, 2)
        ),
        Case.EMPTY: Recorded(answers=answers("empty"), words="no series"),
        Case.NULL: Recorded(
            answers=(vector(None),),  # type: ignore[arg-type]
            outcome=Outcome.PERMANENT,  # Prometheus writes numbers as text: null is not its own
        ),
        Case.NAN: Recorded(answers=answers("nan"), words="nan"),
        Case.INFINITE: Recorded(answers=answers("infinite"), words="inf"),
        Case.SEVERAL: Recorded(answers=answers("many"), words="aggregate"),
        Case.PARTIAL: Recorded(
            # A store that is away is a warning beside a number; the number is what there is.
            answers=(vector("7", warnings=["store down"]),),
            outcome=Outcome.VALUE,
            value=7.0,
        ),
        Case.OPEN: "samples are scraped whole; there are no buckets of time",
        Case.INSIDE: Recorded(
            answers=(body({"status": "error", "errorType": "execution", "error": "many-to-many"}),),
            words="many-to-many",
        ),
    },
)
