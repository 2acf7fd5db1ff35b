"""A Deployment in an API in memory, its pods, and a workload that releases it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from kube_api import KubeApi, RawObject

from airflow_rollout.analysis.readings import Probe
from airflow_rollout.release import Arm
from airflow_rollout.workloads.base import Place, Workload
from airflow_rollout.workloads.deployment import DeploymentWorkload

T = TypeVar("T")

STABLE = "/apis/apps/v1/namespaces/prod/deployments/shop"
CANARY = f"{STABLE}-canary"
SERVICE = "/api/v1/namespaces/prod/services/shop"
PODS = "/api/v1/namespaces/prod/pods"
V2 = Arm(version="v2", target="shop:2")
OLD = Arm(version="v1", target="shop:1")
NOW = 1_000_000.0
MANY = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3}


def condition(kind: str, status: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, **fields}


CRASHED = {"terminated": {"reason": "Error", "exitCode": 3}}


def make_api() -> KubeApi:
    """Return an API with a Deployment of three pods and its Service."""
    api = KubeApi()
    container = {
        "name": "app",
        "image": "shop:1",
        "env": [{"name": "A", "value": "1"}],
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
    }
    api.put(
        STABLE,
        {
            "metadata": {"labels": {"app.kubernetes.io/instance": "argo"}},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "shop"}},
                "template": {
                    "metadata": {"labels": {"app": "shop", "team": "web"}},
                    "spec": {"containers": [container]},
                },
            },
            "status": {**MANY, "observedGeneration": 1},
        },
    )
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30000}]
    service = {"selector": {"app": "shop"}, "ports": ports, "clusterIP": "10.0.0.1"}
    api.put(SERVICE, {"spec": service})
    return api


def make_shop() -> DeploymentWorkload:
    return DeploymentWorkload(name="shop", place=Place(namespace="prod", service="shop"))


def run(work: Awaitable[T]) -> T:
    async def done() -> T:
        return await work

    return asyncio.run(done())


def deployed(api: KubeApi, workload: Workload, arm: Arm = V2) -> RawObject:
    run(workload.deploy(arm, api.send))
    return api.objects[CANARY]


def pod(api: KubeApi, name: str, image: str, **status: Any) -> None:
    app = "shop" if image == "shop:1" else "shop-canary"
    spec = {"containers": [{"name": "app", "image": image}]}
    api.put(
        f"{PODS}/{name}", {"metadata": {"labels": {"app": app}}, "spec": spec, "status": status}
    )


def container(**fields: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "app", "restartCount": 0, **fields}]}


def probed(api: KubeApi, workload: Workload, arm: Arm = V2, at: float = NOW) -> Probe:
    return run(workload.probe(arm, at, api.send))
