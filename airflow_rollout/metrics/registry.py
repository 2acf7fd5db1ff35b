"""Metric systems by name: what `source.provider` may say. No fallback.

An adapter is the file of its name; it is imported when a spec names it, so that a rollout's file
pays for one of them only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Protocol, cast

from airflow_rollout.analysis.parameters import Metric, Question
from airflow_rollout.errors import SpecError
from airflow_rollout.metrics.base import MetricProvider
from airflow_rollout.metrics.query_sets import QUERY_SETS
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.wire import ConnectionForm

__all__ = [
    "PROVIDERS",
    "Asks",
    "MetricSystem",
    "check_metric",
    "connection_form",
    "make_provider",
]


class Asks(StrEnum):
    """How a system comes to the built-in questions (share of 5xx, latency)."""

    NOT = "not"
    ROUTER = "router"  # it holds the router's own metrics: the router needs a query set
    ITSELF = "itself"  # it has names of its own for requests, whatever the router is


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSystem:
    """What a metric system can be asked.

    :param queries: whether it answers queries in its own language.
    """

    queries: bool = True
    asks: Asks = Asks.NOT


PROVIDERS: dict[str, MetricSystem] = {
    "cloudwatch": MetricSystem(asks=Asks.ITSELF),
    "datadog": MetricSystem(asks=Asks.ITSELF),
    "dynatrace": MetricSystem(),
    "google_monitoring": MetricSystem(),
    "graphite": MetricSystem(),
    "influxdb": MetricSystem(),
    "job": MetricSystem(),
    "kayenta": MetricSystem(),
    "keptn": MetricSystem(),
    "kubernetes_metrics": MetricSystem(),
    "newrelic": MetricSystem(asks=Asks.ITSELF),
    "prometheus": MetricSystem(asks=Asks.ROUTER),
    "scrape": MetricSystem(queries=False, asks=Asks.ROUTER),
    "skywalking": MetricSystem(),
    "splunk": MetricSystem(),
    "wavefront": MetricSystem(),
    "web": MetricSystem(),
}


class _Adapter(Protocol):
    """What the file of an adapter exports."""

    CONNECTION: ConnectionForm

    def make(self, source: MetricSource) -> MetricProvider:
        """Return the provider for a spec's source, its options checked."""
        ...


def check_metric(metric: Metric, *, provider: str, router: str) -> None:
    """Refuse a metric that its provider can never answer.

    :raises SpecError: naming the metric and what would work.
    """
    path = f"metrics[{metric.name}]"
    system = PROVIDERS[provider]
    if metric.query is not None:
        if not system.queries:
            raise SpecError(
                f"{provider} answers no queries",
                path=f"{path}.query",
                found=metric.query,
                allowed=f"provider {_names(queries=True)}, or a built-in metric",
            )
        return
    if metric.question is Question.VALUE:
        raise SpecError("needs a query", path=path, allowed="a built-in metric, or a query")
    if system.asks is Asks.NOT:
        raise SpecError(
            f"{provider} knows no built-in metrics",
            path=path,
            allowed=f"a query, or provider {_names(queries=False)}",
        )
    if system.asks is Asks.ROUTER and router not in QUERY_SETS:
        raise SpecError(
            f"{router} counts no requests, so there are no built-in queries for it",
            path=path,
            allowed=f"a query, or router {', '.join(QUERY_SETS)}",
        )


def _names(*, queries: bool) -> str:
    found = [
        name
        for name, system in PROVIDERS.items()
        if (system.queries if queries else system.asks is not Asks.NOT)
    ]
    return " or ".join(found)


def make_provider(source: MetricSource) -> MetricProvider:
    """Return the metric system a spec names.

    :raises SpecError: an unknown provider or option.
    """
    return _adapter(source.provider).make(source)


def connection_form(provider: str) -> ConnectionForm:
    """Return what connects a metric system.

    :raises SpecError: an unknown provider.
    """
    return _adapter(provider).CONNECTION


def _adapter(name: str) -> _Adapter:
    if name not in PROVIDERS:
        raise SpecError(
            "unknown provider", path="source.provider", found=name, allowed=", ".join(PROVIDERS)
        )
    return cast("_Adapter", import_module(f"airflow_rollout.metrics.{name}"))
