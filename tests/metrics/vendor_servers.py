"""Datadog and New Relic by their published contracts: real questions, answers out of real counts.

A question that the vendor's own models or schema do not allow fails the test that asked it.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from counted import Counted, begun, in_bucket
from datadog_answers import classic, timeseries
from datadog_models import convert
from nerdgraph import NerdGraph
from newrelic_answers import row

from airflow_rollout.wire import HttpRequest, HttpResponse

__all__ = ["OWN_VALUE", "datadog", "newrelic"]

# What every query of a user's own has for a value.
OWN_VALUE = 1.0

_TIMESERIES = (
    "v2.model.timeseries_formula_query_request", "TimeseriesFormulaQueryRequest",
)  # fmt: skip


def datadog(counted: Counted, request: HttpRequest) -> HttpResponse:
    """Answer a timeseries request (v2) about services, or a classic query (v1)."""
    if request.url == "/api/v1/query":
        until = float(dict(request.params)["to"])
        return classic([[until // 10 * 10 - 10 * ago, OWN_VALUE] for ago in range(12, -1, -1)])
    assert request.url == "/api/v2/query/timeseries"
    asked = _allowed(request.body or b"")["data"]["attributes"]
    span = (asked["from"] / 1000, asked["to"] / 1000)
    return timeseries(*(_series(counted, one["query"], *span) for one in asked["queries"]))


@lru_cache(maxsize=256)
def _allowed(sent: bytes) -> Any:
    """Return what was sent; kept, since the models take longer than all the rest."""
    data = json.loads(sent)
    convert(data, *_TIMESERIES)
    return data


def _series(counted: Counted, query: str, start: float, end: float) -> dict[float, float | None]:
    seconds = float(_found(r"rollup\(sum, ([\d.]+)\)", query))
    arm = _found(r"service:([\w-]+)", query)
    edge = re.search(r"v<=([\d.]+)", query)
    series: dict[float, float | None] = {}
    for begin in begun(counted, start, end, seconds):
        counts = in_bucket(counted, arm, begin, seconds)
        number = counts.errors if "5xx" in query else counts.requests
        # Datadog has no zeros: a bucket without a request is not there.
        if counts.requests:
            series[begin] = number - counts.slower(float(edge[1])) if edge else number
    return series


def newrelic(counted: Counted, request: HttpRequest) -> HttpResponse:
    """Answer a NerdGraph request about both arms, or for one row."""
    return NerdGraph(lambda nrql: _rows(counted, nrql)).answer(request)


def _rows(counted: Counted, nrql: str) -> list[dict[str, Any]]:
    if "TIMESERIES" not in nrql:
        return [{"latest.depth": OWN_VALUE}]
    seconds = float(_found(r"TIMESERIES ([\d.]+) seconds", nrql))
    arm = _found(r"appName = '([\w-]+)'", nrql)
    start, end = (float(_found(rf"{word} (\d+)", nrql)) / 1000 for word in ("SINCE", "UNTIL"))
    edges = [float(edge) for edge in re.findall(r"WHERE duration > ([\d.]+)", nrql)]
    rows = []
    for begin in begun(counted, start, end, seconds):
        counts = in_bucket(counted, arm, begin, seconds)
        worse = [counts.slower(edge) for edge in edges] or [counts.errors]
        rows.append(row(begin, counts.requests, *worse, seconds=seconds))
    return rows


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, f"{text!r} holds no {pattern!r}"
    return found[1]
