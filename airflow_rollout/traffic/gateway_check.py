"""What keeps a route from carrying a release, found before any traffic moves.

A controller may accept a route and serve errors for all of its requests: with a filter that it
does not know, for example. What it can do stands in its GatewayClass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_rollout.cluster import MANAGER, Cluster, RawObject, condition, object_path
from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.traffic.gateway_route import API, Rule, parents

__all__ = ["Unfit", "check_parents", "check_rules", "others_hold"]

# filter -> the feature a controller has to have; filters that all of them must know are left out.
_FEATURES = {
    "CORS": "HTTPRouteCORS",
    "RequestMirror": "HTTPRouteRequestMirror",
    "ResponseHeaderModifier": "HTTPRouteResponseHeaderModification",
}


class Unfit(Exception):
    """Say why a route cannot carry a release."""


def check_rules(found: Sequence[Rule], *, has_record: bool) -> None:
    """Refuse rules whose weights would not be the service's.

    :param has_record: whether a release has written them; then it may be open and at any weight.
    :raises Unfit: two rules lead to it, or another backend stands beside it.
    """
    if len(found) > 1:
        places = " and ".join(str(rule.index) for rule in found)
        raise Unfit(
            f"rules {places} (from 0) lead to {found[0].service}, a release moves the traffic of "
            "one; make it one rule with several matches"
        )
    (rule,) = found
    if rule.others:
        raise Unfit(
            f"rule {rule.index} has other backends beside {rule.service}: {', '.join(rule.others)}"
        )
    if rule.share > 0 and not has_record:
        raise Unfit(
            f"{rule.share} % of rule {rule.index} is on {rule.canary_service} already; "
            f"give {rule.service} all of it first"
        )


def others_hold(route: RawObject) -> list[str]:
    """Return a line for each tool that declares the route's rules and may apply them again.

    A rule that is applied anew in mid-release has its weights set back, which ends the release.
    """
    entries = route["metadata"].get("managedFields") or []
    managers = {
        str(entry.get("manager"))
        for entry in entries
        if entry.get("operation") == "Apply"
        and entry.get("manager") != MANAGER
        and "f:rules" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    }
    return [
        f"{route['kind']} {route['metadata']['name']} is applied by {manager}: applied again in "
        "mid-release it sets the weights back, which ends the release; let it ignore /spec/rules"
        for manager in sorted(managers)
    ]


async def check_parents(cluster: Cluster, route: RawObject, *, namespace: str) -> list[str]:
    """Ask each parent of a route whether it serves it; return what could not be found out.

    :raises Unfit: nobody serves the route, or somebody cannot.
    """
    found = parents(route)
    if not found:
        raise Unfit("no controller has accepted it: its status has no parents")
    unknown: list[str] = []
    for parent in found:
        if parent["is_behind"]:
            unknown.append(
                f"{parent['name']} has not seen the last change of the route: does its controller "
                "run? A release waits for it"
            )
        for kind in ("Accepted", "ResolvedRefs"):
            one = condition(parent, kind)
            if one.get("status") == "False" and parent["is_current"]:
                raise Unfit(
                    f"{kind} is False at {parent['name']}: "
                    f"{one.get('reason')}: {one.get('message')}"
                )
        if parent["ref"].get("kind", "Gateway") == "Gateway":
            try:
                await _check_gateway(cluster, route, parent, namespace)
            except PermanentAdapterError as error:
                unknown.append(f"what {parent['name']} can do was not checked: {error.message}")
    return unknown


async def _check_gateway(
    cluster: Cluster, route: RawObject, parent: dict[str, Any], namespace: str
) -> None:
    ref = parent["ref"]
    place = ref.get("namespace", namespace)
    gateway = await cluster.get(object_path(API, "gateways", ref["name"], namespace=place))
    if gateway is None:
        raise Unfit(f"there is no Gateway {ref['name']} in namespace {place}")
    section = ref.get("sectionName")
    for listener in (gateway.get("status") or {}).get("listeners") or []:
        one = condition(listener, "Programmed")
        if section in (None, listener.get("name")) and one.get("status") == "False":
            raise Unfit(
                f"listener {listener.get('name')} of Gateway {ref['name']} is not programmed: "
                f"{one.get('message')}"
            )
    name = gateway["spec"]["gatewayClassName"]
    found = await cluster.get(object_path(API, "gatewayclasses", name))
    supported = ((found or {}).get("status") or {}).get("supportedFeatures")
    if supported:
        _check_features(route, name, {_feature(one) for one in supported})


def _feature(one: Any) -> str:
    # Texts before v1.2 of the Gateway API, objects since.
    return str(one["name"]) if isinstance(one, dict) else str(one)


def _check_features(route: RawObject, name: str, supported: set[str]) -> None:
    needed = {route["kind"]: f"a {route['kind']}"}
    for rule in route["spec"].get("rules") or []:
        refs = rule.get("backendRefs") or []
        filters = [rule.get("filters") or [], *(ref.get("filters") or [] for ref in refs)]
        for one in (one for some in filters for one in some):
            if one.get("type") in _FEATURES:
                needed[_FEATURES[one["type"]]] = f"the filter {one['type']}"
    for feature, what in needed.items():
        if feature not in supported:
            raise Unfit(
                f"it needs {what}, which GatewayClass {name} does not support: requests would fail "
                f"although the route is accepted (supportedFeatures lacks {feature})"
            )
