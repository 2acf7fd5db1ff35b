"""Metric source `wavefront`: the chart API of Wavefront (Operations for Applications).

A query is a query of its language. The newest minute counts that is complete.
"""

from __future__ import annotations

from typing import Any

from airflow_rollout.analysis.readings import NoData, Reading
from airflow_rollout.errors import PermanentAdapterError, shorten
from airflow_rollout.metrics.answers import finite, items, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.metrics.time_buckets import newest
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import ConnectionForm, HttpRequest, Send, ask_http

__all__ = ["CONNECTION", "WavefrontProvider", "make"]

SYSTEM = "wavefront"

CONNECTION = ConnectionForm(
    conn_type="wavefront",
    label="Wavefront",
    hook="airflow_rollout.hooks.metric_systems.WavefrontHook",
    hidden=("login", "port", "schema", "extra"),
    relabelled=(("password", "API token"),),
    placeholders=(("host", "https://mycompany.wavefront.com"),),
    headers=(("Authorization", "Bearer {password}"),),
    test_path="/api/v2/source?limit=1",
)

_MINUTE_SECONDS = 60.0


def make(source: MetricSource) -> WavefrontProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    options = read_source_options(
        source,
        {"delay": "how long after its end a minute is complete, 0s if not given"},
        timeout_seconds=10.0,
    )
    return WavefrontProvider(
        delay_seconds=options.seconds("delay", 0, minimum=0, maximum=900),
        timeout_seconds=options.timeout_seconds,
    )


class WavefrontProvider:
    """Ask Wavefront for the newest number of one series.

    :param delay_seconds: how long after its end a minute is complete.
    """

    def __init__(self, *, delay_seconds: float, timeout_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the newest number that is complete.

        :raises PermanentAdapterError: a bad query, or one that gives several series.
        """
        text = written_query(query, system=SYSTEM).strip()
        since = at.since(self._delay_seconds + 2 * _MINUTE_SECONDS)
        request = HttpRequest(
            url="/api/v2/chart/api",
            params=(
                ("q", text),
                ("s", f"{since:.0f}000"),
                ("e", f"{at.end:.0f}000"),
                ("g", "m"),
                ("strict", "true"),
            ),
            timeout_seconds=self._timeout_seconds,
        )
        what = f"query {shorten(text)}"
        data = read_json(await ask_http(send, request), system=SYSTEM, what=what, words=_words)
        with understanding(what, system=SYSTEM):
            if data.get("errorType") or data.get("errorMessage"):
                raise PermanentAdapterError(f"{what}: {_words(data)}", system=SYSTEM)
            series = items(data, "timeseries")
            if len(series) > 1:
                raise PermanentAdapterError(
                    f"{what} gives {len(series)} series, not one number", system=SYSTEM
                )
            if not series:
                said = data.get("warnings")
                return NoData(
                    at=at.end, reason=f"the query found no series{(said and f' ({said})') or ''}"
                )
            points = [
                (float(start) + _MINUTE_SECONDS, finite(value, what=what, system=SYSTEM))
                for start, value in items(series[0], "data")
            ]
            return newest(
                points,
                since=since + _MINUTE_SECONDS,
                until=at.end - self._delay_seconds,
                delay_seconds=self._delay_seconds,
            )


def _words(data: Any) -> str:
    kind = data.get("errorType") or (data.get("status") or {}).get("code") or ""
    said = data.get("errorMessage") or (data.get("status") or {}).get("message") or ""
    return f"{kind}: {said}" if said else ""
