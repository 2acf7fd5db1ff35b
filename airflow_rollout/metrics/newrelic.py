"""Metric source `newrelic`: NRQL through NerdGraph.

The built-in questions are one GraphQL request for both arms: requests, and those that were bad, in
buckets of time. A query of one's own gives one row; a column named `requests` is the number of
requests behind the value:

    SELECT percentage(count(*), WHERE error) AS share, count(*) AS requests
    FROM Transaction WHERE appName = 'app-canary'

A query without SINCE would look at the last hour, which is before the release: it gets the window.
Errors come with status 200, also beside data; an answer with errors is no answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import (
    PermanentAdapterError,
    SpecError,
    TransientAdapterError,
    shorten,
)
from airflow_rollout.metrics.answers import finite, items, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, refuse_template
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.metrics.time_buckets import (
    BUCKET_OPTIONS,
    Buckets,
    Span,
    Tally,
    boundaries_of,
    count_of,
    filled_in,
    read_buckets,
    read_seconds,
)
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import (
    ConnectionField,
    ConnectionForm,
    HttpRequest,
    Send,
    ask_http,
)

__all__ = ["CONNECTION", "NewrelicProvider", "make"]

SYSTEM = "newrelic"

CONNECTION = ConnectionForm(
    conn_type="newrelic",
    label="New Relic",
    hook="airflow_rollout.hooks.metric_systems.NewRelicHook",
    hidden=("login", "port", "schema", "extra"),
    relabelled=(("password", "User key"),),
    placeholders=(("host", "https://api.newrelic.com, or https://api.eu.newrelic.com"),),
    fields=(
        ConnectionField(
            name="region", label="Region", description="eu or jp where the account is not in the US"
        ),
    ),
    addresses=("{host}", "https://api.{extra.region}.newrelic.com", "https://api.newrelic.com"),
    headers=(("Api-Key", "{password}"),),
)

_OPTIONS = {
    "account": "number of the account that is asked",
    "canary": "NRQL condition of the canary, appName = '{service}-canary' if not given",
    "stable": "NRQL condition of the stable version, appName = '{service}-stable' if not given",
    "events": "event type of the requests, Transaction if not given",
    "bad": "NRQL condition of a bad request, `http.statusCode` >= 500 if not given",
    "duration": "attribute with the latency in seconds, duration if not given",
    **BUCKET_OPTIONS,
}

# NerdGraph's own names for "not now"; every other class is about the query or the key.
_TRANSIENT_CLASSES = frozenset(
    {"INTERNAL_SERVER_ERROR", "SERVER_ERROR", "TIMEOUT", "TOO_MANY_REQUESTS"}
)

_SINCE = re.compile(r"\bsince\b", re.IGNORECASE)

_NRQL = "nrql(query: $%s, timeout: $timeout) { results metadata { messages timeWindow { end } } }"
_ONE = (
    "query($account: Int!, $timeout: Seconds!, $one: Nrql!) "
    "{ actor { account(id: $account) { one: " + _NRQL % "one" + " } } }"
)
_BOTH = (
    "query($account: Int!, $timeout: Seconds!, $canary: Nrql!, $stable: Nrql!) "
    "{ actor { account(id: $account) { canary: " + _NRQL % "canary" + " stable: "
    + _NRQL % "stable" + " } } }"
)  # fmt: skip


def make(source: MetricSource) -> NewrelicProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option, or no account.
    """
    options = read_source_options(source, _OPTIONS, timeout_seconds=10.0)
    account = options.needed("account", "the account's number, such as 1234567")
    if not account.isdigit():
        raise SpecError("is no account", path="source.account", found=account, allowed="digits")
    return NewrelicProvider(
        account=int(account),
        arms=(
            options.pattern("canary", "appName = '{service}-canary'"),
            options.pattern("stable", "appName = '{service}-stable'"),
        ),
        events=options.text("events", "Transaction"),
        bad=options.text("bad", "`http.statusCode` >= 500"),
        duration=options.text("duration", "duration"),
        buckets=Buckets.of(options, seconds=10, delay_seconds=30),
        usual_seconds=read_seconds(options),
        timeout_seconds=options.timeout_seconds,
    )


class NewrelicProvider:
    """Ask New Relic about both arms, or for one number.

    :param arms: NRQL conditions of canary and stable, with `{service}` and `{namespace}`.
    :param events: event type in which a request is one event.
    :param bad: NRQL condition of a bad request.
    :param duration: attribute with the latency, in seconds.
    :param usual_seconds: latencies that are told apart besides the question's own limit.
    """

    def __init__(
        self,
        *,
        account: int,
        arms: tuple[str, str],
        events: str,
        bad: str,
        duration: str,
        buckets: Buckets,
        usual_seconds: tuple[float, ...],
        timeout_seconds: float,
    ) -> None:
        self._account = account
        self._arms = arms
        self._events = events
        self._bad = bad
        self._duration = duration
        self._buckets = buckets
        self._usual_seconds = usual_seconds
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the counts of both arms, or one `Value` for a query of the user's own.

        :raises PermanentAdapterError: a bad query or key, several rows where one was asked for.
        :raises TransientAdapterError: too many requests, a timeout, a fault of theirs.
        """
        span = self._buckets.closed(at)
        if query.expression is not None:
            expression = refuse_template(query.expression, system=SYSTEM)
            return await self._value(expression, at, send)
        if query.question is Question.VALUE:
            raise PermanentAdapterError(f"metric {query.name!r} has no query", system=SYSTEM)
        if span is None:
            return NoData(at=at.end, reason="no bucket of the window is complete yet")
        errors = query.question is Question.ERRORS
        edges = () if errors else boundaries_of(query, self._usual_seconds)
        canary, stable = (
            self._counting(filled_in(pattern, query), edges, span) for pattern in self._arms
        )
        what = f"query {shorten(canary)}"
        found = await self._ask(_BOTH, {"canary": canary, "stable": stable}, what, send)
        with understanding(what, system=SYSTEM):
            arms = [self._tally(found[arm], max(1, len(edges))) for arm in ("canary", "stable")]
        return read_buckets(arms[0], arms[1], span=span, buckets=self._buckets, boundaries=edges)

    def _counting(self, arm: str, edges: tuple[float, ...], span: Span) -> str:
        worse = [f"{self._duration} > {edge:g}" for edge in edges] or [self._bad]
        columns = [
            f"filter(count(*), WHERE {one}) AS worse{index}" for index, one in enumerate(worse)
        ]
        return (
            f"SELECT count(*) AS requests, {', '.join(columns)} FROM {self._events} "  # noqa: S608 - NRQL, of the spec's own words
            f"WHERE {arm} {_between(span.start, span.end)} "
            f"TIMESERIES {self._buckets.seconds:g} seconds"
        )

    def _tally(self, found: Mapping[str, Any], size: int) -> Tally:
        tally = {}
        for row in items(found, "results"):
            counts = [
                count_of(row[name], name=name, system=SYSTEM)
                for name in ("requests", *(f"worse{index}" for index in range(size)))
            ]
            # A bucket without a request is no sign of life: silence looks the same.
            if counts[0]:
                tally[float(row["beginTimeSeconds"])] = (counts[0], tuple(counts[1:]))
        return tally

    async def _value(self, expression: str, at: Window, send: Send) -> Reading:
        if not _SINCE.search(expression):
            since = at.since(self._buckets.delay_seconds + 2 * self._buckets.seconds)
            expression = f"{expression} {_between(since, at.end)}"
        what = f"query {shorten(expression)}"
        found = await self._ask(_ONE, {"one": expression}, what, send)
        with understanding(what, system=SYSTEM):
            return _one_value(found["one"], at, expression)

    async def _ask(
        self, document: str, queries: dict[str, str], what: str, send: Send
    ) -> Mapping[str, Any]:
        """Return the results by the names of the queries."""
        variables: dict[str, Any] = {
            "account": self._account,
            "timeout": max(5, round(self._timeout_seconds)),
            **queries,
        }
        request = HttpRequest(
            method="POST",
            url="/graphql",
            headers=(("content-type", "application/json"),),
            body=json.dumps({"query": document, "variables": variables}).encode(),
            timeout_seconds=self._timeout_seconds,
        )
        data = read_json(await ask_http(send, request), system=SYSTEM, what=what, words=_words)
        with understanding(what, system=SYSTEM):
            _refuse_errors(data, what)
            found = data["data"]["actor"]["account"]
            if any(found[name] is None for name in queries):
                raise ValueError("no results")
            return dict(found)


def _between(start: float, end: float) -> str:
    return f"SINCE {round(start * 1000)} UNTIL {round(end * 1000)}"


def _one_value(found: Mapping[str, Any], at: Window, expression: str) -> Reading:
    metadata = found.get("metadata") or {}
    window = metadata.get("timeWindow") or {}
    ends = window.get("end")
    time = min(at.end, float(ends) / 1000) if ends else at.end
    said = "; ".join(map(str, metadata.get("messages") or ()))
    rows = items(found, "results")
    if len(rows) > 1:
        raise PermanentAdapterError(
            f"the query gives {len(rows)} rows, not one number; take FACET and TIMESERIES out: "
            f"{shorten(expression)}",
            system=SYSTEM,
        )
    numbers = _numbers(rows[0]) if rows else {}
    requests = numbers.pop("requests", None) if len(numbers) > 1 else None
    if len(numbers) > 1:
        raise PermanentAdapterError(
            f"the query gives {', '.join(sorted(numbers))}; one number is asked for, and beside "
            "it `requests` at most",
            system=SYSTEM,
        )
    value = next(iter(numbers.values()), None)
    if value is None:
        return NoData(at=time, reason=f"the query has no value{said and f' ({said})'}")
    return Value(at=time, canary=value, requests=None if requests is None else round(requests))


def _numbers(row: Mapping[str, Any]) -> dict[str, float | None]:
    """Return a row's numbers by column; a percentile is an object of its own."""
    found: dict[str, float | None] = {}
    for name, value in row.items():
        inner = value if isinstance(value, dict) else {"": value}
        for key, number in inner.items():
            column = f"{name}.{key}" if key else name
            found[column] = finite(number, what=column, system=SYSTEM)
    return found


def _refuse_errors(data: Mapping[str, Any], what: str) -> None:
    errors = items(data, "errors")
    if not errors:
        return
    classes = {str((error.get("extensions") or {}).get("errorClass")) for error in errors}
    kind = TransientAdapterError if classes & _TRANSIENT_CLASSES else PermanentAdapterError
    raise kind(f"{what}: {_words(data)}", system=SYSTEM)


def _words(data: object) -> str:
    errors = [error for error in items(data, "errors") if isinstance(error, dict)]
    if not errors and isinstance(data, dict) and isinstance(data.get("error"), dict):
        errors = [data["error"]]
    return "; ".join(
        f"{(error.get('extensions') or {}).get('errorClass') or ''} {error.get('message')}".strip()
        for error in errors
    )
