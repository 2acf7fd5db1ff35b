"""Workload kinds by name: what `workload.kind` may say. No fallback."""

from __future__ import annotations

from collections.abc import Callable

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.model import WorkloadRef
from airflow_rollout.spec.options import option_number, read_options
from airflow_rollout.workloads.base import TargetForm, Workload
from airflow_rollout.workloads.endpoints import TARGET as ENDPOINTS_TARGET
from airflow_rollout.workloads.endpoints import EndpointsWorkload

__all__ = ["TARGETS", "WORKLOADS", "make_workload"]

WorkloadFactory = Callable[[WorkloadRef], Workload]


def _endpoints(ref: WorkloadRef) -> Workload:
    options = read_options(
        ref.options,
        allowed={
            "health_path": "what a probe asks for, / if not given",
            "timeout": "seconds a probe waits, 1 if not given",
        },
        path="workload",
    )
    path = options.get("health_path", "/")
    if not path.startswith("/"):
        raise SpecError(
            "not a path", path="workload.health_path", found=path, allowed="a path like /healthz"
        )
    seconds = option_number(
        options.get("timeout", "1"), path="workload.timeout", minimum=0.05, maximum=60, unit="s"
    )
    return EndpointsWorkload(health_path=path, timeout_seconds=seconds)


WORKLOADS: dict[str, WorkloadFactory] = {
    "endpoints": _endpoints,
}

TARGETS: dict[str, TargetForm] = {
    "endpoints": ENDPOINTS_TARGET,
}


def make_workload(ref: WorkloadRef) -> Workload:
    """Return the workload a spec names.

    :raises SpecError: an unknown kind or option.
    """
    factory = WORKLOADS.get(ref.kind)
    if factory is None:
        raise SpecError(
            "unknown workload", path="workload.kind", found=ref.kind, allowed=", ".join(WORKLOADS)
        )
    return factory(ref)
