"""A Traefik's metrics page, and a Prometheus that scrapes it: real questions, given counts.

The real ones stand behind other tests; these show a moment of a test's own choice.
"""

from __future__ import annotations

import math
import re
from typing import Any

from contract import body, page
from counted import Counted
from vendor_servers import OWN_VALUE

from airflow_rollout.wire import HttpRequest, HttpResponse

__all__ = ["prometheus", "scrape"]

_SCRAPE_SECONDS = 1.0

# Both were up long before any release.
_STARTED = 1_000_000.0

_REQUESTS = "traefik_service_requests_total"
_BUCKETS = "traefik_service_request_duration_seconds_bucket"
_ALIVE = "traefik_config_reloads_total"
_START = "process_start_time_seconds"

# Labels -> value.
Samples = dict[tuple[tuple[str, str], ...], float]


def _families(counted: Counted, arms: list[str], at: float) -> dict[str, Samples]:
    """Return what the page shows of some arms at a time."""
    requests: Samples = {}
    buckets: Samples = {}
    for arm in arms:
        counts, mine = counted.total(arm, at), ("service", f"{arm}@file")
        if not counts.requests:
            continue
        good = {"200": counts.requests - counts.errors, "500": counts.errors}
        requests |= {(("code", code), mine): n for code, n in good.items() if n}
        edges = {**counts.within, math.inf: counts.requests}
        buckets |= {(("le", f"{e:g}".replace("inf", "+Inf")), mine): n for e, n in edges.items()}
    return {_REQUESTS: requests, _BUCKETS: buckets, _ALIVE: {(): 7.0}, _START: {(): _STARTED}}


def scrape(counted: Counted, request: HttpRequest, *, service: str = "app") -> HttpResponse:
    """Show the page of a router that serves one service."""
    assert request.url == "/metrics"
    arms = [f"{service}-canary", f"{service}-stable"]
    lines = [
        f"{name}{{{','.join(f'{k}={v!r}' for k, v in labels)}}} {value:.0f}".replace("'", '"')
        for name, samples in _families(counted, arms, counted.newest).items()
        for labels, value in samples.items()
    ]
    return page("\n".join([*lines, ""]))


def prometheus(counted: Counted, request: HttpRequest) -> HttpResponse:
    """Answer an instant query: a range selector of the built-in questions, or anything else."""
    assert request.url == "/api/v1/query"
    asked = dict(request.params)
    at = float(asked["time"])
    span = re.search(r"\[(\d+)ms\]$", asked["query"])
    if span is None:
        return _found("vector", [{"metric": {}, "value": [at, str(OWN_VALUE)]}])
    newest = math.floor(min(at, counted.newest) / _SCRAPE_SECONDS)
    oldest = math.ceil((at - float(span[1]) / 1000) / _SCRAPE_SECONDS)
    times = [index * _SCRAPE_SECONDS for index in range(oldest, newest + 1)]
    arms = re.findall(r"([\w-]+)@file", asked["query"].replace("\\", ""))
    series: dict[tuple[Any, ...], list[Any]] = {}
    for time in times:
        for name, samples in _families(counted, arms, time).items():
            for labels, value in samples.items() if name in asked["query"] else ():
                series.setdefault((name, *labels), []).append([time, f"{value:.0f}"])
    return _found(
        "matrix",
        [
            {"metric": {"__name__": name, "instance": "traefik:8080", **dict(labels)}, "values": v}
            for (name, *labels), v in series.items()
        ],
    )


def _found(kind: str, result: list[dict[str, Any]]) -> HttpResponse:
    return body({"status": "success", "data": {"resultType": kind, "result": result}})
