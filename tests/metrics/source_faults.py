"""Ways in which a metric system fails in the middle of a gate.

What is spoilt are good answers to the standard questions, so that nothing but the fault keeps a
gate from passing.
"""

from __future__ import annotations

import json

import newrelic_answers
import prometheus_answers
from contract import Case, body, page
from contract_server import Fault
from datadog_answers import CONTRACT
from odd_servers import ODD_SERVERS

from airflow_rollout.wire import HttpResponse

__all__ = ["SOURCE_FAULTS"]

_CUT_OFF = "an answer that is cut off"
_SLOW = "no answer in time"


def _without_series(good: HttpResponse) -> HttpResponse:
    data = json.loads(good.body)
    # Answers to other questions than one for a timeseries stay.
    if "data" in data:
        data["data"]["attributes"].update(series=[], times=[], values=[])
    return body(data)


def _without_result(good: HttpResponse) -> HttpResponse:
    data = json.loads(good.body)
    data["data"]["result"] = []
    return body(data)


def _refusal(status: int, **headers: str) -> HttpResponse:
    return HttpResponse(status=status, headers=headers, body=CONTRACT.refusal)


# In the order in which a test lets them fail.
SOURCE_FAULTS: dict[str, dict[str, Fault]] = {
    "datadog": {
        Case.EMPTY.value: Fault(words="neither arm has a request in the", spoil=_without_series),
        "status 503": Fault(words="HTTP 503", spoil=lambda _: _refusal(503)),
        "status 429 and how long to wait": Fault(
            # It is asked again after a minute.
            words="left alone|HTTP 429",
            spoil=lambda _: _refusal(429, **{"retry-after": "3600"}),
        ),
    },
    "newrelic": {
        Case.INSIDE.value: Fault(
            words="SERVER_ERROR away",
            spoil=lambda _: newrelic_answers.answer(
                [newrelic_answers.error("SERVER_ERROR", "away")]
            ),
        ),
        "status 403": Fault(
            words="HTTP 403 .*Api-Key header required",
            spoil=lambda _: HttpResponse(status=403, body=newrelic_answers.CONTRACT.refusal),
        ),
    },
    "prometheus": {
        Case.EMPTY.value: Fault(words="no sample of the router in", spoil=_without_result),
        Case.INSIDE.value: Fault(
            words="many-to-many",
            spoil=lambda _: body(
                {"status": "error", "errorType": "execution", "error": "many-to-many"}
            ),
        ),
        "status 503": Fault(
            words="HTTP 503.*unclosed left parenthesis",
            spoil=lambda _: HttpResponse(status=503, body=prometheus_answers.CONTRACT.refusal),
        ),
    },
    "scrape": {
        _SLOW: Fault(words=_SLOW, odd=ODD_SERVERS[_SLOW]),
        "malformed": Fault(
            words="unreadable line", spoil=lambda good: page(good.body.replace(b'"} ', b'" '))
        ),
        _CUT_OFF: Fault(words="broke off", odd=ODD_SERVERS[_CUT_OFF]),
    },
}
