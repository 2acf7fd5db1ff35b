"""Metric source `google_monitoring`: time series of Google Cloud Monitoring.

A query is a filter, or a JSON object with how its series are put together:

    {"filter": "metric.type = starts_with(...) AND resource.labels.backend_name = ...",
     "aligner": "ALIGN_SUM", "reducer": "REDUCE_SUM", "period": 60}

The newest point counts whose period is complete. PromQL is asked with the `prometheus` source,
whose connection can take Google's token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_rollout.analysis.readings import NoData, Reading
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError, shorten
from airflow_rollout.metrics.answers import finite, items, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.metrics.time_buckets import newest
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import ConnectionForm, HttpRequest, Send, ask_http

__all__ = ["CONNECTION", "GoogleMonitoringProvider", "make"]

SYSTEM = "google_monitoring"

# The type of Airflow's own Google provider, which finds credentials.
CONNECTION = ConnectionForm(
    conn_type="google_cloud_platform",
    label="Google Cloud",
    addresses=("{extra.monitoring_endpoint}", "https://monitoring.googleapis.com"),
    signing="google",
)

_FIELDS = ("filter", "aligner", "reducer", "period")


def make(source: MetricSource) -> GoogleMonitoringProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option, or no project.
    """
    options = read_source_options(
        source,
        {
            "project": "id of the project that is asked",
            "delay": "how long after its end a period is complete, 60s if not given",
        },
        timeout_seconds=10.0,
    )
    return GoogleMonitoringProvider(
        project=options.needed("project", "the project's id"),
        delay_seconds=options.seconds("delay", 60, minimum=0, maximum=900),
        timeout_seconds=options.timeout_seconds,
    )


class GoogleMonitoringProvider:
    """Ask Google Cloud Monitoring for the newest number of one series.

    :param project: the project that is asked.
    :param delay_seconds: how long after its end a period is complete.
    """

    def __init__(self, *, project: str, delay_seconds: float, timeout_seconds: float) -> None:
        self._project = project
        self._delay_seconds = delay_seconds
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the newest number that is complete.

        :raises PermanentAdapterError: a bad filter, or one that gives several series.
        """
        text = written_query(query, system=SYSTEM).strip()
        asked = _read(text)
        period = float(asked["period"])
        since = at.since(self._delay_seconds + 2 * period)
        request = HttpRequest(
            url=f"/v3/projects/{self._project}/timeSeries",
            params=(
                ("filter", asked["filter"]),
                ("interval.startTime", _time(since)),
                ("interval.endTime", _time(at.end)),
                ("aggregation.alignmentPeriod", f"{period:g}s"),
                ("aggregation.perSeriesAligner", asked["aligner"]),
                ("aggregation.crossSeriesReducer", asked["reducer"]),
            ),
            timeout_seconds=self._timeout_seconds,
        )
        what = f"filter {shorten(text)}"
        data = read_json(await ask_http(send, request), system=SYSTEM, what=what, words=_words)
        with understanding(what, system=SYSTEM):
            _refuse_errors(data, what)
            series = items(data, "timeSeries")
            if len(series) > 1:
                raise PermanentAdapterError(
                    f"{what} gives {len(series)} series, not one number; name a reducer",
                    system=SYSTEM,
                )
            if not series:
                return NoData(at=at.end, reason="the filter found no series")
            points = [
                (_seconds(point["interval"]["endTime"]), _number(point["value"], what))
                for point in items(series[0], "points")
            ]
            return newest(
                points,
                since=since + period,
                until=at.end - self._delay_seconds,
                delay_seconds=self._delay_seconds,
            )


def _read(text: str) -> dict[str, str]:
    usual = {"aligner": "ALIGN_RATE", "reducer": "REDUCE_SUM", "period": "60"}
    if not text.startswith("{"):
        return {**usual, "filter": text}
    try:
        data = json.loads(text)
        float(data.get("period", 60))
    except (ValueError, TypeError, AttributeError):
        data = {}
    if "filter" not in data or set(data) - set(_FIELDS):
        raise PermanentAdapterError(
            f"the query is no object of {', '.join(_FIELDS)}: {shorten(text)}", system=SYSTEM
        )
    return {**usual, **{name: str(value) for name, value in data.items()}}


def _number(value: Mapping[str, Any], what: str) -> float | None:
    """Return a typed value; 64-bit integers are texts, and a distribution is its mean."""
    if "distributionValue" in value:
        return finite(value["distributionValue"].get("mean", 0), what=what, system=SYSTEM)
    if "boolValue" in value:
        return 1.0 if value["boolValue"] is True else 0.0
    found = value.get("doubleValue", value.get("int64Value"))
    return finite(found, what=what, system=SYSTEM)


def _refuse_errors(data: Mapping[str, Any], what: str) -> None:
    if "error" in data:
        raise PermanentAdapterError(f"{what}: {_words(data)}", system=SYSTEM)
    partial = items(data, "executionErrors")
    if partial:
        said = "; ".join(str(one.get("message")) for one in partial)
        raise TransientAdapterError(f"{what}: incomplete: {said}", system=SYSTEM)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _words(data: Any) -> str:
    error = data["error"]
    return f"{error.get('status')}: {error.get('message')}"
