"""Workload kinds by name: what `workload.kind` may say. No fallback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.model import WorkloadRef
from airflow_rollout.spec.options import option_seconds, read_options
from airflow_rollout.workloads.base import Place, TargetForm, Workload
from airflow_rollout.workloads.deployment import TARGET as DEPLOYMENT_TARGET
from airflow_rollout.workloads.deployment import DeploymentWorkload
from airflow_rollout.workloads.endpoints import TARGET as ENDPOINTS_TARGET
from airflow_rollout.workloads.endpoints import EndpointsWorkload
from airflow_rollout.workloads.pod_faults import SCHEDULE_SECONDS
from airflow_rollout.workloads.sizes import Size

__all__ = ["TARGETS", "WORKLOADS", "WorkloadKind", "make_workload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadKind:
    """How a workload is made from a spec's words and its place.

    :param on_cluster: whether it is an object of a Kubernetes cluster, not something at an address.
    """

    make: Callable[[WorkloadRef, Place], Workload]
    on_cluster: bool = False


# What a spec may say; that of a router without weights of its own is not chosen.
_SIZES = (Size.FULL.value, Size.BY_WEIGHT.value)


def _deployment(ref: WorkloadRef, place: Place) -> Workload:
    options = read_options(
        ref.options,
        allowed={
            "container": "the container that gets the new image, the only one if not given",
            "size": f"of the canary: {' or '.join(_SIZES)}, {_SIZES[0]} if not given",
            "schedule_timeout": "how long a pod of the canary may wait for a node, "
            f"{SCHEDULE_SECONDS:g}s if not given; longer where nodes are added on demand",
        },
        path="workload",
    )
    size = options.get("size")
    if size is not None and place.arm_label:
        raise SpecError(
            "pods are what weights are made of here", path="workload.size", found=size,
            allowed="no size with this router",
        )  # fmt: skip
    if size not in (None, *_SIZES):
        raise SpecError("not a size", path="workload.size", found=size, allowed=", ".join(_SIZES))
    return DeploymentWorkload(
        name=ref.name,
        place=place,
        container=options.get("container"),
        size=Size(size or Size.FULL),
        schedule_seconds=option_seconds(
            options.get("schedule_timeout", f"{SCHEDULE_SECONDS:g}"),
            path="workload.schedule_timeout", minimum=1, maximum=3600,
        ),
    )  # fmt: skip


def _endpoints(ref: WorkloadRef, place: Place) -> Workload:  # noqa: ARG001 - it stands nowhere
    options = read_options(
        ref.options,
        allowed={
            "health_path": "what a probe asks for, / if not given",
            "timeout": "how long a probe waits, 1s if not given",
        },
        path="workload",
    )
    path = options.get("health_path", "/")
    if not path.startswith("/"):
        raise SpecError(
            "not a path", path="workload.health_path", found=path, allowed="a path like /healthz"
        )
    seconds = option_seconds(
        options.get("timeout", "1"), path="workload.timeout", minimum=0.05, maximum=60
    )
    return EndpointsWorkload(health_path=path, timeout_seconds=seconds)


WORKLOADS: dict[str, WorkloadKind] = {
    "deployment": WorkloadKind(make=_deployment, on_cluster=True),
    "endpoints": WorkloadKind(make=_endpoints),
}

TARGETS: dict[str, TargetForm] = {
    "deployment": DEPLOYMENT_TARGET,
    "endpoints": ENDPOINTS_TARGET,
}


def make_workload(
    ref: WorkloadRef, *, namespace: str, service: str, arm_label: str = ""
) -> Workload:
    """Return the workload a spec names.

    :param service: the service's name at the router.
    :param arm_label: what tells the pods of both arms apart behind one Service; empty: each arm has
        a Service of its own.
    :raises SpecError: an unknown kind or option.
    """
    kind = WORKLOADS.get(ref.kind)
    if kind is None:
        raise SpecError(
            "unknown workload", path="workload.kind", found=ref.kind, allowed=", ".join(WORKLOADS)
        )
    return kind.make(ref, Place(namespace=namespace, service=service, arm_label=arm_label))
