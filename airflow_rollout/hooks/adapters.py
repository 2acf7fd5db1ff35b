"""The three adapters a spec names, made and checked without asking anybody.

Cheap and without I/O, so that a DAG file and `lint` can find a wrong option or a question that its
metric system cannot answer before a release finds it.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_rollout.analysis.parameters import Metric, Question
from airflow_rollout.errors import SpecError
from airflow_rollout.metrics.base import MetricProvider
from airflow_rollout.metrics.registry import PROVIDERS, Asks, check_metric, make_provider
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.traffic.base import OneService, Router
from airflow_rollout.traffic.registry import ROUTERS, make_router
from airflow_rollout.workloads.base import Workload
from airflow_rollout.workloads.registry import WORKLOADS, make_workload

__all__ = ["Adapters", "make_adapters", "make_workload_behind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """What a spec names: router, workload and metric system."""

    router: Router
    workload: Workload
    provider: MetricProvider


def make_adapters(spec: RolloutSpec) -> Adapters:
    """Make a spec's adapters.

    :raises SpecError: an unknown adapter or option, two that do not fit, a name its router cannot
        take, or a metric its provider cannot answer; the spec's file is named.
    """
    try:
        router = make_router(spec.traffic, namespace=spec.namespace)
        adapters = Adapters(
            router=router,
            workload=make_workload_behind(router, spec),
            provider=make_provider(spec.source),
        )
        _check_pair(spec)
        for metric in spec.judge.metrics:
            check_metric(metric, provider=spec.source.provider, router=spec.traffic.router)
            _check_errors_are_seen(metric, spec)
    except SpecError as error:
        error.file = error.file or spec.file
        raise
    return adapters


def make_workload_behind(router: Router, spec: RolloutSpec) -> Workload:
    """Make a spec's workload so that its router can lead to it.

    :raises SpecError: an unknown kind or option.
    """
    return make_workload(
        spec.workload,
        namespace=spec.namespace,
        service=spec.traffic.service,
        arm_label=router.arm_label if isinstance(router, OneService) else "",
    )


def _check_pair(spec: RolloutSpec) -> None:
    """Refuse a workload that its router cannot lead to.

    Objects of a cluster and addresses of machines do not meet: the workload is asked for over the
    router's connection, and the router takes its arms from where the workload puts them.
    """
    on_cluster = ROUTERS[spec.traffic.router].on_cluster
    fitting = [name for name, kind in WORKLOADS.items() if kind.on_cluster is on_cluster]
    if spec.workload.kind not in fitting:
        raise SpecError(
            f"does not go with router {spec.traffic.router}",
            path="workload.kind",
            found=spec.workload.kind,
            allowed=", ".join(fitting),
        )


def _check_errors_are_seen(metric: Metric, spec: RolloutSpec) -> None:
    """Refuse to count errors of gRPC by HTTP status: it is 200 for most of them."""
    by_router = PROVIDERS[spec.source.provider].asks is Asks.ROUTER
    is_grpc = dict(spec.traffic.options).get("kind") == "GRPCRoute"
    if metric.question is Question.ERRORS and by_router and is_grpc:
        raise SpecError(
            "a GRPCRoute's gateway does not count errors of gRPC",
            path=f"metrics[{metric.name}]",
            allowed="a query of the service's own metrics",
        )
