"""What Kayenta answers, in the shapes of its documented API."""

from __future__ import annotations

import json
from typing import Any

from contract import Case, Contract, Outcome, Recorded, ask_metric, body

from airflow_rollout.wire import HttpResponse

_ONE = "a judgement is one score"

QUERY: dict[str, Any] = {
    "config": "latency",
    "application": "shop",
    "scopes": {
        "default": {
            "controlScope": {"scope": "app-stable", "step": 60},
            "experimentScope": {"scope": "app-canary", "step": 60},
        }
    },
}
CONFIGS = body([{"id": "c-1", "name": "latency"}, {"id": "c-2", "name": "errors"}])
STARTED = body({"canaryExecutionId": "01H"})
RUNNING = body({"complete": False, "status": "running"})


def judged(score: object, status: str = "succeeded", **more: Any) -> HttpResponse:
    """Return a judgement that is over."""
    told = {"score": {"score": score, "classification": "Pass"}}
    return body({"complete": True, "status": status, "result": {"judgeResult": told}, **more})


def after_start(*answers: HttpResponse) -> tuple[HttpResponse, ...]:
    return (CONFIGS, STARTED, *answers)


CONTRACT = Contract(
    provider="kayenta",
    asked=ask_metric(json.dumps(QUERY)),
    refusal=b'{"status":404,"error":"Not Found","message":"no such canary config"}',
    refusal_words="no such canary config",
    cases={
        Case.VALUE: Recorded(answers=after_start(judged(87.5)), value=87.5),
        Case.COUNTS: _ONE,
        Case.EMPTY: Recorded(answers=after_start(RUNNING), words="the judgement is running"),
        Case.NULL: Recorded(answers=after_start(judged(None)), words="no score"),
        Case.NAN: Recorded(answers=after_start(judged("NaN")), words="no score"),
        Case.INFINITE: Recorded(answers=after_start(judged("Infinity")), words="no score"),
        Case.SEVERAL: Recorded(
            answers=(body([{"id": "c-1", "name": "latency"}, {"id": "c-2", "name": "latency"}]),),
            words="2 such configs",
        ),
        Case.PARTIAL: "what a judgement lacks of its metrics is a part of its score",
        Case.OPEN: _ONE,
        Case.INSIDE: Recorded(
            answers=after_start(
                judged(None, "terminal", exception={"details": "no metrics account"})
            ),
            outcome=Outcome.TRANSIENT,
            words="terminal no metrics account",
        ),
    },
)  # fmt: skip
