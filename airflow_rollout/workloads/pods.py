"""The pods of a Deployment, and the last words of one that crashed."""

from __future__ import annotations

from airflow_rollout.cluster import Cluster, RawObject, object_path
from airflow_rollout.errors import AdapterError
from airflow_rollout.workloads.canary_objects import match_labels
from airflow_rollout.workloads.pod_faults import Fault

__all__ = ["explained", "pods_of"]

_LOG_LINES = "3"


async def pods_of(
    found: RawObject, image: str, cluster: Cluster, *, namespace: str
) -> list[RawObject]:
    """Return a Deployment's living pods of this image."""
    path = object_path("v1", "pods", namespace=namespace)
    listed = await cluster.get(path, (("labelSelector", match_labels(found)),))
    return [
        pod
        for pod in (listed or {}).get("items") or []
        if "deletionTimestamp" not in pod["metadata"]
        and any(one["image"] == image for one in pod["spec"]["containers"])
    ]


async def explained(fault: Fault, cluster: Cluster, *, namespace: str) -> str:
    """Return a fault with the last lines of the container that crashed, if they can be read."""
    if fault.crashed is None:
        return fault.text
    pod, container = fault.crashed
    path = object_path("v1", "pods", pod, namespace=namespace)
    asked = (("container", container), ("previous", "true"), ("tailLines", _LOG_LINES))
    try:
        text = await cluster.text(f"{path}/log", asked)
    except AdapterError:
        return fault.text
    lines = " / ".join(line.strip() for line in text.splitlines() if line.strip())
    return f"{fault.text}: {lines}" if lines else fault.text
