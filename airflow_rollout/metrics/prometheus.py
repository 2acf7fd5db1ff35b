"""Metric source `prometheus`: raw samples of the router's counters, never `rate()`.

An instant query with a range selector, `metric{...}[30s]`, returns the scraped samples as they
are. Their differences are the counts an exact test needs; `rate()` and `increase()` extrapolate,
return fractions, and miss the first value of a new series, which is a new canary's first traffic.

One request asks for both arms and for the router's `alive` family, so that an arm without a series
can be told from a router that is not scraped. A second one asks when the scraped processes
started: after a restart a counter may come back above its old value, and only that tells it.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import (
    PermanentAdapterError,
    SpecError,
    TransientAdapterError,
    shorten,
)
from airflow_rollout.metrics.answers import items, read_json
from airflow_rollout.metrics.base import MetricQuery, Window, refuse_template
from airflow_rollout.metrics.query_sets import query_set
from airflow_rollout.metrics.raw_samples import ArmsAsked, RawSeries, read_arms
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import (
    ConnectionField,
    ConnectionForm,
    HttpRequest,
    HttpResponse,
    Send,
    ask_http,
)

__all__ = ["CONNECTION", "PrometheusProvider", "make"]

SYSTEM = "prometheus"

# One type for all that speak its API: Thanos, Mimir, Cortex, VictoriaMetrics, AMP, GMP.
CONNECTION = ConnectionForm(
    conn_type="prometheus",
    label="Prometheus",
    hook="airflow_rollout.hooks.metric_systems.PrometheusHook",
    placeholders=(("host", "http://prometheus:9090, with what comes before /api/v1"),),
    fields=(
        ConnectionField(
            name="token", label="Token", secret=True, description="Sent as a bearer token."
        ),
        ConnectionField(
            name="tenant", label="Tenant",
            description="X-Scope-OrgID of a Mimir, Cortex or Thanos with several tenants.",
        ),
        ConnectionField(
            name="auth", label="Signing",
            description="aws (Amazon Managed Prometheus) or google (Google Cloud Managed Service).",
        ),
        ConnectionField(
            name="cloud_conn_id", label="Cloud connection",
            description="Connection whose credentials sign; the machine's own if empty.",
        ),
        ConnectionField(name="region", label="Region", description="AWS region of the workspace."),
    ),
    headers=(("Authorization", "Bearer {extra.token}"), ("X-Scope-OrgID", "{extra.tenant}")),
    test_path="/api/v1/query?query=1",
)  # fmt: skip

_PATH = "/api/v1/query"

# Prometheus' own names for "not now"; every other error type is about the query.
_TRANSIENT_TYPES = frozenset({"timeout", "canceled", "unavailable", "internal"})

# What the scraped process says about its age; every Prometheus client library exposes it.
_PROCESS_START = "process_start_time_seconds"


def make(source: MetricSource) -> PrometheusProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option, or matchers that would break out of the selector.
    """
    options = read_source_options(
        source,
        {
            "arm_label": "the label that tells the arms apart, if Prometheus renamed it",
            "pod_label": "the label that names the pod of the service which answered",
            "method": "get, or post for those that take nothing else (Google) or long queries",
            "matchers": 'label matchers added to the built-in queries, like job="traefik"',
        },
    )
    matchers = options.text("matchers").strip().strip(",")
    if set(matchers) & set("{}[]"):
        raise SpecError(
            "not label matchers", path="source.matchers", found=matchers, allowed='a="b", c=~"d.*"'
        )
    return PrometheusProvider(
        matchers=matchers,
        arm_label=options.text("arm_label") or None,
        pod_label=options.text("pod_label") or None,
        method=options.choice("method", ("get", "post")).upper(),
        timeout_seconds=options.timeout_seconds,
    )


class PrometheusProvider:
    """Ask a Prometheus, or what speaks its query API, about both arms.

    :param matchers: added to the built-in queries, for a Prometheus that scrapes the same router
        twice or several of them, for example ``job="traefik"``.
    :param arm_label: name of the label that tells the arms apart where Prometheus renamed it
        (`exported_service` when a target has a `service` label of its own).
    :param pod_label: name of the label that names the pod which answered, where the router or
        whoever scrapes the pods sets one: errors cluster by pod.
    :param method: GET, or POST for those that take nothing else.
    :param timeout_seconds: how long one request may take.
    """

    def __init__(
        self,
        *,
        matchers: str = "",
        arm_label: str | None = None,
        pod_label: str | None = None,
        method: str = "GET",
        timeout_seconds: float = 5.0,
    ) -> None:
        self._method = method
        self._matchers = matchers
        self._arm_label = arm_label
        self._pod_label = pod_label
        self._timeout_seconds = timeout_seconds

    keeps_samples = True

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return every sample inside the window, or one `Value` for a query of the user's own.

        :raises PermanentAdapterError: a bad query, an unreadable answer, several series where one
            number was asked for.
        """
        if query.expression is not None:
            return await self._value(query.expression, at.end, send)
        if query.question is Question.VALUE:
            raise PermanentAdapterError(f"metric {query.name!r} has no query", system=SYSTEM)
        # Rounded inwards on both sides: not a millisecond before the window's start.
        end = math.floor(at.end * 1000) / 1000
        milliseconds = math.floor((end - at.start) * 1000)
        if milliseconds < 1:
            return NoData(at=at.end, reason="the window is still empty")
        asked = self._asked(query)
        selector = self._selector(asked)
        found, warnings = await self._series(f"{selector}[{milliseconds}ms]", end, send)
        if not found:
            reason = f"no sample of the router in {milliseconds / 1000:g} s: is it scraped?"
            return NoData(at=at.end, reason=f"{reason}{warnings}")
        _refuse_partial(found, warnings, asked)
        starts = await self._starts(found, milliseconds, end, send)
        return read_arms(found, starts, asked)

    def _asked(self, query: MetricQuery) -> ArmsAsked:
        rows = query_set(query, system=SYSTEM)
        return ArmsAsked(
            rows=rows,
            question=query.question,
            arm_label=self._arm_label or rows.arm_label,
            arms=rows.arms,
            system=SYSTEM,
            pod_label=self._pod_label,
        )

    async def _value(self, expression: str, at: float, send: Send) -> Reading:
        refuse_template(expression, system=SYSTEM)
        data, warnings = await self._query(expression, at, send)
        kind, result = data.get("resultType"), data.get("result")
        if kind == "scalar":
            samples = [result]
        elif kind == "vector" and isinstance(result, list):
            samples = [item.get("value") for item in result if isinstance(item, dict)]
        else:
            raise PermanentAdapterError(
                f"the query gives a {kind}, not one number: {shorten(expression)}", system=SYSTEM
            )
        if len(samples) > 1:
            raise PermanentAdapterError(
                f"the query gives {len(samples)} series, not one number; aggregate them: "
                f"{shorten(expression)}",
                system=SYSTEM,
            )
        if not samples:
            return NoData(at=at, reason=f"the query found no series{warnings}")
        time, number = _sample(samples[0])
        if not math.isfinite(number):
            return NoData(at=time, reason=f"the query gives {number}{warnings}")
        return Value(at=time, canary=number)

    def _selector(self, asked: ArmsAsked) -> str:
        # The empty alternative lets the `alive` family through, which has no arm label.
        values = json.dumps("|".join([*(asked.rows.pattern(arm) for arm in asked.arms), ""]))
        names = json.dumps(f"{asked.family}|{asked.rows.alive}")
        matchers = [f"__name__=~{names}", f"{asked.arm_label}=~{values}"]
        if self._matchers:
            matchers.append(self._matchers)
        return "{" + ",".join(matchers) + "}"

    async def _starts(
        self, found: list[RawSeries], milliseconds: int, at: float, send: Send
    ) -> list[RawSeries]:
        instances = sorted({raw.labels["instance"] for raw in found if "instance" in raw.labels})
        if not instances:
            return []
        values = json.dumps("|".join(re.escape(instance) for instance in instances))
        query = f"{_PROCESS_START}{{instance=~{values}}}[{milliseconds}ms]"
        starts, _ = await self._series(query, at, send)
        return starts

    async def _series(self, query: str, at: float, send: Send) -> tuple[list[RawSeries], str]:
        data, warnings = await self._query(query, at, send)
        if data.get("resultType") != "matrix" or not isinstance(data.get("result"), list):
            raise PermanentAdapterError(
                "the answer to a range selector is no matrix", system=SYSTEM
            )
        return [_raw_series(item) for item in data["result"]], warnings

    async def _query(self, query: str, at: float, send: Send) -> tuple[dict[str, Any], str]:
        """Return the answer's data, and its warnings as words to append to a reason."""
        params = (
            ("query", query),
            ("time", f"{at:.3f}"),
            ("timeout", f"{self._timeout_seconds:g}s"),
        )
        request = HttpRequest(url=_PATH, params=params, timeout_seconds=self._timeout_seconds)
        if self._method == "POST":
            form = (("content-type", "application/x-www-form-urlencoded"),)
            request = replace(
                request, method="POST", params=(), headers=form, body=urlencode(params).encode()
            )
        return _answer(await ask_http(send, request), query)


def _answer(response: HttpResponse, query: str) -> tuple[dict[str, Any], str]:
    """Return data and warnings; errors come as a status, or inside an answer with status 200."""
    what = f"query {shorten(query)}"
    body = read_json(response, system=SYSTEM, what=what, words=_words)
    envelope = body if isinstance(body, dict) else {}
    if envelope.get("status") == "error":
        kind = envelope.get("errorType")
        error = TransientAdapterError if str(kind) in _TRANSIENT_TYPES else PermanentAdapterError
        raise error(f"{what}: {_words(body) or 'refused without a reason'}", system=SYSTEM)
    data = envelope.get("data")
    if not isinstance(data, dict):
        raise PermanentAdapterError(
            f"{_PATH} answers, but not as Prometheus does: is the address right?", system=SYSTEM
        )
    warnings = items(envelope, "warnings")
    return data, f" (warnings: {'; '.join(map(str, warnings))})" if warnings else ""


def _refuse_partial(found: list[RawSeries], warnings: str, asked: ArmsAsked) -> None:
    """Refuse an answer that may lack an arm: only a whole one shows that it had no request.

    :raises TransientAdapterError: an arm has no series, and a warning says that data is missing.
    """
    known = {asked.arm_of(raw) for raw in found if raw.name == asked.family}
    missing = [arm for arm in asked.arms if arm not in known]
    if warnings and missing:
        raise TransientAdapterError(
            f"no series of {' and '.join(missing)} in an answer that is not whole{warnings}",
            system=SYSTEM,
        )


def _words(body: object) -> str:
    if not isinstance(body, dict) or not body.get("errorType"):
        return ""
    return f"{body['errorType']}: {body.get('error')}"[:300]


def _raw_series(item: object) -> RawSeries:
    try:
        labels = dict(item["metric"])  # type: ignore[index]
        name = labels.pop("__name__", "")
        values = item["values"]  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        raise PermanentAdapterError(f"unreadable series {shorten(item)}", system=SYSTEM) from None
    if not all(isinstance(text, str) for text in (name, *labels.values())):
        raise PermanentAdapterError(f"labels that are no text {shorten(item)}", system=SYSTEM)
    if not isinstance(values, list) or not values:
        raise PermanentAdapterError(f"series without samples {shorten(item)}", system=SYSTEM)
    return RawSeries(name=name, labels=labels, samples=tuple(_sample(pair) for pair in values))


def _sample(pair: object) -> tuple[float, float]:
    """Return time and value; values are strings, since JSON has no NaN and no infinity."""
    try:
        return float(pair[0]), float(pair[1])  # type: ignore[index]
    except (TypeError, ValueError, IndexError, KeyError):
        raise PermanentAdapterError(f"unreadable sample {shorten(pair)}", system=SYSTEM) from None
