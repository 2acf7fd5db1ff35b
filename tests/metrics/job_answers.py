"""What a cluster answers about a Job, in the shapes of its published types."""

from __future__ import annotations

from typing import Any

from contract import Case, Contract, Outcome, Recorded, ask_metric, body

from airflow_rollout.wire import HttpResponse

_ONE = "a Job is one end, complete or failed; it has no numbers"


def job(*ends: str, at: str = "2026-11-24T06:01:00Z", **status: Any) -> HttpResponse:
    """Return a Job with conditions that are true."""
    conditions = [{"type": end, "status": "True", "lastTransitionTime": at} for end in ends]
    return body(
        {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "smoke"},
         "spec": {"template": {"spec": {"containers": [{"name": "smoke", "image": "smoke:1"}]}}},
         "status": {"conditions": conditions, **status}}
    )  # fmt: skip


CONTRACT = Contract(
    provider="job",
    asked=ask_metric("prod/smoke"),
    refusal=b'{"kind":"Status","reason":"NotFound","message":"jobs.batch smoke not found"}',
    refusal_words="jobs.batch smoke not found",
    cases={
        Case.VALUE: Recorded(answers=(job("SuccessCriteriaMet", "Complete"),), value=1.0),
        Case.COUNTS: _ONE,
        Case.EMPTY: Recorded(answers=(job(active=1),), words="1 pods run"),
        Case.NULL: Recorded(answers=(job(conditions=None),), words="has not ended"),
        Case.NAN: _ONE,
        Case.INFINITE: _ONE,
        Case.SEVERAL: _ONE,
        Case.PARTIAL: _ONE,
        Case.OPEN: Recorded(
            # Failing, and its pods still end: not over.
            answers=(job("FailureTarget"),), outcome=Outcome.NO_DATA,
        ),
        Case.INSIDE: Recorded(
            answers=(body({"kind": "Status", "reason": "Gone", "message": "too old"}),),
            words="Gone: too old",
        ),
    },
)  # fmt: skip
