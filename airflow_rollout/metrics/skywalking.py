"""Metric source `skywalking`: MQE expressions of an OAP server, by GraphQL.

A query is an expression such as `service_sla/100` about the canary, or a JSON object that names
another service: `{"expression": "service_resp_time", "service": "app-canary"}`. It is asked for the
whole minutes of the window that are complete. The server reads times in its own zone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_rollout.analysis.readings import NoData, Reading
from airflow_rollout.errors import PermanentAdapterError, shorten
from airflow_rollout.metrics.answers import finite, items, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.metrics.time_buckets import Buckets, Span, filled_in, newest
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import ConnectionForm, HttpRequest, Send, ask_http

__all__ = ["CONNECTION", "SkywalkingProvider", "make"]

SYSTEM = "skywalking"

CONNECTION = ConnectionForm(conn_type="http", label="HTTP")

_DOCUMENT = (
    "query($expression: String!, $entity: Entity!, $duration: Duration!) "
    "{ result: execExpression(expression: $expression, entity: $entity, duration: $duration) "
    "{ type error results { values { id value } } } }"
)

_MINUTE_SECONDS = 60.0


def make(source: MetricSource) -> SkywalkingProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    options = read_source_options(
        source,
        {
            "canary": "service the expressions are about, {service}-canary if not given",
            "utc_offset": "hours the server's clock is ahead of UTC, 0 if not given",
            "delay": "how long after its end a minute is complete, 60s if not given",
        },
        timeout_seconds=10.0,
    )
    return SkywalkingProvider(
        service=options.pattern("canary", "{service}-canary"),
        utc_offset_hours=options.whole("utc_offset", 0, minimum=-12, maximum=14),
        buckets=Buckets(
            seconds=_MINUTE_SECONDS,
            delay_seconds=options.seconds("delay", 60, minimum=0, maximum=900),
        ),
        timeout_seconds=options.timeout_seconds,
    )


class SkywalkingProvider:
    """Ask SkyWalking for the newest number of an expression.

    :param service: the service's name there, with `{service}` and `{namespace}` to fill in.
    :param utc_offset_hours: how far the server's clock is ahead of UTC.
    """

    def __init__(
        self, *, service: str, utc_offset_hours: int, buckets: Buckets, timeout_seconds: float
    ) -> None:
        self._service = service
        self._offset = timedelta(hours=utc_offset_hours)
        self._buckets = buckets
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the newest number of the complete minutes of the window.

        :raises PermanentAdapterError: a bad expression, or one that gives several series.
        """
        text = written_query(query, system=SYSTEM).strip()
        expression, service = _read(text, filled_in(self._service, query))
        span = self._buckets.closed(at)
        if span is None:
            return NoData(at=at.end, reason="no minute of the window is complete yet")
        variables = {
            "expression": expression,
            "entity": {"serviceName": service, "normal": True},
            "duration": {
                "start": self._time(span.start),
                # The last minute is part of the answer.
                "end": self._time(span.end - _MINUTE_SECONDS),
                "step": "MINUTE",
            },
        }
        request = HttpRequest(
            method="POST",
            url="/graphql",
            headers=(("content-type", "application/json"),),
            body=json.dumps({"query": _DOCUMENT, "variables": variables}).encode(),
            timeout_seconds=self._timeout_seconds,
        )
        what = f"expression {shorten(text)}"
        data = read_json(await ask_http(send, request), system=SYSTEM, what=what, words=_words)
        with understanding(what, system=SYSTEM):
            if items(data, "errors"):
                raise PermanentAdapterError(f"{what}: {_words(data)}", system=SYSTEM)
            return _newest(data["data"]["result"], what, span, self._buckets.delay_seconds)

    def _time(self, seconds: float) -> str:
        return (datetime.fromtimestamp(seconds, UTC) + self._offset).strftime("%Y-%m-%d %H%M")


def _newest(result: Mapping[str, Any], what: str, span: Span, delay_seconds: float) -> Reading:
    if result.get("error"):
        raise PermanentAdapterError(f"{what}: {result['error']}", system=SYSTEM)
    series = items(result, "results")
    if len(series) > 1:
        raise PermanentAdapterError(
            f"{what} gives {len(series)} series, not one number", system=SYSTEM
        )
    if not series:
        return NoData(at=span.end, reason="the expression found no series")
    single = result.get("type") == "SINGLE_VALUE"
    points = [
        (
            # Of a single value the id is nothing; of a series it is the minute in milliseconds.
            span.end if single else float(one["id"]) / 1000 + _MINUTE_SECONDS,
            finite(one.get("value"), what=what, system=SYSTEM),
        )
        for one in items(series[0], "values")
    ]
    return newest(points, since=span.start, until=span.end, delay_seconds=delay_seconds)


def _read(text: str, service: str) -> tuple[str, str]:
    if not text.startswith("{"):
        return text, service
    try:
        data = json.loads(text)
        return str(data["expression"]), str(data.get("service", service))
    except (ValueError, KeyError, AttributeError):
        raise PermanentAdapterError(
            f'the query is no object with "expression": {shorten(text)}', system=SYSTEM
        ) from None


def _words(data: Any) -> str:
    return "; ".join(str(error.get("message")) for error in items(data, "errors"))
