"""Metric source `cloudwatch`: counts of a load balancer, queries and alarms of one's own.

The built-in questions are one GetMetricData request for both arms: an Application Load Balancer's
requests, its targets' 5xx and, as trimmed counts, the requests that were fast enough. A query of
one's own is the list of `MetricDataQueries` as AWS writes it (one with the Id `requests` is the
number of requests behind the value), or an alarm, which is 1 while it rings:

    [{"Id": "errors", "MetricStat": {"Metric": {...}, "Period": 60, "Stat": "Sum"}}]
    {"alarm": "app-canary-5xx"}

AWS answers with status 400 when it is asked too often.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError, shorten
from airflow_rollout.metrics.answers import finite, items, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, refuse_template
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.metrics.time_buckets import (
    BUCKET_OPTIONS,
    Buckets,
    Tally,
    boundaries_of,
    count_of,
    filled_in,
    newest,
    read_buckets,
    read_seconds,
)
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import ConnectionForm, HttpRequest, Send, ask_http

__all__ = ["CONNECTION", "CloudwatchProvider", "make"]

SYSTEM = "cloudwatch"

# The type of Airflow's own Amazon provider, which finds credentials and a region.
CONNECTION = ConnectionForm(
    conn_type="aws",
    label="Amazon Web Services",
    addresses=("{extra.endpoint_url}", "https://monitoring.{extra.region_name}.amazonaws.com"),
    signing="aws:monitoring",
)

_OPTIONS = {
    "canary": "dimensions of the canary: LoadBalancer=app/x/1,TargetGroup=targetgroup/y/2",
    "stable": "dimensions of the stable version",
    "namespace": "namespace of the metrics, AWS/ApplicationELB if not given",
    "requests": "metric that counts requests, RequestCount if not given",
    "bad": "metric that counts bad ones, HTTPCode_Target_5XX_Count if not given",
    "durations": "metric of the latency in seconds, TargetResponseTime if not given",
    **BUCKET_OPTIONS,
}

# AWS' own names for "not now", whatever the status is.
_TRANSIENT = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "Unavailable", "Internal")


def make(source: MetricSource) -> CloudwatchProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    options = read_source_options(source, _OPTIONS, timeout_seconds=10.0)
    return CloudwatchProvider(
        arms=(options.pattern("canary", ""), options.pattern("stable", "")),
        namespace=options.text("namespace", "AWS/ApplicationELB"),
        names=(
            options.text("requests", "RequestCount"),
            options.text("bad", "HTTPCode_Target_5XX_Count"),
            options.text("durations", "TargetResponseTime"),
        ),
        buckets=Buckets.of(options, seconds=60, delay_seconds=60),
        usual_seconds=read_seconds(options),
        timeout_seconds=options.timeout_seconds,
    )


class CloudwatchProvider:
    """Ask CloudWatch about both arms, for one number, or for an alarm.

    :param arms: dimensions of canary and stable as `Name=Value,Name=Value`.
    :param names: metrics that count requests and bad ones, and the one of the latency.
    :param usual_seconds: latencies that are told apart besides the question's own limit.
    """

    def __init__(
        self,
        *,
        arms: tuple[str, str],
        namespace: str,
        names: tuple[str, str, str],
        buckets: Buckets,
        usual_seconds: tuple[float, ...],
        timeout_seconds: float,
    ) -> None:
        self._arms = arms
        self._namespace = namespace
        self._requests, self._bad, self._durations = names
        self._buckets = buckets
        self._usual_seconds = usual_seconds
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the counts of both arms, or one `Value` for a query of the user's own.

        :raises PermanentAdapterError: a bad query, missing rights, several results.
        :raises TransientAdapterError: throttled, or data that AWS calls partial.
        """
        if query.expression is None:
            return await self._counts(query, at, send)
        expression = refuse_template(query.expression, system=SYSTEM)
        asked = _parsed(expression)
        if isinstance(asked, dict):
            return await self._alarm(str(asked["alarm"]), at.end, send)
        return await self._value(asked, expression, at, send)

    async def _counts(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        if query.question is Question.VALUE:
            raise PermanentAdapterError(f"metric {query.name!r} has no query", system=SYSTEM)
        if not all(self._arms):
            raise PermanentAdapterError(
                "the options `canary` and `stable` have to say which dimensions the arms have",
                system=SYSTEM,
            )
        span = self._buckets.closed(at)
        if span is None:
            return NoData(at=at.end, reason="no bucket of the window is complete yet")
        errors = query.question is Question.ERRORS
        edges = () if errors else boundaries_of(query, self._usual_seconds)
        queries = [
            one
            for side, pattern in zip("cs", self._arms, strict=True)
            for one in self._queries(side, filled_in(pattern, query), edges)
        ]
        found = await self._results(queries, span.start, span.end, send)
        arms = [self._tally(found, side, len(edges)) for side in "cs"]
        return read_buckets(arms[0], arms[1], span=span, buckets=self._buckets, boundaries=edges)

    def _queries(self, side: str, arm: str, edges: tuple[float, ...]) -> list[dict[str, Any]]:
        counted = self._durations if edges else self._requests
        asked = [(counted, "SampleCount" if edges else "Sum")]
        asked += [(self._durations, f"TC(:{edge:g})") for edge in edges] or [(self._bad, "Sum")]
        dimensions = [
            {"Name": name.strip(), "Value": value.strip()}
            for name, _, value in (part.partition("=") for part in arm.split(","))
        ]
        return [
            {
                "Id": f"{side}{index}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": self._namespace, "MetricName": name, "Dimensions": dimensions,
                    },
                    "Period": round(self._buckets.seconds),
                    "Stat": stat,
                },
            }
            for index, (name, stat) in enumerate(asked)
        ]  # fmt: skip

    def _tally(self, found: Mapping[str, list[tuple[float, Any]]], side: str, size: int) -> Tally:
        with understanding("GetMetricData", system=SYSTEM):
            counts = [
                {at: count_of(value, name=f"{side}{index}", system=SYSTEM) for at, value in points}
                for index in range(1 + max(1, size))
                if (points := found.get(f"{side}{index}", [])) is not None
            ]
        requests = counts[0]
        return {
            at: (total, tuple(
                max(0, total - one.get(at, 0)) if size else one.get(at, 0) for one in counts[1:]
            ))
            for at, total in requests.items()
        }  # fmt: skip

    async def _value(
        self, queries: list[dict[str, Any]], expression: str, at: Window, send: Send
    ) -> Reading:
        period = _period(queries)
        since = at.since(self._buckets.delay_seconds + 2 * period)
        found = await self._results(queries, since, at.end, send)
        requests = found.pop("requests", None)
        if len(found) > 1:
            raise PermanentAdapterError(
                f"the query gives {', '.join(sorted(found))}; set ReturnData to false for all but "
                f"one: {shorten(expression)}",
                system=SYSTEM,
            )
        points = next(iter(found.values()), [])
        numbers = [(at_ + period, finite(v, what="value", system=SYSTEM)) for at_, v in points]
        delay = self._buckets.delay_seconds
        until = at.end - delay
        reading = newest(numbers, since=since + period, until=until, delay_seconds=delay)
        if requests is None or not isinstance(reading, Value):
            return reading
        counts = {at_ + period: count_of(v, name="requests", system=SYSTEM) for at_, v in requests}
        return replace(reading, requests=counts.get(reading.at - delay, 0))

    async def _results(
        self, queries: list[dict[str, Any]], start: float, end: float, send: Send
    ) -> dict[str, list[tuple[float, Any]]]:
        """Return the points of each query by its Id, dated by the beginning of their period."""
        asked = {
            "MetricDataQueries": queries,
            "StartTime": round(start),
            "EndTime": round(end),
            "ScanBy": "TimestampDescending",
        }
        data = await self._ask("GetMetricData", asked, send)
        found: dict[str, list[tuple[float, Any]]] = {}
        with understanding("GetMetricData", system=SYSTEM):
            for result in data["MetricDataResults"]:
                _refuse_result(result, data)
                points = zip(result["Timestamps"], result["Values"], strict=True)
                found[str(result["Id"])] = [(float(at), value) for at, value in points]
            if data.get("NextToken"):
                raise PermanentAdapterError(
                    "GetMetricData: the answer has more than one page; ask for less", system=SYSTEM
                )
        return found

    async def _alarm(self, name: str, at: float, send: Send) -> Reading:
        data = await self._ask("DescribeAlarms", {"AlarmNames": [name]}, send)
        alarms = [*items(data, "MetricAlarms"), *items(data, "CompositeAlarms")]
        if len(alarms) != 1:
            raise PermanentAdapterError(f"there is no alarm {name!r}", system=SYSTEM)
        with understanding("DescribeAlarms", system=SYSTEM):
            state = str(alarms[0]["StateValue"])
        if state not in ("OK", "ALARM"):
            return NoData(at=at, reason=f"alarm {name!r} is in state {state}")
        return Value(at=at, canary=1.0 if state == "ALARM" else 0.0)

    async def _ask(self, action: str, asked: dict[str, Any], send: Send) -> Mapping[str, Any]:
        request = HttpRequest(
            method="POST",
            url="/",
            headers=(
                ("content-type", "application/x-amz-json-1.0"),
                ("x-amz-target", f"GraniteServiceVersion20100801.{action}"),
            ),
            body=json.dumps(asked).encode(),
            timeout_seconds=self._timeout_seconds,
        )
        response = await ask_http(send, request)
        said = _kind(response.body)
        if 400 <= response.status < 500 and any(word in said for word in _TRANSIENT):
            response = replace(response, status=429)
        data = read_json(response, system=SYSTEM, what=action, words=_words)
        if not isinstance(data, dict):
            raise PermanentAdapterError(f"{action}: not an answer of CloudWatch's", system=SYSTEM)
        return data


def _parsed(expression: str) -> list[dict[str, Any]] | dict[str, Any]:
    """Return a list of queries, or an object with the name of an alarm."""
    try:
        data = json.loads(expression)
    except ValueError:
        data = None
    if isinstance(data, dict) and set(data) == {"alarm"}:
        return data
    if isinstance(data, list) and data and all(isinstance(one, dict) for one in data):
        return data
    raise PermanentAdapterError(
        f'the query is neither a list of MetricDataQueries nor {{"alarm": ...}}: '
        f"{shorten(expression)}",
        system=SYSTEM,
    )


def _period(queries: list[dict[str, Any]]) -> float:
    """Return the longest period asked for, in seconds."""
    periods = [one.get("Period") for one in queries]
    periods += [
        stat.get("Period") for one in queries if isinstance(stat := one.get("MetricStat"), dict)
    ]
    return max((float(one) for one in periods if isinstance(one, int)), default=60.0)


def _refuse_result(result: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    state = result.get("StatusCode", "Complete")
    if state == "Complete":
        return
    said = [*items(result, "Messages"), *items(data, "Messages")]
    words = "; ".join(f"{one.get('Code')}: {one.get('Value')}" for one in said)
    error = PermanentAdapterError if state == "Forbidden" else TransientAdapterError
    raise error(f"{result.get('Id')}: {state} {words}".strip(), system=SYSTEM)


def _kind(body: bytes) -> str:
    try:
        data = json.loads(body)
    except ValueError:
        return ""
    return str(data.get("__type") or "").rpartition("#")[2] if isinstance(data, dict) else ""


def _words(data: Any) -> str:
    kind = str(data.get("__type") or "").rpartition("#")[2]
    return f"{kind}: {data.get('message') or data.get('Message')}" if kind else ""
