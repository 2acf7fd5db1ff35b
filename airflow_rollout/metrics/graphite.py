"""Metric source `graphite`: the render API.

A query is a target, or the query string of a render request as Flagger writes it
(`target=...&from=-5min`). The newest datapoint counts that has a value and is over: Graphite fills
up with nulls, and the last bucket is still being written.

Graphite answers a syntax error as it answers an unknown metric, with an empty list: both are no
data.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from airflow_rollout.analysis.readings import NoData, Reading
from airflow_rollout.errors import PermanentAdapterError, shorten
from airflow_rollout.metrics.answers import finite, items, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.metrics.time_buckets import newest
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import ConnectionForm, HttpRequest, Send, ask_http

__all__ = ["CONNECTION", "GraphiteProvider", "make"]

SYSTEM = "graphite"

CONNECTION = ConnectionForm(conn_type="http", label="HTTP")

# The longest resolution that a target may have and still be seen within a release's window.
_LONGEST_STEP_SECONDS = 60.0


def make(source: MetricSource) -> GraphiteProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    options = read_source_options(
        source, {"delay": "how long after its end a datapoint is complete, 0s if not given"}
    )
    return GraphiteProvider(
        delay_seconds=options.seconds("delay", 0, minimum=0, maximum=900),
        timeout_seconds=options.timeout_seconds,
    )


class GraphiteProvider:
    """Ask Graphite for the newest number of one target.

    :param delay_seconds: how long after its end a datapoint is complete.
    """

    def __init__(self, *, delay_seconds: float = 0.0, timeout_seconds: float = 5.0) -> None:
        self._delay_seconds = delay_seconds
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the newest number that is complete.

        :raises PermanentAdapterError: a bad target, or one that gives several series.
        """
        target = written_query(query, system=SYSTEM).strip()
        since = at.since(self._delay_seconds + 2 * _LONGEST_STEP_SECONDS)
        request = HttpRequest(
            url="/render",
            params=_params(target, since, at.end),
            timeout_seconds=self._timeout_seconds,
        )
        what = f"target {shorten(target)}"
        data = read_json(await ask_http(send, request), system=SYSTEM, what=what)
        if not isinstance(data, list):
            raise PermanentAdapterError(f"{what}: not an answer of Graphite's", system=SYSTEM)
        if len(data) > 1:
            raise PermanentAdapterError(
                f"the target gives {len(data)} series, not one number; aggregate them: "
                f"{shorten(target)}",
                system=SYSTEM,
            )
        if not data:
            return NoData(
                at=at.end,
                reason="no such series, or a fault in the target: Graphite answers both alike",
            )
        with understanding(what, system=SYSTEM):
            step, points = _points(data[0], what)
            return newest(
                points,
                since=since + step,
                until=at.end - self._delay_seconds,
                delay_seconds=self._delay_seconds,
            )


def _params(target: str, since: float, until: float) -> tuple[tuple[str, str], ...]:
    given = dict(parse_qsl(target)) if target.startswith("target=") else {"target": target}
    usual = {"from": f"{since:.0f}", "until": f"{until:.0f}"}
    return tuple({**usual, **given, "format": "json"}.items())


def _points(series: Any, what: str) -> tuple[float, list[tuple[float, float | None]]]:
    """Return the step, and the end of each with its number: datapoints are dated by their start."""
    found = [
        (float(at), finite(value, what=what, system=SYSTEM))
        for value, at in items(series, "datapoints")
    ]
    step = min((b[0] - a[0] for a, b in pairwise(found)), default=0.0)
    return step, [(at + step, value) for at, value in found]
