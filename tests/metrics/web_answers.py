"""What any web API may answer."""

from __future__ import annotations

import json

from contract import Case, Contract, Outcome, Recorded, ask_metric, body

_BUCKETS = "a web API has no buckets that are known here; its query says what it covers"

CONTRACT = Contract(
    provider="web",
    asked=ask_metric("/api/errors?service=app-canary $.data.rate"),
    refusal=b'{"message":"service is unknown"}',
    refusal_words="service is unknown",
    cases={
        Case.VALUE: Recorded(
            answers=(body({"data": {"rate": "0.25", "count": 400}}),),
            asked=ask_metric(
                json.dumps({"url": "/api", "path": "{$.data.rate}", "requests": "$.data.count"})
            ),
            value=0.25,
            requests=400,
        ),
        Case.COUNTS: "the API of nobody in particular has no built-in questions",
        Case.EMPTY: Recorded(answers=(body({"data": {}}),), words="no number at $.data.rate"),
        Case.NULL: Recorded(answers=(body({"data": {"rate": None}}),)),
        Case.NAN: Recorded(answers=(body({"data": {"rate": float("nan")}}),)),
        Case.INFINITE: Recorded(answers=(body({"data": {"rate": "Infinity"}}),)),
        Case.SEVERAL: Recorded(
            answers=(body({"data": [{"rate": 1}, {"rate": 2}]}),),
            asked=ask_metric("/api $.data[*].rate"),
            words="2 places",
        ),
        Case.PARTIAL: "what is incomplete is said in the API's own way",
        Case.OPEN: _BUCKETS,
        Case.INSIDE: Recorded(
            # An error has no number at the path: silence, and never a number.
            answers=(body({"error": "backend is away"}),), outcome=Outcome.NO_DATA,
        ),
    },
)  # fmt: skip
