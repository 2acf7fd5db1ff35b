"""Routers by name: what `traffic.router` may say. No fallback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.model import TrafficRef
from airflow_rollout.spec.options import read_options
from airflow_rollout.traffic.base import Router
from airflow_rollout.traffic.gateway_api import GatewayApiRouter
from airflow_rollout.traffic.gateway_route import PLURALS
from airflow_rollout.traffic.replicas import DEFAULT_LABEL, ReplicasRouter
from airflow_rollout.traffic.traefik_file import TraefikFileRouter

__all__ = ["ROUTERS", "RouterKind", "make_router"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterKind:
    """How a router is made from a spec's words and its namespace.

    :param on_cluster: whether it leads to objects of a Kubernetes cluster, not to addresses.
    """

    make: Callable[[TrafficRef, str], Router]
    on_cluster: bool = False


def _gateway_api(ref: TrafficRef, namespace: str) -> Router:
    options = read_options(
        ref.options,
        allowed={
            "kind": "HTTPRoute or GRPCRoute, HTTPRoute if not given",
            "route": "name of the route, the service's if not given",
        },
        path="traffic",
    )
    kind = options.get("kind", "HTTPRoute")
    if kind not in PLURALS:
        raise SpecError(
            "not a kind of route", path="traffic.kind", found=kind, allowed=", ".join(PLURALS)
        )
    return GatewayApiRouter(
        service=ref.service,
        namespace=namespace,
        route=options.get("route", ref.service),
        kind=kind,
    )


def _replicas(ref: TrafficRef, namespace: str) -> Router:
    options = read_options(
        ref.options,
        allowed={
            "key": "the label that tells the pods of both versions apart, "
            f"{DEFAULT_LABEL} if not given"
        },
        path="traffic",
    )
    return ReplicasRouter(
        service=ref.service, namespace=namespace, arm_label=options.get("key", DEFAULT_LABEL)
    )


def _traefik_file(ref: TrafficRef, namespace: str) -> Router:
    options = read_options(
        ref.options,
        allowed={
            "entry_points": "Traefik entry points of that router, separated by commas",
            "rule": "a Traefik rule; the file then also holds the router",
        },
        path="traffic",
    )
    points = tuple(p.strip() for p in options.get("entry_points", "").split(",") if p.strip())
    rule = options.get("rule")
    if points and rule is None:
        raise SpecError("entry_points need a rule", path="traffic.entry_points", found=points)
    return TraefikFileRouter(
        service=ref.service, namespace=namespace, rule=rule, entry_points=points
    )


ROUTERS: dict[str, RouterKind] = {
    "gateway_api": RouterKind(make=_gateway_api, on_cluster=True),
    "replicas": RouterKind(make=_replicas, on_cluster=True),
    "traefik_file": RouterKind(make=_traefik_file),
}


def make_router(ref: TrafficRef, *, namespace: str) -> Router:
    """Return the router a spec names.

    :raises SpecError: an unknown router or option.
    """
    kind = ROUTERS.get(ref.router)
    if kind is None:
        raise SpecError(
            "unknown router", path="traffic.router", found=ref.router, allowed=", ".join(ROUTERS)
        )
    return kind.make(ref, namespace)
