"""Metric source `splunk`: SignalFlow of Splunk Observability Cloud.

A query is a SignalFlow program that publishes one series. It is executed over the window, and its
answer is a stream of events that ends with the channel: a stream without its end was cut off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from airflow_rollout.analysis.readings import NoData, Reading
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError, shorten
from airflow_rollout.metrics.answers import finite, items, plain_words, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.metrics.time_buckets import newest
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import (
    ConnectionField,
    ConnectionForm,
    HttpRequest,
    HttpResponse,
    Send,
    ask_http,
    refuse_status,
)

__all__ = ["CONNECTION", "SplunkProvider", "make"]

SYSTEM = "splunk"

CONNECTION = ConnectionForm(
    conn_type="splunk_observability",
    label="Splunk Observability",
    hook="airflow_rollout.hooks.metric_systems.SplunkHook",
    hidden=("login", "port", "schema", "extra"),
    relabelled=(("password", "Access token"),),
    placeholders=(("host", "https://stream.us1.signalfx.com"),),
    fields=(
        ConnectionField(
            name="realm", label="Realm", description="Instead of the host: us0, us1, eu0 ..."
        ),
    ),
    addresses=("{host}", "https://stream.{extra.realm}.signalfx.com"),
    headers=(("X-SF-TOKEN", "{password}"),),
)

_RESOLUTION_SECONDS = 10.0

# time and value
Point = tuple[float, float | None]


def make(source: MetricSource) -> SplunkProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    options = read_source_options(
        source,
        {"delay": "how long after its end a datapoint is complete, 0s if not given"},
        timeout_seconds=15.0,
    )
    return SplunkProvider(
        delay_seconds=options.seconds("delay", 0, minimum=0, maximum=900),
        timeout_seconds=options.timeout_seconds,
    )


class SplunkProvider:
    """Execute a SignalFlow program for the newest number of its one series.

    :param delay_seconds: how long after its end a datapoint is complete.
    """

    def __init__(self, *, delay_seconds: float, timeout_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the newest number that is complete.

        :raises PermanentAdapterError: a bad program, or one that publishes several series.
        :raises TransientAdapterError: a stream that was cut off.
        """
        text = written_query(query, system=SYSTEM).strip()
        since = at.since(self._delay_seconds + 2 * _RESOLUTION_SECONDS)
        request = HttpRequest(
            method="POST",
            url="/v2/signalflow/execute",
            params=(
                ("start", f"{since:.0f}000"),
                ("stop", f"{at.end:.0f}000"),
                ("immediate", "true"),
            ),
            headers=(("content-type", "text/plain"), ("accept", "text/event-stream")),
            body=text.encode(),
            timeout_seconds=self._timeout_seconds,
        )
        what = f"program {shorten(text)}"
        response = await ask_http(send, request)
        said = "" if response.status < 400 else plain_words(response.body)
        refuse_status(response, system=SYSTEM, what=what, detail=said)
        with understanding(what, system=SYSTEM):
            return self._newest(response, what, since, at)

    def _newest(self, response: HttpResponse, what: str, since: float, at: Window) -> Reading:
        series, ended = _read_stream(response.body, what)
        if not ended and not response.body.startswith((b"event:", b"data:", b":")):
            raise PermanentAdapterError(
                f"{what}: no stream of events: {plain_words(response.body)}", system=SYSTEM
            )
        if not ended:
            raise TransientAdapterError(f"{what}: the stream is cut off", system=SYSTEM)
        if len(series) > 1:
            raise PermanentAdapterError(
                f"{what} publishes {len(series)} series, not one number", system=SYSTEM
            )
        if not series:
            return NoData(at=at.end, reason="the program published nothing")
        points = next(iter(series.values()))
        return newest(
            points,
            since=since,
            until=at.end - self._delay_seconds,
            delay_seconds=self._delay_seconds,
        )


def _read_stream(body: bytes, what: str) -> tuple[dict[str, list[Point]], bool]:
    """Return the points of each series, and whether the stream came to its end."""
    series: dict[str, list[Point]] = {}
    ended = False
    for kind, data in _events(body):
        if kind == "error" or data.get("error"):
            raise PermanentAdapterError(f"{what}: {_words(data)}", system=SYSTEM)
        if kind == "control-message":
            if data.get("event") == "CHANNEL_ABORT":
                raise TransientAdapterError(f"{what}: aborted: {_words(data)}", system=SYSTEM)
            ended = ended or data.get("event") == "END_OF_CHANNEL"
        if kind == "data":
            time = float(data["logicalTimestampMs"]) / 1000
            for point in items(data, "data"):
                number = finite(point["value"], what=what, system=SYSTEM)
                series.setdefault(str(point["tsId"]), []).append((time, number))
    return series, ended


def _events(body: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield kind and data of each whole event of a stream."""
    for block in body.decode().replace("\r\n", "\n").split("\n\n")[:-1]:
        kind, lines = "message", []
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if name == "event":
                kind = value.strip()
            elif name == "data":
                lines.append(value.removeprefix(" "))
        if lines:
            data = json.loads("\n".join(lines))
            yield kind, data if isinstance(data, dict) else {}


def _words(data: dict[str, Any]) -> str:
    inner = data.get("abortInfo")
    said = data.get("message") or (
        inner.get("sf_job_abortReason") if isinstance(inner, dict) else ""
    )
    return f"{data.get('error') or data.get('errorType') or ''} {said or ''}".strip()
