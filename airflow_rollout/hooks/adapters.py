"""The three adapters a spec names, made and checked without asking anybody.

Cheap and without I/O, so that a DAG file and `lint` can find a wrong option or a question that its
metric system cannot answer before a release finds it.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_rollout.errors import SpecError
from airflow_rollout.metrics.base import MetricProvider
from airflow_rollout.metrics.registry import check_metric, make_provider
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.traffic.base import Router
from airflow_rollout.traffic.registry import make_router
from airflow_rollout.workloads.base import Workload
from airflow_rollout.workloads.registry import WORKLOADS, make_workload

__all__ = ["Adapters", "make_adapters"]


# Those that live on a Kubernetes cluster.
_CLUSTER_ROUTERS = frozenset({"gateway_api"})
_CLUSTER_WORKLOADS = frozenset({"deployment"})


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
        _check_pair(spec)
        adapters = Adapters(
            router=make_router(spec.traffic, namespace=spec.namespace),
            workload=make_workload(
                spec.workload, namespace=spec.namespace, service=spec.traffic.service
            ),
            provider=make_provider(spec.source),
        )
        for metric in spec.judge.metrics:
            check_metric(metric, provider=spec.source.provider, router=spec.traffic.router)
    except SpecError as error:
        error.file = error.file or spec.file
        raise
    return adapters


def _check_pair(spec: RolloutSpec) -> None:
    """Refuse a workload that its router cannot lead to.

    Objects of a cluster and addresses of machines do not meet: the workload is asked for over the
    router's connection, and the router takes its arms from where the workload puts them.
    """
    found = {spec.traffic.router in _CLUSTER_ROUTERS, spec.workload.kind in _CLUSTER_WORKLOADS}
    if found == {True, False}:
        allowed = _CLUSTER_WORKLOADS if spec.traffic.router in _CLUSTER_ROUTERS else None
        raise SpecError(
            f"does not go with router {spec.traffic.router}",
            path="workload.kind",
            found=spec.workload.kind,
            allowed=", ".join(sorted(allowed or set(WORKLOADS) - _CLUSTER_WORKLOADS)),
        )
