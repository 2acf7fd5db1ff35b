"""What somebody does to a shop in the middle of a release."""

from __future__ import annotations

import time

from kube_lab import Shop
from route_watch import CANARY, RECORD
from soaking import patiently

__all__ = [
    "autoscaled",
    "canary_deleted",
    "canary_scaled",
    "namespace_deleted",
    "record_removed",
    "rights_away",
    "route_deleted",
    "rule_removed",
    "service_deleted",
    "stable_rolled",
    "stable_scaled",
    "weight_changed",
]

_CANARY_REF = "/spec/rules/0/backendRefs/1"


def weight_changed(shop: Shop, *, before: int = 20, after: int = 30) -> None:
    """Set the canary's weight, only while it is there and has traffic: later it is theirs."""
    change = [
        {"op": "test", "path": f"{_CANARY_REF}/name", "value": CANARY},
        {"op": "test", "path": f"{_CANARY_REF}/weight", "value": before},
        {"op": "replace", "path": f"{_CANARY_REF}/weight", "value": after},
    ]
    shop.patch("HTTPRoute", "checkout", change)


def rule_removed(shop: Shop) -> None:
    rule = {"backendRefs": [{"name": "elsewhere", "port": 80}]}
    shop.patch("HTTPRoute", "checkout", {"spec": {"rules": [rule]}})


def record_removed(shop: Shop) -> None:
    shop.patch("HTTPRoute", "checkout", {"metadata": {"annotations": {RECORD: None}}})


def route_deleted(shop: Shop) -> None:
    shop.admin.delete("HTTPRoute", "checkout", shop.name)


def service_deleted(shop: Shop) -> None:
    shop.admin.delete("Service", "checkout", shop.name)


def namespace_deleted(shop: Shop) -> None:
    shop.admin.delete("Namespace", shop.name)


def canary_deleted(shop: Shop) -> None:
    shop.admin.delete("Deployment", CANARY, shop.name)


def canary_scaled(shop: Shop) -> None:
    shop.patch("Deployment", CANARY, {"spec": {"replicas": 0}})


def stable_scaled(shop: Shop) -> None:
    shop.patch("Deployment", "checkout", {"spec": {"replicas": 3}})


def stable_rolled(shop: Shop) -> None:
    note = {"metadata": {"annotations": {"restarted": f"{time.time():.3f}"}}}
    shop.patch("Deployment", "checkout", {"spec": {"template": note}})


def autoscaled(shop: Shop) -> None:
    """Let an autoscaler have stable, which wants three pods at least."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "checkout"},
        "spec": {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 4},
    }
    shop.admin.apply(body, shop.name)


def rights_away(shop: Shop, seconds: float) -> None:
    """Take whoever releases its rights in the namespace, and give them back, sooner or later."""
    shop.admin.delete("RoleBinding", "airflow-rollout", shop.name)
    time.sleep(seconds)
    # The API server may be away just then.
    patiently(lambda: shop.lab.give_role(shop.name))
