"""Metric systems by name: what `source.provider` may say. No fallback."""

from __future__ import annotations

from collections.abc import Callable

from airflow_rollout.analysis.parameters import Metric, Question
from airflow_rollout.errors import SpecError
from airflow_rollout.metrics.base import MetricProvider
from airflow_rollout.metrics.prometheus import PrometheusProvider
from airflow_rollout.metrics.query_sets import QUERY_SETS
from airflow_rollout.metrics.scrape import ScrapeProvider
from airflow_rollout.spec.model import MetricSource
from airflow_rollout.spec.options import option_number, read_options

__all__ = ["PROVIDERS", "QUERYABLE", "check_metric", "make_provider"]

ProviderFactory = Callable[[MetricSource], MetricProvider]


def _prometheus(source: MetricSource) -> MetricProvider:
    options = read_options(
        source.options,
        allowed={
            "arm_label": "the label that tells the arms apart, if Prometheus renamed it",
            "matchers": 'label matchers added to the built-in queries, like job="traefik"',
            "timeout": "seconds a read may take, 5 if not given",
        },
        path="source",
    )
    matchers = options.get("matchers", "").strip().strip(",")
    if set(matchers) & set("{}[]"):
        raise SpecError(
            "not label matchers", path="source.matchers", found=matchers, allowed='a="b", c=~"d.*"'
        )
    return PrometheusProvider(
        matchers=matchers,
        arm_label=options.get("arm_label"),
        timeout_seconds=_timeout(options),
    )


def _scrape(source: MetricSource) -> MetricProvider:
    options = read_options(
        source.options,
        allowed={
            "path": "where the page is, /metrics if not given",
            "timeout": "seconds a read may take, 5 if not given",
        },
        path="source",
    )
    return ScrapeProvider(path=options.get("path", "/metrics"), timeout_seconds=_timeout(options))


def _timeout(options: dict[str, str]) -> float:
    return option_number(
        options.get("timeout", "5"), path="source.timeout", minimum=0.1, maximum=120, unit="s"
    )


PROVIDERS: dict[str, ProviderFactory] = {
    "prometheus": _prometheus,
    "scrape": _scrape,
}

# Those that answer queries in their own language; the others know their built-in questions only.
QUERYABLE = frozenset({"prometheus"})


def check_metric(metric: Metric, *, provider: str, router: str) -> None:
    """Refuse a metric that its provider can never answer.

    :raises SpecError: naming the metric and what would work.
    """
    path = f"metrics[{metric.name}]"
    if metric.query is not None:
        if provider not in QUERYABLE:
            raise SpecError(
                f"{provider} answers no queries",
                path=f"{path}.query",
                found=metric.query,
                allowed=f"provider {' or '.join(sorted(QUERYABLE))}, or a built-in metric",
            )
        return
    if metric.question is Question.VALUE:
        raise SpecError("needs a query", path=path, allowed="a built-in metric, or a query")
    if router not in QUERY_SETS:
        raise SpecError(
            f"{router} has no built-in queries",
            path=path,
            allowed=f"a query, or router {', '.join(QUERY_SETS)}",
        )


def make_provider(source: MetricSource) -> MetricProvider:
    """Return the metric system a spec names.

    :raises SpecError: an unknown provider or option.
    """
    factory = PROVIDERS.get(source.provider)
    if factory is None:
        raise SpecError(
            "unknown provider",
            path="source.provider",
            found=source.provider,
            allowed=", ".join(PROVIDERS),
        )
    return factory(source)
