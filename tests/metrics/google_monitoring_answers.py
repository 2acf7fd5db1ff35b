"""What Google Cloud Monitoring answers, in the shapes of its discovery document."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from contract import START, Case, Contract, Recorded, ask_metric, body

from airflow_rollout.wire import HttpResponse


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def listed(*series: dict[float, Any], **more: Any) -> HttpResponse:
    """Return series of values by the end of their minute, the newest first."""
    found = [
        {
            "metric": {"type": "a"}, "resource": {"type": "b"}, "metricKind": "GAUGE",
            "valueType": "DOUBLE",
            "points": [
                {"interval": {"startTime": _time(at - 60), "endTime": _time(at)},
                 "value": value if isinstance(value, dict) else {"doubleValue": value}}
                for at, value in sorted(one.items(), reverse=True)
            ],
        }
        for one in series
    ]  # fmt: skip
    return body({**({"timeSeries": found} if found else {}), "unit": "1", **more})


CONTRACT = Contract(
    provider="google_monitoring",
    asked=ask_metric('metric.type="loadbalancing.googleapis.com/https/request_count"'),
    options=(("project", "shop-1"),),
    refusal=b'{"error":{"code":403,"message":"Permission denied on shop-1","status":"DENIED"}}',
    refusal_words="Permission denied on shop-1",
    cases={
        Case.VALUE: Recorded(answers=(listed({START: 1.0, START + 60: 2.5}),), value=2.5),
        Case.COUNTS: "aligned series are numbers a period; metric types are the user's own",
        Case.EMPTY: Recorded(answers=(listed(),), words="no series"),
        Case.NULL: Recorded(answers=(listed({START + 60: {}}),), words="no number"),
        Case.NAN: Recorded(answers=(listed({START + 60: "NaN"}),), words="no number"),
        Case.INFINITE: Recorded(answers=(listed({START + 60: "Infinity"}),), words="no number"),
        Case.SEVERAL: Recorded(answers=(listed({START: 1}, {START: 2}),), words="2 series"),
        Case.PARTIAL: Recorded(
            answers=(
                listed({START + 60: 1}, executionErrors=[{"code": 4, "message": "region away"}]),
            ),
            words="region away",
        ),
        Case.OPEN: Recorded(answers=(listed({START + 60: 5.0, START + 120: 1.0}),), value=5.0),
        Case.INSIDE: Recorded(
            answers=(
                body({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "x?"}}),
            ),
            words="INVALID_ARGUMENT: x?",
        ),
    },
)
