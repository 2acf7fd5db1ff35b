"""Traefik's metrics page, and a Prometheus that reads it every five seconds, out of real counts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from contract import body, page
from counted import EDGES, Counted

from airflow_rollout.wire import HttpRequest, HttpResponse

__all__ = ["prometheus", "scrape"]

_SCRAPED_EVERY_SECONDS = 5.0
_ARMS = ("app-canary", "app-stable")
_STARTED = "process_start_time_seconds"
_USED = "process_cpu_seconds_total"
_RELOADS = "traefik_config_reloads_total"
_REQUESTS = "traefik_service_requests_total"
_DURATIONS = "traefik_service_request_duration_seconds_bucket"

Sample = tuple[str, dict[str, str], float]


def scrape(counted: Counted, request: HttpRequest) -> HttpResponse:
    """Answer with the page as it is now."""
    assert request.url == "/metrics"
    lines = []
    for name, labels, value in _samples(counted, counted.newest):
        told = ",".join(f'{label}="{text}"' for label, text in labels.items())
        lines.append(f"{name}{{{told}}} {value:.0f}" if told else f"{name} {value:.0f}")
    lines.append(f"{_USED} {counted.newest / 100:.2f}")
    return page("\n".join(lines) + "\n")


def prometheus(counted: Counted, request: HttpRequest) -> HttpResponse:
    """Answer an instant query for raw samples with what was scraped in its range."""
    assert request.url == "/api/v1/query"
    params = dict(request.params)
    asked = re.fullmatch(r'(?:\{__name__=~"([\w|]+)".*\}|(\w+).*)\[(\d+)ms\]', params["query"])
    assert asked, params["query"]
    names = (asked[1] or asked[2]).split("|")
    end = float(params["time"])
    series: dict[str, dict[str, object]] = {}
    for at in _scrapes(end - int(asked[3]) / 1000, min(end, counted.newest)):
        for name, labels, value in _samples(counted, at):
            if name in names:
                metric = {"__name__": name, "instance": "traefik:8080", "job": "traefik", **labels}
                one = series.setdefault(str(metric), {"metric": metric, "values": []})
                values = one["values"]
                assert isinstance(values, list)
                values.append([at, f"{value:.0f}"])
    data = {"resultType": "matrix", "result": list(series.values())}
    return body({"status": "success", "data": data})


def _scrapes(start: float, end: float) -> list[float]:
    first = math.floor(start / _SCRAPED_EVERY_SECONDS) + 1
    last = math.floor(end / _SCRAPED_EVERY_SECONDS)
    return [count * _SCRAPED_EVERY_SECONDS for count in range(first, last + 1)]


def _samples(counted: Counted, at: float) -> Iterator[Sample]:
    yield _STARTED, {}, 1.0
    yield _RELOADS, {}, 1.0
    for arm in _ARMS:
        counts, service = counted.total(arm, at), f"{arm}@file"
        # Traefik has no series of what it has not counted yet.
        if not counts.requests:
            continue
        yield _REQUESTS, {"code": "200", "service": service}, counts.requests - counts.errors
        if counts.errors:
            yield _REQUESTS, {"code": "503", "service": service}, counts.errors
        for edge in EDGES:
            within = counts.requests - counts.slower(edge)
            yield _DURATIONS, {"code": "200", "service": service, "le": f"{edge:g}"}, within
        yield _DURATIONS, {"code": "200", "service": service, "le": "+Inf"}, counts.requests
