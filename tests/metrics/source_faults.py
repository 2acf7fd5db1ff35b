"""Every way in which a metric system can fail in the middle of a gate, system by system.

What is spoilt are good answers to the standard questions, so that nothing but the fault keeps a
gate from passing. Where a system cannot fail in some way, its table says why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

from contract import Case, body, page
from contract_server import Fault
from newrelic_answers import answer, error
from odd_servers import ODD_SERVERS, endless

from airflow_rollout.hooks.transport import LARGEST_BODY
from airflow_rollout.wire import HttpResponse

__all__ = ["HUGE", "SLOW", "SOURCE_FAULTS", "SYSTEMS"]

SYSTEMS = ("datadog", "newrelic", "prometheus", "scrape")

SLOW, HUGE = "no answer in time", "an answer that is too large"

Data = dict[str, Any]
Spoil = Callable[[HttpResponse], HttpResponse]

_NO_COUNT = "which is no count"
_SILENT = "neither arm has a request in the"


def spoilt(change: Callable[[Data], None]) -> Spoil:
    """Return what an answer's JSON becomes when this is done to it."""

    def spoil(good: HttpResponse) -> HttpResponse:
        data = json.loads(good.body)
        change(data)
        return body(data)

    return spoil


def instead(response: HttpResponse) -> Spoil:
    """Return what gives this answer to every question."""
    return lambda _: response


# --- Datadog ---


def _datadog(change: Callable[[Data], None]) -> Spoil:
    """Change the attributes of a timeseries; other answers stay."""

    def of(data: Data) -> None:
        if "data" in data:
            change(data["data"]["attributes"])

    return spoilt(of)


def _datadog_numbers(number: float | None) -> Spoil:
    def change(found: Data) -> None:
        found["values"] = [[number] * len(values) for values in found["values"]]

    return _datadog(change)


def _datadog_open(found: Data) -> None:
    found["times"] = [time + 20_000 for time in found["times"][-1:]]
    found["values"] = [values[-1:] for values in found["values"]]


def _datadog_without_canary(found: Data) -> None:
    half = max(one["query_index"] for one in found["series"]) // 2
    kept = [one["query_index"] > half for one in found["series"]]
    for name in ("series", "values"):
        found[name] = [one for one, keep in zip(found[name], kept, strict=True) if keep]


def _datadog_twice(data: Data) -> None:
    data["series"] = data.get("series", []) * 2


_DATADOG = {
    Case.EMPTY: Fault(
        words=_SILENT, spoil=_datadog(lambda data: data.update(series=[], times=[], values=[]))
    ),
    Case.NULL: Fault(words=_SILENT, spoil=_datadog_numbers(None)),
    Case.NAN: Fault(words=_NO_COUNT, spoil=_datadog_numbers(float("nan"))),
    Case.INFINITE: Fault(words=_NO_COUNT, spoil=_datadog_numbers(float("inf"))),
    Case.SEVERAL: Fault(words="2 series, not one number", spoil=spoilt(_datadog_twice)),
    # It has no way to say so: it goes on about one arm and not about the other.
    Case.PARTIAL: Fault(
        words="no canary request any more", spoil=_datadog(_datadog_without_canary)
    ),
    Case.OPEN: Fault(words=_SILENT, spoil=_datadog(_datadog_open)),
    Case.INSIDE: Fault(
        words="did not match",
        spoil=instead(body({"errors": "Rule 'scope_expr' did not match"})),
    ),
}


# --- New Relic ---


def _newrelic(change: Callable[[list[Data]], list[Data]], *arms: str) -> Spoil:
    """Change the rows of these queries."""

    def of(data: Data) -> None:
        account = data["data"]["actor"]["account"]
        for arm in set(arms) & set(account):
            account[arm]["results"] = change(account[arm]["results"])

    return spoilt(of)


def _newrelic_numbers(number: float | None) -> Spoil:
    def change(rows: list[Data]) -> list[Data]:
        return [
            {name: old if "Time" in name else number for name, old in row.items()} for row in rows
        ]

    return _newrelic(change, "canary", "stable")


def _newrelic_open(rows: list[Data]) -> list[Data]:
    return [{**row, "beginTimeSeconds": row["beginTimeSeconds"] + 20} for row in rows[-1:]]


_NEWRELIC = {
    Case.EMPTY: Fault(words=_SILENT, spoil=_newrelic(lambda _: [], "canary", "stable")),
    Case.NULL: Fault(words=_SILENT, spoil=_newrelic_numbers(None)),
    Case.NAN: Fault(words=_NO_COUNT, spoil=_newrelic_numbers(float("nan"))),
    Case.INFINITE: Fault(words=_NO_COUNT, spoil=_newrelic_numbers(float("inf"))),
    Case.SEVERAL: Fault(
        words="2 rows, not one number", spoil=_newrelic(lambda rows: rows * 2, "one")
    ),
    Case.PARTIAL: Fault(
        words="Query timed out",
        spoil=spoilt(lambda data: data.update(errors=[error("TIMEOUT", "Query timed out")])),
    ),
    Case.OPEN: Fault(words=_SILENT, spoil=_newrelic(_newrelic_open, "canary", "stable")),
    Case.INSIDE: Fault(
        words="NRQL Syntax Error",
        spoil=instead(answer([error("NRDB:1100012", "NRQL Syntax Error: line 1")])),
    ),
}


# --- Prometheus ---


def _prometheus_numbers(number: str | None) -> Spoil:
    def change(data: Data) -> None:
        for series in data["data"]["result"]:
            if "values" in series:
                series["values"] = [[time, number] for time, _ in series["values"]]

    return spoilt(change)


def _prometheus_twice(data: Data) -> None:
    if data["data"]["resultType"] == "vector":
        data["data"]["result"] *= 2


def _prometheus_partial(data: Data) -> None:
    data["warnings"] = ["no StoreAPIs matched for this query"]
    data["data"]["result"] = [
        series
        for series in data["data"]["result"]
        if "canary" not in series["metric"].get("service", "")
    ]


_PROMETHEUS = {
    Case.EMPTY: Fault(
        words="no sample of the router",
        spoil=spoilt(lambda data: data["data"].update(result=[])),
    ),
    Case.NULL: Fault(words="unreadable sample", spoil=_prometheus_numbers(None)),
    Case.NAN: Fault(words=_NO_COUNT, spoil=_prometheus_numbers("NaN")),
    Case.INFINITE: Fault(words=_NO_COUNT, spoil=_prometheus_numbers("+Inf")),
    Case.SEVERAL: Fault(words="2 series, not one number", spoil=spoilt(_prometheus_twice)),
    Case.PARTIAL: Fault(words="no StoreAPIs matched", spoil=spoilt(_prometheus_partial)),
    Case.OPEN: "samples are scraped whole; there are no buckets of time",
    Case.INSIDE: Fault(
        words="many-to-many",
        spoil=instead(
            body({"status": "error", "errorType": "execution", "error": "many-to-many matching"})
        ),
    ),
}


# --- the router's own page ---


def _page_numbers(number: str) -> Spoil:
    def spoil(good: HttpResponse) -> HttpResponse:
        text = re.sub(r"(?m)^(traefik_service.*) \d+$", rf"\1 {number}", good.body.decode())
        return page(text)

    return spoil


def _page_cut(good: HttpResponse) -> HttpResponse:
    return page(good.body[:-5])


def _page_broken(good: HttpResponse) -> HttpResponse:
    return page(good.body.replace(b'"} ', b'" '))


_SCRAPE = {
    Case.EMPTY: Fault(words="not the router's page", spoil=instead(page(""))),
    Case.NULL: "the exposition format has no null",
    Case.NAN: Fault(words=_NO_COUNT, spoil=_page_numbers("NaN")),
    Case.INFINITE: Fault(words=_NO_COUNT, spoil=_page_numbers("+Inf")),
    Case.SEVERAL: "a metrics page answers no queries, only the built-in questions",
    Case.PARTIAL: Fault(words="the page is cut off", spoil=_page_cut),
    Case.OPEN: "a page has no buckets of time",
    Case.INSIDE: "a metrics page has no way to tell an error but its status",
}


# --- all ---

_OWN: dict[str, dict[Case, Fault | str]] = {
    "datadog": _DATADOG, "newrelic": _NEWRELIC, "prometheus": _PROMETHEUS, "scrape": _SCRAPE,
}  # fmt: skip

_BUSY_FOR_LONG = {"retry-after": "3600"}


def _of(system: str) -> dict[str, Fault | str]:
    refusal = import_module(f"{system}_answers").CONTRACT.refusal
    own = {case.value: fault for case, fault in _OWN[system].items()}
    by_status = {
        f"status {status}": Fault(
            words=f"HTTP {status}", spoil=instead(HttpResponse(status=status, body=refusal))
        )
        for status in (400, 401, 403, 404, 429, 500, 503)
    }
    busy = HttpResponse(status=429, headers=_BUSY_FOR_LONG, body=refusal)
    sign_in = page("<html><title>Sign in</title></html>", kind="text/html")
    is_page = system == "scrape"
    return {
        **own,
        **by_status,
        "status 429 and how long to wait": Fault(
            # It is asked again after a minute.
            words="left alone|HTTP 429",
            spoil=instead(busy),
        ),
        SLOW: Fault(words="no answer in time", odd=ODD_SERVERS[SLOW]),
        "connection refused": Fault(words="cannot connect", refuses=True),
        "an answer that is cut off": Fault(
            words="broke off", odd=ODD_SERVERS["an answer that is cut off"]
        ),
        HUGE: Fault(words="larger than", odd=endless(LARGEST_BODY + 1)),
        "a page of something else": Fault(
            words="not the router's page" if is_page else r"no JSON \(text/html\)",
            spoil=instead(sign_in),
        ),
        "malformed": Fault(
            words="unreadable line" if is_page else "is no JSON",
            spoil=_page_broken if is_page else instead(page('{"a": 1, "b" 2}')),
        ),
    }


SOURCE_FAULTS = {system: _of(system) for system in SYSTEMS}
