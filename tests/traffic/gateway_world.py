"""A route in an API in memory, and the moves of a release on it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable
from typing import Any, TypeVar

from kube_api import KubeApi

from airflow_rollout.release import (
    Arm,
    Token,
    TrafficSplit,
    decide_abort,
    decide_open,
    decide_raise,
)
from airflow_rollout.traffic.base import Router
from airflow_rollout.traffic.gateway_api import GatewayApiRouter

T = TypeVar("T")

API = "/apis/gateway.networking.k8s.io/v1"
ROUTE = f"{API}/namespaces/prod/httproutes/shop"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/prod/leases/shop-rollout"
GATEWAY = f"{API}/namespaces/prod/gateways/web"
CLASS = f"{API}/gatewayclasses/some"

CANARY = Arm(version="v2", target="shop:2")
TOKEN = Token(epoch="e1", owner="dag/run", digest="d")
FILTER = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": []}}


def status(generation: int = 1, **false: str) -> dict[str, Any]:
    conditions = [
        {"type": kind, "status": "False" if kind in false else "True",
         "observedGeneration": generation, "reason": false.get(kind, "Fine"), "message": "so"}
        for kind in ("Accepted", "ResolvedRefs")
    ]  # fmt: skip
    return {"parents": [{"parentRef": {"name": "web"}, "conditions": conditions}]}


def make_api() -> KubeApi:
    """Return an API with a sound route, its Gateway and its class."""
    api = KubeApi()
    rules = [
        {"matches": [{"path": {"value": "/admin"}}], "backendRefs": [{"name": "admin"}]},
        {
            "matches": [{"path": {"value": "/"}}],
            "filters": [FILTER],
            "timeouts": {"request": "3s"},
            "backendRefs": [{"name": "shop", "port": 80, "weight": 1, "filters": [FILTER]}],
        },
    ]
    route = {"kind": "HTTPRoute", "spec": {"hostnames": ["shop"], "rules": rules}}
    api.put(ROUTE, {**route, "status": status()})
    api.put(GATEWAY, {"spec": {"gatewayClassName": "some"}, "status": {}})
    features = [{"name": "HTTPRoute"}, {"name": "Gateway"}]
    api.put(CLASS, {"spec": {}, "status": {"supportedFeatures": features}})
    return api


def make_router() -> GatewayApiRouter:
    return GatewayApiRouter(service="shop", namespace="prod", route="shop")


def run(work: Awaitable[T]) -> T:
    async def done() -> T:
        return await work

    return asyncio.run(done())


def opened(api: KubeApi, router: Router, token: Token = TOKEN) -> TrafficSplit:
    found = run(router.read(api.send))
    split = decide_open(found, service="shop", token=token, canary=CANARY).split
    assert split is not None
    return run(router.write(split, found, api.send))


def raised(api: KubeApi, router: Router, weight: int, previous: int) -> TrafficSplit:
    found = run(router.read(api.send))
    decision = decide_raise(
        found, token=TOKEN, canary=CANARY, weight=weight, previous_weight=previous, step="s"
    )
    assert decision.split is not None, decision.reason
    return run(router.write(decision.split, found, api.send))


def aborted(api: KubeApi, router: Router) -> TrafficSplit:
    found = run(router.read(api.send))
    decision = decide_abort(found, epoch="e1", owner="dag/run", reason="bad")
    assert decision.split is not None, decision.reason
    if decision.split == found:
        return decision.split
    return run(router.write(decision.split, found, api.send))


def refs(api: KubeApi) -> dict[str, int]:
    rules = api.objects[ROUTE]["spec"]["rules"]
    return {ref["name"]: ref.get("weight", 1) for ref in rules[1].get("backendRefs") or []}


def set_refs(api: KubeApi, found: list[dict[str, Any]]) -> None:
    rules = copy.deepcopy(api.objects[ROUTE]["spec"]["rules"])
    rules[1]["backendRefs"] = found
    api.change(ROUTE, rules=rules)
