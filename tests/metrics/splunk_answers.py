"""What SignalFlow streams: made after its documentation; no published contract can be had."""

from __future__ import annotations

import json
from typing import Any

from contract import START, Case, Contract, Recorded, ask_metric, page

from airflow_rollout.wire import HttpResponse


def event(kind: str, **data: Any) -> str:
    """Return one event of a stream."""
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def point(at: float, *values: float | None) -> str:
    """Return a message with a value for each series."""
    data = [{"tsId": f"AAA{index}", "value": value} for index, value in enumerate(values)]
    return event("data", logicalTimestampMs=round(at * 1000), data=data)


START_EVENT = event("control-message", event="STREAM_START", timestampMs=0)
END = event("control-message", event="END_OF_CHANNEL", timestampMs=0)


def stream(*events: str, end: str = END) -> HttpResponse:
    """Return a stream that ends as it should."""
    return page(START_EVENT + "".join(events) + end, kind="text/event-stream")


CONTRACT = Contract(
    provider="splunk",
    asked=ask_metric("data('app.errors').sum().publish()"),
    refusal=b'{"code":401,"message":"Unauthorized: token is unknown"}',
    refusal_words="token is unknown",
    cases={
        Case.VALUE: Recorded(
            answers=(stream(point(START + 100, 1.0), point(START + 110, 2.5)),), value=2.5
        ),
        Case.COUNTS: "a program publishes one number a step; metric names are the user's own",
        Case.EMPTY: Recorded(answers=(stream(),), words="published nothing"),
        Case.NULL: Recorded(answers=(stream(point(START + 100, None)),), words="no number"),
        Case.NAN: Recorded(answers=(stream(point(START + 100, float("nan"))),)),
        Case.INFINITE: Recorded(answers=(stream(point(START + 100, float("inf"))),)),
        Case.SEVERAL: Recorded(answers=(stream(point(START + 100, 1, 2)),), words="2 series"),
        Case.PARTIAL: Recorded(
            answers=(stream(point(START + 100, 1), end="event: data\n"),), words="cut off"
        ),
        Case.OPEN: Recorded(
            answers=(stream(point(START + 110, 5.0), point(START + 130, 1.0)),), value=5.0
        ),
        Case.INSIDE: Recorded(
            answers=(stream(event("error", errorType="ANALYTICS_PROGRAM", message="bad syntax")),),
            words="bad syntax",
        ),
    },
)
