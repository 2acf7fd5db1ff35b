"""Metric source `keptn`: a KeptnMetric of a cluster, as the metrics operator last measured it.

A query is `name` or `namespace/name`; Flagger's `keptnmetric/namespace/name` is read too. The
connection is the API server's address with a token. A Keptn Analysis is not asked.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, shorten
from airflow_rollout.metrics.answers import finite, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import ConnectionForm, HttpRequest, Send, ask_http

__all__ = ["CONNECTION", "KeptnProvider", "make"]

SYSTEM = "keptn"

CONNECTION = ConnectionForm(conn_type="http", label="HTTP")

_ROOT = "/apis/metrics.keptn.sh/v1beta1/namespaces"
_KIND = "keptnmetric"


def make(source: MetricSource) -> KeptnProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    return KeptnProvider(timeout_seconds=read_source_options(source, {}).timeout_seconds)


class KeptnProvider:
    """Read the last value of a KeptnMetric."""

    def __init__(self, *, timeout_seconds: float = 5.0) -> None:
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the metric's number, dated by when Keptn measured it.

        :raises PermanentAdapterError: no such metric, no rights, or no way to read the query.
        """
        text = written_query(query, system=SYSTEM).strip()
        *kind, namespace, name = ["", *text.split("/")][-3:]
        if any(one.lower() not in ("", _KIND) for one in kind) or text.count("/") > 2:
            raise PermanentAdapterError(
                f"the query is no `namespace/name` of a KeptnMetric: {shorten(text)}", system=SYSTEM
            )
        place = quote(namespace or query.namespace, safe="")
        request = HttpRequest(
            url=f"{_ROOT}/{place}/keptnmetrics/{quote(name, safe='')}",
            timeout_seconds=self._timeout_seconds,
        )
        what = f"metric {shorten(text)}"
        data = read_json(await ask_http(send, request), system=SYSTEM, what=what, words=_words)
        with understanding(what, system=SYSTEM):
            if data["kind"] != "KeptnMetric":
                raise PermanentAdapterError(f"{what}: {_words(data)}", system=SYSTEM)
            return _reading(data.get("status") or {}, what, at)


def _reading(status: dict[str, Any], what: str, at: Window) -> Reading:
    failed = str(status.get("errMsg") or "")
    number = None if status.get("value") in (None, "") else status["value"]
    value = finite(number, what=what, system=SYSTEM)
    measured = str(status.get("lastUpdated") or "")
    if failed or value is None or not measured:
        return NoData(at=at.end, reason=failed or "Keptn has not measured it yet")
    time = datetime.fromisoformat(measured).timestamp()
    if time < (at.start if at.earliest is None else at.earliest):
        return NoData(at=at.end, reason="Keptn has not measured it since the release was opened")
    return Value(at=min(time, at.end), canary=value)


def _words(data: Any) -> str:
    return f"{data.get('reason') or ''}: {data['message']}" if data.get("message") else ""
