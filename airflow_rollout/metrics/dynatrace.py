"""Metric source `dynatrace`: metric selectors of the metrics API, version 2.

A query is a metric selector, or the query string of a request as Flagger writes it
(`metricSelector=...&entitySelector=...`). It is asked for the whole minutes of the window that are
complete, as one number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, shorten
from airflow_rollout.metrics.answers import finite, items, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.metrics.time_buckets import Buckets
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import (
    ConnectionField,
    ConnectionForm,
    HttpRequest,
    HttpResponse,
    Send,
    ask_http,
)

__all__ = ["CONNECTION", "DynatraceProvider", "make"]

SYSTEM = "dynatrace"

CONNECTION = ConnectionForm(
    conn_type="dynatrace",
    label="Dynatrace",
    hook="airflow_rollout.hooks.metric_systems.DynatraceHook",
    hidden=("login", "port", "schema", "extra"),
    relabelled=(("password", "API token"),),
    placeholders=(("host", "https://abc12345.live.dynatrace.com"),),
    fields=(
        ConnectionField(
            name="environment",
            label="Environment",
            description="Instead of the host: the environment's id, such as abc12345.",
        ),
    ),
    addresses=("{host}", "https://{extra.environment}.live.dynatrace.com"),
    headers=(("Authorization", "Api-Token {password}"),),
    test_path="/api/v2/metrics?pageSize=1",
)


def make(source: MetricSource) -> DynatraceProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    options = read_source_options(
        source,
        {"delay": "how long after its end a minute is complete, 60s if not given"},
        timeout_seconds=10.0,
    )
    delay = options.seconds("delay", 60, minimum=0, maximum=900)
    return DynatraceProvider(
        buckets=Buckets(seconds=60, delay_seconds=delay), timeout_seconds=options.timeout_seconds
    )


class DynatraceProvider:
    """Ask Dynatrace for one number.

    :param buckets: its minutes, and how late they are.
    """

    def __init__(self, *, buckets: Buckets, timeout_seconds: float) -> None:
        self._buckets = buckets
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the selector's number over the complete minutes of the window.

        :raises PermanentAdapterError: a bad selector, or one that gives several series.
        """
        selector = written_query(query, system=SYSTEM).strip()
        span = self._buckets.closed(at)
        if span is None:
            return NoData(at=at.end, reason="no minute of the window is complete yet")
        given = (
            dict(parse_qsl(selector))
            if selector.startswith(("metricSelector=", "entitySelector="))
            else {"metricSelector": selector}
        )
        own = {"resolution": "Inf", "from": f"{span.start:.0f}000", "to": f"{span.end:.0f}000"}
        request = HttpRequest(
            url="/api/v2/metrics/query",
            params=tuple({**own, **given}.items()),
            timeout_seconds=self._timeout_seconds,
        )
        what = f"selector {shorten(selector)}"
        data = read_json(
            _dated(await ask_http(send, request)), system=SYSTEM, what=what, words=_words
        )
        with understanding(what, system=SYSTEM):
            if "error" in data:
                raise PermanentAdapterError(f"{what}: {_words(data)}", system=SYSTEM)
            return _one_number(data, what, span.end + self._buckets.delay_seconds)


def _one_number(data: Mapping[str, Any], what: str, at: float) -> Reading:
    results = data["result"]
    series = [one for result in results for one in items(result, "data")]
    said = "; ".join(str(words) for result in results for words in items(result, "warnings"))
    if len(series) > 1 or data.get("nextPageKey"):
        raise PermanentAdapterError(
            f"{what} gives {len(series)} series, not one number; end it with :splitBy()",
            system=SYSTEM,
        )
    numbers = (
        [finite(value, what=what, system=SYSTEM) for value in items(*series, "values")]
        if series
        else []
    )
    if len(numbers) > 1:
        raise PermanentAdapterError(f"{what} gives {len(numbers)} points", system=SYSTEM)
    number = numbers[0] if numbers else None
    if number is None:
        return NoData(at=at, reason=f"the selector has no value{said and f' ({said})'}")
    return Value(at=at, canary=number)


def _dated(response: HttpResponse) -> HttpResponse:
    """Return the answer with the wait that a rate limit asks for, told by its own clock."""
    resets = response.headers.get("x-ratelimit-reset", "")
    if response.status != 429 or "retry-after" in response.headers or not resets.isdigit():
        return response
    # Microseconds of the epoch; without the answer's own date nothing can be said of the wait.
    from email.utils import formatdate

    until = formatdate(int(resets) / 1_000_000, usegmt=True)
    return replace(response, headers={**response.headers, "retry-after": until})


def _words(data: Any) -> str:
    error = data["error"]
    more = [
        f"{one.get('path')}: {one.get('message')}"
        for one in error.get("constraintViolations") or ()
    ]
    return "; ".join([f"{error.get('code')}: {error.get('message')}", *more])
