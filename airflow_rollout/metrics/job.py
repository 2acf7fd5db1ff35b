"""Metric source `job`: how a Kubernetes Job ended, or what a task of the same run returned.

A query is `name` or `namespace/name` of a Job that something else starts: a task of the DAG, CI, an
operator. A Job that is complete is 1, one that failed is 0, so its limit is `min: 1`; one that
still runs, or does not exist yet, is no data. The connection is the API server's address with a
token.

`xcom:task_id`, or `xcom:task_id/key`, is the number that a task of the release's own run left as an
XCom (`return_value` if no key is given). Any operator can so be a measurement. A task that has not
succeeded is no data: what it left in an earlier try, or before the run was cleared, does not count.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, shorten
from airflow_rollout.metrics.answers import finite, items, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import (
    ConnectionForm,
    HttpRequest,
    ResultRead,
    Send,
    TaskResult,
    ask_http,
)

__all__ = ["CONNECTION", "JobProvider", "make"]

SYSTEM = "job"

CONNECTION = ConnectionForm(conn_type="http", label="HTTP")

_XCOM = "xcom:"
_SUCCEEDED = "success"
_USUAL_KEY = "return_value"

_ENDS = {"Complete": 1.0, "Failed": 0.0}


def make(source: MetricSource) -> JobProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    return JobProvider(timeout_seconds=read_source_options(source, {}).timeout_seconds)


class JobProvider:
    """Read how a Kubernetes Job ended, or what a task returned."""

    def __init__(self, *, timeout_seconds: float = 5.0) -> None:
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return 1 for a Job that is complete, 0 for one that failed, or a task's number.

        :raises PermanentAdapterError: no such Job, no rights, or a task that returned no number.
        """
        text = written_query(query, system=SYSTEM).strip()
        if text.startswith(_XCOM):
            return await _returned(text, at, send)
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


async def _returned(text: str, at: Window, send: Send) -> Reading:
    """Return the number of a task that has succeeded in this run."""
    task, _, key = text.removeprefix(_XCOM).partition("/")
    what = f"task {shorten(task)}"
    found = await send(ResultRead(task_id=task, key=key or _USUAL_KEY))
    if not isinstance(found, TaskResult):
        raise TypeError(f"a ResultRead was answered with {type(found).__name__}")
    if found.state is None:
        return NoData(at=at.end, reason=f"{what} is looked at by the gates of a release only")
    if found.state != _SUCCEEDED:
        return NoData(at=at.end, reason=f"{what} is {found.state or 'not begun'}")
    value = float(found.value) if isinstance(found.value, bool) else found.value
    number = finite(value, what=f"what {what} left as {key or _USUAL_KEY}", system=SYSTEM)
    if number is None:
        return NoData(at=at.end, reason=f"{what} left no number as {key or _USUAL_KEY}")
    return Value(at=at.end, canary=number)


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
