"""Metric source `kubernetes_metrics`: the external metrics API of a cluster.

A query is `metric`, `namespace/metric` or either with `?labelSelector=...`. The connection is the
API server's address with a token; a metrics adapter of the cluster gives the numbers.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, quote

from airflow_rollout.analysis.readings import NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, shorten
from airflow_rollout.metrics.answers import items, read_json, understanding
from airflow_rollout.metrics.base import MetricQuery, Window, written_query
from airflow_rollout.metrics.source_options import read_source_options
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import ConnectionForm, HttpRequest, Send, ask_http

__all__ = ["CONNECTION", "KubernetesMetricsProvider", "make"]

SYSTEM = "kubernetes_metrics"

CONNECTION = ConnectionForm(conn_type="http", label="HTTP")

_ROOT = "/apis/external.metrics.k8s.io/v1beta1/namespaces"

# How Kubernetes shortens quantities.
_SUFFIXES = {
    **{name: Decimal(1000) ** power for power, name in enumerate("kMGTPE", 1)},
    **{f"{name}i": Decimal(1024) ** power for power, name in enumerate("KMGTPE", 1)},
    "m": Decimal("0.001"), "u": Decimal("0.000001"), "n": Decimal("0.000000001"),
}  # fmt: skip


def make(source: MetricSource) -> KubernetesMetricsProvider:
    """Return the provider for a spec's source.

    :raises SpecError: an unknown option.
    """
    options = read_source_options(source, {})
    return KubernetesMetricsProvider(timeout_seconds=options.timeout_seconds)


class KubernetesMetricsProvider:
    """Ask a cluster for one external metric."""

    def __init__(self, *, timeout_seconds: float = 5.0) -> None:
        self._timeout_seconds = timeout_seconds

    async def read(self, query: MetricQuery, at: Window, send: Send) -> Reading:
        """Return the metric's number, dated by the cluster.

        :raises PermanentAdapterError: no such metric, no rights, or several items.
        """
        text = written_query(query, system=SYSTEM).strip()
        place, _, selector = text.partition("?")
        namespace, _, name = place.rpartition("/")
        request = HttpRequest(
            url=f"{_ROOT}/{quote(namespace or query.namespace, safe='')}/{quote(name, safe='')}",
            params=tuple(parse_qsl(selector)),
            timeout_seconds=self._timeout_seconds,
        )
        what = f"metric {shorten(text)}"
        data = read_json(await ask_http(send, request), system=SYSTEM, what=what, words=_words)
        with understanding(what, system=SYSTEM):
            if data.get("kind") == "Status":
                raise PermanentAdapterError(f"{what}: {_words(data)}", system=SYSTEM)
            found = items(data, "items")
            if len(found) > 1:
                raise PermanentAdapterError(
                    f"{what} gives {len(found)} items, not one; narrow its labelSelector",
                    system=SYSTEM,
                )
            if not found:
                return NoData(at=at.end, reason="the cluster has no such metric now")
            number = _quantity(found[0]["value"], what)
            if number is None:
                return NoData(at=at.end, reason="the metric has no value")
            time = found[0].get("timestamp")
            dated = datetime.fromisoformat(time).timestamp() if time else at.end
            return Value(at=min(dated, at.end), canary=number)


def _quantity(value: object, what: str) -> float | None:
    """Return a quantity as Kubernetes writes it: `250m`, `1500`, `2Ki`, `1e3`."""
    if value is None:
        return None
    text = str(value)
    suffix = next((name for name in sorted(_SUFFIXES, reverse=True) if text.endswith(name)), "")
    try:
        number = Decimal(text.removesuffix(suffix)) * _SUFFIXES.get(suffix, 1)
    except InvalidOperation:
        raise PermanentAdapterError(f"{what} is no quantity: {text[:40]}", system=SYSTEM) from None
    return float(number) if number.is_finite() else None


def _words(data: Any) -> str:
    return f"{data.get('reason') or ''}: {data['message']}" if data.get("message") else ""
