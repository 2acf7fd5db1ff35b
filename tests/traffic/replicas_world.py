"""A Service with the pods of two versions in an API in memory, and the moves of a release on it."""

from __future__ import annotations

from typing import Any

from gateway_world import CANARY, LEASE, TOKEN, aborted, opened, raised, run
from kube_api import KubeApi

from airflow_rollout.release import TrafficSplit, decide_promotion
from airflow_rollout.traffic.replicas import ReplicasRouter

__all__ = [
    "BOTH", "CANARY", "LEASE", "RECORD", "SERVICE", "STABLE", "TOKEN", "TO_CANARY", "aborted",
    "forget_record", "lead_to", "make_api", "opened", "pod", "promoted", "raised", "run",
    "select", "selector",
]  # fmt: skip

SERVICE = "/api/v1/namespaces/prod/services/shop"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices"
PODS = "/api/v1/namespaces/prod/pods"
RECORD = "shop.airflow-rollout/record"

STABLE = {"app": "shop", "track": "stable"}
TO_CANARY = {"app": "shop", "track": "stable-canary"}
BOTH = {"app": "shop"}


def make_api() -> KubeApi:
    """Return an API with a Service, two pods of stable and one of the canary."""
    api = KubeApi()
    api.put(SERVICE, {"spec": {"selector": dict(STABLE), "ports": [{"port": 80}]}})
    for name in ("shop-1", "shop-2"):
        pod(api, name, **STABLE)
    pod(api, "shop-canary-1", **TO_CANARY)
    lead_to(api, "shop-1", "shop-2")
    return api


def pod(api: KubeApi, name: str, **labels: str) -> None:
    api.put(f"{PODS}/{name}", {"metadata": {"labels": labels}, "spec": {}})


def lead_to(api: KubeApi, *names: str, starting: tuple[str, ...] = ()) -> None:
    """Let the Service's endpoints be these pods, as the cluster's controller would."""
    endpoints: list[dict[str, Any]] = [{"targetRef": {"kind": "Pod", "name": it}} for it in names]
    endpoints += [
        {"targetRef": {"kind": "Pod", "name": it}, "conditions": {"ready": False}}
        for it in starting
    ]
    labels = {"kubernetes.io/service-name": "shop"}
    api.put(f"{SLICES}/shop-x", {"metadata": {"labels": labels}, "endpoints": endpoints})


def selector(api: KubeApi) -> dict[str, str]:
    return dict(api.objects[SERVICE]["spec"]["selector"])


def select(api: KubeApi, **labels: str) -> None:
    """Set the Service's selector by hand."""
    api.change(SERVICE, selector=labels)


def forget_record(api: KubeApi) -> None:
    del api.objects[SERVICE]["metadata"]["annotations"][RECORD]


def promoted(api: KubeApi, router: ReplicasRouter) -> TrafficSplit:
    found = run(router.read(api.send))
    decision = decide_promotion(found, token=TOKEN, canary=CANARY)
    assert decision.split is not None, decision.reason
    return run(router.write(decision.split, found, api.send))
