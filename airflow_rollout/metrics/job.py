"""Metric source `job`: the end of a Kubernetes Job, as a measurement.

A query is `name` or `namespace/name` of a Job that something else starts: a task of the DAG, CI, an
operator. A Job that is complete is 1, one that failed is 0, so its limit is `min: 1`; one that
still runs, or does not exist yet, is no data. The connection is the API server's address with a
token.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, shorten
from airflow_rollout.metrics.answers import items, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import ConnectionForm, HttpRequest, Send, ask_http

__all__ = ["CONNECTION", "JobProvider", "make"]

SYSTEM = "job"

CONNECTION = ConnectionForm(conn_type="http", label="HTTP")

_ENDS = {"Complete": 1.0, "Failed": 0.0}


def make(source: MetricSource) -> JobProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    return JobProvider(timeout_seconds=read_source_options(source, {}).timeout_seconds)


class JobProvider:
    """Read how a Kubernetes Job ended."""

    def __init__(self, *, timeout_seconds: float = 5.0) -> None:
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return 1 for a Job that is complete, 0 for one that failed.

        :raises PermanentAdapterError: no such Job, or no rights.
        """
        text = written_query(query, system=SYSTEM).strip()
        namespace, _, name = text.rpartition("/")
        place = quote(namespace or query.namespace, safe="")
        request = HttpRequest(
            url=f"/apis/batch/v1/namespaces/{place}/jobs/{quote(name, safe='')}",
            timeout_seconds=self._timeout_seconds,
        )
        what = f"Job {shorten(text)}"
        data = read_json(await ask_http(send, request), system=SYSTEM, what=what, words=_words)
        with understanding(what, system=SYSTEM):
            if data["kind"] != "Job":
                raise PermanentAdapterError(f"{what}: {_words(data)}", system=SYSTEM)
            return _ending(data.get("status") or {}, what, at)


def _ending(status: dict[str, Any], what: str, at: Window) -> Reading:
    for condition in items(status, "conditions"):
        if condition["status"] != "True" or condition["type"] not in _ENDS:
            continue
        ended = datetime.fromisoformat(condition["lastTransitionTime"]).timestamp()
        if ended < (at.start if at.earliest is None else at.earliest):
            return NoData(at=at.end, reason=f"{what} ended before the release was opened")
        # It stays as it ended: the answer is as new as the question.
        return Value(at=at.end, canary=_ENDS[condition["type"]])
    active = status.get("active") or 0
    return NoData(at=at.end, reason=f"{what} has not ended ({active} pods run)")


def _words(data: Any) -> str:
    return f"{data.get('reason') or ''}: {data['message']}" if data.get("message") else ""
