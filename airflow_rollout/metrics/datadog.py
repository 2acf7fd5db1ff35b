"""Metric source `datadog`: counts of APM's trace metrics, and queries of one's own.

The built-in questions are one timeseries request (v2) for both arms: requests, and those that were
bad, in buckets of 10 s. A query of one's own is a classic metrics query (v1), or a JSON object with
several queries and a formula (v2 scalar), which can name the number of requests behind its value:

    {"queries": {"errors": "sum:app.errors{version:v2}.as_count()",
                 "hits": "sum:app.hits{version:v2}.as_count()"},
     "formula": "errors / hits", "requests": "hits", "aggregator": "sum"}

Of a series the newest point counts whose bucket is over: the oldest one is from before the
release, and the newest of all is still filling up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, shorten
from airflow_rollout.metrics.answers import finite, items, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, refuse_template
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.metrics.time_buckets import (
    BUCKET_OPTIONS,
    Buckets,
    Span,
    boundaries_of,
    count_of,
    filled_in,
    newest,
    read_buckets,
    read_seconds,
)
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import ConnectionForm, HttpRequest, HttpResponse, Send, ask_http

__all__ = ["CONNECTION", "DatadogProvider", "make"]

SYSTEM = "datadog"

# The type of Airflow's own Datadog provider, with its names of the two keys.
CONNECTION = ConnectionForm(
    conn_type="datadog",
    label="Datadog",
    addresses=("{extra.api_host}", "https://api.datadoghq.com"),
    headers=(("DD-API-KEY", "{extra.api_key}"), ("DD-APPLICATION-KEY", "{extra.app_key}")),
    test_path="/api/v1/validate",
)

_OPTIONS = {
    "canary": "tags of the canary, service:{service}-canary if not given",
    "stable": "tags of the stable version, service:{service}-stable if not given",
    "span": "operation name of the requests in APM, http.request if not given",
    "hits": "metric that counts requests, trace.<span>.hits.by_http_status if not given",
    "bad": "tags of a bad request, http.status_class:5xx if not given",
    "durations": "distribution of the latency in seconds, trace.<span> if not given",
    **BUCKET_OPTIONS,
}

_AGGREGATORS = ("avg", "min", "max", "sum", "last", "mean", "percentile", "l2norm", "area")

# A query's name -> the query.
Queries = dict[str, str]


def make(source: MetricSource) -> DatadogProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    options = read_source_options(source, _OPTIONS, timeout_seconds=10.0)
    span = options.text("span", "http.request")
    return DatadogProvider(
        arms=(
            options.pattern("canary", "service:{service}-canary"),
            options.pattern("stable", "service:{service}-stable"),
        ),
        hits=options.text("hits", f"trace.{span}.hits.by_http_status"),
        bad=options.text("bad", "http.status_class:5xx"),
        durations=options.text("durations", f"trace.{span}"),
        buckets=Buckets.of(options, seconds=10, delay_seconds=30),
        usual_seconds=read_seconds(options),
        timeout_seconds=options.timeout_seconds,
    )


class DatadogProvider:
    """Ask Datadog about both arms, or for one number.

    :param arms: tags of canary and stable, with `{service}` and `{namespace}` to fill in.
    :param hits: name of the metric that counts requests.
    :param bad: tags that tell a bad request from the others.
    :param durations: name of the distribution of the latency; it needs percentiles switched on.
    :param usual_seconds: latencies that are told apart besides the question's own limit.
    """

    def __init__(
        self,
        *,
        arms: tuple[str, str],
        hits: str,
        bad: str,
        durations: str,
        buckets: Buckets,
        usual_seconds: tuple[float, ...],
        timeout_seconds: float,
    ) -> None:
        self._arms = arms
        self._hits = hits
        self._bad = bad
        self._durations = durations
        self._buckets = buckets
        self._usual_seconds = usual_seconds
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the counts of both arms, or one `Value` for a query of the user's own.

        :raises PermanentAdapterError: a bad query, keys that do not suffice, several series where
            one number was asked for.
        :raises TransientAdapterError: the rate limit, with the wait it asks for; 5xx.
        """
        if query.expression is None:
            return await self._counts(query, at, send)
        expression = refuse_template(query.expression, system=SYSTEM).strip()
        if expression.startswith("{"):
            return await self._scalar(expression, at, send)
        return await self._newest(expression, at, send)

    async def _counts(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        if query.question is Question.VALUE:
            raise PermanentAdapterError(f"metric {query.name!r} has no query", system=SYSTEM)
        span = self._buckets.closed(at)
        if span is None:
            return NoData(at=at.end, reason="no bucket of the window is complete yet")
        errors = query.question is Question.ERRORS
        edges = () if errors else boundaries_of(query, self._usual_seconds)
        asked = [
            text
            for pattern in self._arms
            for text in self._queries(filled_in(pattern, query), edges)
        ]
        found = await self._timeseries(asked, span, send)
        half = len(asked) // 2
        arms = [
            {
                start: _tally([series.get(start, 0) for series in arm], at_most=not errors)
                for start in {start for series in arm for start in series}
            }
            for arm in (found[:half], found[half:])
        ]
        return read_buckets(arms[0], arms[1], span=span, buckets=self._buckets, boundaries=edges)

    def _queries(self, scope: str, edges: tuple[float, ...]) -> list[str]:
        """Return what is asked of one arm: its requests, then what is bad or fast enough."""
        end = f".as_count().rollup(sum, {self._buckets.seconds:g})"
        if not edges:
            bad = f"sum:{self._hits}{{{scope},{self._bad}}}{end}"
            return [f"sum:{self._hits}{{{scope}}}{end}", bad]
        name = f"{self._durations}{{{scope}}}{end}"
        return [f"count:{name}", *(f"count(v: v<={edge:g}):{name}" for edge in edges)]

    async def _timeseries(
        self, queries: list[str], span: Span, send: Send
    ) -> list[dict[float, int]]:
        """Return each query's counts by the start of their bucket."""
        attributes = {
            "from": round(span.start * 1000),
            "to": round(span.end * 1000),
            "interval": round(self._buckets.seconds * 1000),
            **_formulas({f"q{index}": text for index, text in enumerate(queries)}),
        }
        what = f"timeseries {shorten(queries[0])}"
        found = await self._ask_v2("timeseries", attributes, what, send)
        with understanding(what, system=SYSTEM):
            return self._counted(found, queries, what)

    def _counted(
        self, found: Mapping[str, Any], queries: list[str], what: str
    ) -> list[dict[float, int]]:
        times = [float(time) / 1000 for time in items(found, "times")]
        if any(time % self._buckets.seconds for time in times):
            raise PermanentAdapterError(
                f"{what}: answered in buckets that are not of {self._buckets.seconds:g} s",
                system=SYSTEM,
            )
        counts: list[dict[float, int]] = [{} for _ in queries]
        for series, values in zip(items(found, "series"), items(found, "values"), strict=True):
            index = series.get("query_index", 0)
            for time, value in zip(times, values, strict=True):
                if value is not None:
                    count = count_of(value, name=shorten(queries[index]), system=SYSTEM)
                    counts[index][time] = counts[index].get(time, 0) + count
        return counts

    async def _scalar(self, expression: str, at: Window, send: Send) -> Reading:
        """Return the value of a formula over the window, and the requests behind it."""
        queries, formulas, aggregator = _read_formula(expression)
        span = self._buckets.closed(at)
        if span is None:
            return NoData(at=at.end, reason="no bucket of the window is complete yet")
        attributes = {
            "from": round(span.start * 1000),
            "to": round(span.end * 1000),
            **_formulas(queries, formulas, aggregator=aggregator),
        }
        what = f"query {shorten(expression)}"
        found = await self._ask_v2("scalar", attributes, what, send)
        with understanding(what, system=SYSTEM):
            columns = [
                items(column, "values")
                for column in items(found, "columns")
                if column.get("type") == "number"
            ]
        if any(len(values) > 1 for values in columns):
            raise _several(max(map(len, columns)), expression)
        numbers = [finite(values[0], what=what, system=SYSTEM) for values in columns if values]
        if not numbers or numbers[0] is None:
            return NoData(at=at.end, reason="the query has no value")
        # Without a value the number of requests is not unknown, it is none.
        counted = len(formulas) > 1
        requests = round(numbers[1] or 0) if counted and len(numbers) > 1 else 0
        complete = span.end + self._buckets.delay_seconds
        return Value(at=complete, canary=numbers[0], requests=requests if counted else None)

    async def _ask_v2(
        self, kind: str, attributes: dict[str, Any], what: str, send: Send
    ) -> Mapping[str, Any]:
        body = {"data": {"type": f"{kind}_request", "attributes": attributes}}
        request = HttpRequest(
            method="POST",
            url=f"/api/v2/query/{kind}",
            headers=(("content-type", "application/json"),),
            body=json.dumps(body).encode(),
            timeout_seconds=self._timeout_seconds,
        )
        data = _answer(await ask_http(send, request), what)
        if data.get("errors"):
            raise PermanentAdapterError(f"{what}: {_words(data)}", system=SYSTEM)
        inner = data.get("data")
        found = inner.get("attributes") if isinstance(inner, dict) else None
        if not isinstance(found, dict):
            raise PermanentAdapterError(f"{what}: not an answer of Datadog's", system=SYSTEM)
        return found

    async def _newest(self, expression: str, at: Window, send: Send) -> Reading:
        """Return the newest point of a classic query whose bucket is complete."""
        since = at.since(self._buckets.delay_seconds + 2 * self._buckets.seconds)
        request = HttpRequest(
            url="/api/v1/query",
            params=(("from", f"{since:.0f}"), ("to", f"{at.end:.0f}"), ("query", expression)),
            timeout_seconds=self._timeout_seconds,
        )
        what = f"query {shorten(expression)}"
        data = _answer(await ask_http(send, request), what)
        if data.get("status") == "error" or data.get("error"):
            raise PermanentAdapterError(f"{what}: {_words(data)}", system=SYSTEM)
        if "series" not in data:
            raise PermanentAdapterError(f"{what}: not an answer of Datadog's", system=SYSTEM)
        series = items(data, "series")
        if len(series) > 1:
            raise _several(len(series), expression)
        if not series:
            return NoData(at=at.end, reason="the query found no series")
        with understanding(what, system=SYSTEM):
            interval = float(series[0].get("interval") or 0)
            points = [
                (float(begin) / 1000 + interval, finite(raw, what=what, system=SYSTEM))
                for begin, raw in items(series[0], "pointlist")
            ]
            delay = self._buckets.delay_seconds
            return newest(points, since=since + interval, until=at.end - delay, delay_seconds=delay)


def _tally(counts: list[int], *, at_most: bool) -> tuple[int, tuple[int, ...]]:
    """Return requests and bad ones; a latency counts those that were fast enough."""
    requests, *others = counts
    return requests, tuple(max(0, requests - one) if at_most else one for one in others)


def _formulas(
    queries: Queries, formulas: list[str] | None = None, *, aggregator: str = ""
) -> dict[str, Any]:
    """Return queries and formulas as both v2 requests want them."""
    more = {"aggregator": aggregator} if aggregator else {}
    return {
        "queries": [
            {"data_source": "metrics", "name": name, "query": text, **more}
            for name, text in queries.items()
        ],
        "formulas": [{"formula": text} for text in formulas or queries],
    }


def _read_formula(expression: str) -> tuple[Queries, list[str], str]:
    """Return queries, formulas (the value's, then the requests') and the aggregator."""
    try:
        data = json.loads(expression)
    except ValueError:
        data = None
    queries = data.get("queries") if isinstance(data, dict) else None
    if not isinstance(queries, dict) or not queries or not isinstance(data, dict):
        raise PermanentAdapterError(
            f'the query is no object with "queries" and "formula": {shorten(expression)}',
            system=SYSTEM,
        )
    unknown = set(data) - {"queries", "formula", "requests", "aggregator"}
    aggregator = data.get("aggregator", "avg")
    formula = data.get("formula", next(iter(queries)) if len(queries) == 1 else None)
    if unknown or aggregator not in _AGGREGATORS or not isinstance(formula, str):
        raise PermanentAdapterError(
            f"the query holds {', '.join(sorted(unknown)) or 'no formula or an odd aggregator'}; "
            f"allowed: queries, formula, requests, aggregator ({', '.join(_AGGREGATORS)})",
            system=SYSTEM,
        )
    requests = data.get("requests")
    formulas = [formula, *([str(requests)] if requests else [])]
    return {str(name): str(text) for name, text in queries.items()}, formulas, aggregator


def _answer(response: HttpResponse, what: str) -> Mapping[str, Any]:
    data = read_json(response, system=SYSTEM, what=what, words=_words)
    if not isinstance(data, dict):
        raise PermanentAdapterError(f"{what}: not an answer of Datadog's", system=SYSTEM)
    return data


def _words(data: object) -> str:
    """Return the errors of an answer; they are a list, or one text."""
    if not isinstance(data, dict):
        return ""
    found = data.get("errors") or data.get("error") or ""
    return "; ".join(map(str, found)) if isinstance(found, list) else str(found)


def _several(count: int, expression: str) -> PermanentAdapterError:
    return PermanentAdapterError(
        f"the query gives {count} series, not one number; aggregate them: {shorten(expression)}",
        system=SYSTEM,
    )
