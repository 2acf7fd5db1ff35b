"""Every field of a Flagger v1beta1 Canary, in one table: its type, and what becomes of it here.

Fates:

* READ: part of the spec.
* REPLACED: says how Flagger creates or finds Kubernetes objects; here the router, the workload
  and the metric source are named by the call, and nothing is lost by not reading it.
* UNSUPPORTED: would change what Flagger does to a release or to its requests, and is not done
  here. It is listed unless its value is the one that changes nothing (false, 0, empty).

Shapes that belong to Istio or the Gateway API are read as mappings; their insides are theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from airflow_rollout.spec.durations import FLAGGER_DURATION, flagger_seconds
from airflow_rollout.spec.fields import Field
from airflow_rollout.spec.flagger_queries import QUERY_REASON

__all__ = ["FIELDS", "REASONS", "Fate", "check_fields"]


class Fate(StrEnum):
    """What becomes of a field."""

    READ = "read"
    REPLACED = "replaced"
    UNSUPPORTED = "unsupported"


Check = Callable[[Field], object]


def _text(value: Field) -> object:
    return value.text()


def _number(value: Field) -> object:
    return value.number()


def _whole(value: Field) -> object:
    return value.integer()


def _boolean(value: Field) -> object:
    return value.boolean()


def _mapping(value: Field) -> object:
    return value.entries()


def _items(value: Field) -> object:
    return value.items()


def _texts(value: Field) -> object:
    return [item.text() for item in value.items()]


def _wholes(value: Field) -> object:
    return [item.integer() for item in value.items()]


def _mappings(value: Field) -> object:
    return [item.entries() for item in value.items()]


def _text_map(value: Field) -> object:
    return {name: item.text() for name, item in value.entries().items()}


def _port(value: Field) -> object:
    return value.integer() if value.is_number else value.text()


def _duration(value: Field) -> object:
    # An empty text is "not given" to Flagger.
    return value.node.value == "" or value.parsed(flagger_seconds, FLAGGER_DURATION)


def _words(*allowed: str) -> Check:
    def check(value: Field) -> object:
        word = value.text()
        if word not in allowed:
            names = ", ".join(name or "''" for name in allowed)
            raise value.error("is not a known word", found=word, allowed=names)
        return word

    return check


_PROVIDERS = _words(
    "apisix", "appmesh", "appmesh:v1beta2", "contour", "gatewayapi:v1", "gatewayapi:v1beta1",
    "gloo", "istio", "knative", "kubernetes", "kuma", "linkerd", "nginx", "osm", "skipper",
    "smi:v1alpha1", "smi:v1alpha2", "smi:v1alpha3", "traefik",
)  # fmt: skip
_HOOKS = _words(
    "", "confirm-rollout", "pre-rollout", "rollout", "confirm-traffic-increase",
    "confirm-promotion", "post-rollout", "rollback", "event",
)  # fmt: skip
_SAME_SITE = _words("", "Strict", "Lax", "None")

_BY_CALL = "the call names the router"
_OBJECTS = "shapes Kubernetes objects that Flagger creates"
_REQUESTS = "requests are not changed on their way; the router's own rules apply"

# path -> (type, fate, what it means not to execute it, or what stands in for it)
FIELDS: dict[str, tuple[Check, Fate, str]] = {
    "apiVersion": (_text, Fate.READ, ""),
    "kind": (_text, Fate.READ, ""),
    "metadata": (_mapping, Fate.READ, ""),
    "status": (_mapping, Fate.REPLACED, "Flagger's own record"),
    "spec": (_mapping, Fate.READ, ""),
    "spec.provider": (_PROVIDERS, Fate.REPLACED, _BY_CALL),
    "spec.metricsServer": (_text, Fate.REPLACED, "the call names the metric source"),
    "spec.targetRef": (_mapping, Fate.READ, ""),
    "spec.targetRef.apiVersion": (_text, Fate.READ, ""),
    "spec.targetRef.kind": (_words("Deployment", "DaemonSet", "Service"), Fate.READ, ""),
    "spec.targetRef.name": (_text, Fate.READ, ""),
    "spec.targetRef.namespace": (_text, Fate.READ, ""),
    "spec.autoscalerRef": (_mapping, Fate.UNSUPPORTED, "autoscalers are not cloned or paused"),
    "spec.autoscalerRef.apiVersion": (_text, Fate.READ, ""),
    "spec.autoscalerRef.kind": (
        _words("HorizontalPodAutoscaler", "ScaledObject"), Fate.READ, "",
    ),
    "spec.autoscalerRef.name": (_text, Fate.READ, ""),
    "spec.autoscalerRef.namespace": (_text, Fate.READ, ""),
    "spec.autoscalerRef.primaryScalerQueries": (_text_map, Fate.READ, ""),
    "spec.autoscalerRef.primaryScalerReplicas": (_mapping, Fate.READ, ""),
    "spec.autoscalerRef.primaryScalerReplicas.minReplicas": (_whole, Fate.READ, ""),
    "spec.autoscalerRef.primaryScalerReplicas.maxReplicas": (_whole, Fate.READ, ""),
    "spec.ingressRef": (_mapping, Fate.REPLACED, _BY_CALL),
    "spec.ingressRef.apiVersion": (_text, Fate.READ, ""),
    "spec.ingressRef.kind": (_words("Ingress"), Fate.READ, ""),
    "spec.ingressRef.name": (_text, Fate.READ, ""),
    "spec.ingressRef.namespace": (_text, Fate.READ, ""),
    "spec.routeRef": (_mapping, Fate.REPLACED, _BY_CALL),
    "spec.routeRef.apiVersion": (_text, Fate.READ, ""),
    "spec.routeRef.kind": (_words("ApisixRoute"), Fate.READ, ""),
    "spec.routeRef.name": (_text, Fate.READ, ""),
    "spec.routeRef.namespace": (_text, Fate.READ, ""),
    "spec.upstreamRef": (_mapping, Fate.REPLACED, _OBJECTS),
    "spec.upstreamRef.apiVersion": (_text, Fate.READ, ""),
    "spec.upstreamRef.kind": (_words("Upstream"), Fate.READ, ""),
    "spec.upstreamRef.name": (_text, Fate.READ, ""),
    "spec.upstreamRef.namespace": (_text, Fate.READ, ""),
    "spec.progressDeadlineSeconds": (_whole, Fate.READ, ""),
    "spec.skipAnalysis": (
        _boolean, Fate.UNSUPPORTED, "the release is judged; nothing is promoted unseen",
    ),
    "spec.revertOnDeletion": (_boolean, Fate.REPLACED, "there is no object whose deletion reverts"),
    "spec.suspend": (_boolean, Fate.UNSUPPORTED, "pause the DAG instead"),
    "spec.service": (_mapping, Fate.READ, ""),
    "spec.service.name": (_text, Fate.READ, ""),
    "spec.service.port": (_whole, Fate.REPLACED, _OBJECTS),
    "spec.service.portName": (_text, Fate.REPLACED, _OBJECTS),
    "spec.service.targetPort": (_port, Fate.REPLACED, _OBJECTS),
    "spec.service.appProtocol": (_text, Fate.REPLACED, _OBJECTS),
    "spec.service.trafficDistribution": (
        _words("", "PreferClose", "PreferSameZone", "PreferSameNode"), Fate.REPLACED, _OBJECTS,
    ),
    "spec.service.portDiscovery": (_boolean, Fate.REPLACED, _OBJECTS),
    "spec.service.headless": (_boolean, Fate.REPLACED, _OBJECTS),
    "spec.service.timeout": (_text, Fate.UNSUPPORTED, _REQUESTS),
    "spec.service.backendTimeout": (_text, Fate.UNSUPPORTED, _REQUESTS),
    "spec.service.gateways": (_texts, Fate.REPLACED, _BY_CALL),
    "spec.service.gatewayRefs": (_mappings, Fate.REPLACED, _BY_CALL),
    "spec.service.hosts": (_texts, Fate.REPLACED, _BY_CALL),
    "spec.service.delegation": (_boolean, Fate.REPLACED, _BY_CALL),
    "spec.service.trafficPolicy": (_mapping, Fate.UNSUPPORTED, _REQUESTS),
    "spec.service.match": (_mappings, Fate.UNSUPPORTED, _REQUESTS),
    "spec.service.rewrite": (_mapping, Fate.UNSUPPORTED, _REQUESTS),
    "spec.service.rewrite.uri": (_text, Fate.READ, ""),
    "spec.service.rewrite.authority": (_text, Fate.READ, ""),
    "spec.service.rewrite.type": (_text, Fate.READ, ""),
    "spec.service.retries": (_mapping, Fate.UNSUPPORTED, _REQUESTS),
    "spec.service.retries.attempts": (_whole, Fate.READ, ""),
    "spec.service.retries.perTryTimeout": (_text, Fate.READ, ""),
    "spec.service.retries.retryOn": (_text, Fate.READ, ""),
    "spec.service.retries.retryRemoteLocalities": (_boolean, Fate.READ, ""),
    "spec.service.headers": (_mapping, Fate.UNSUPPORTED, _REQUESTS),
    "spec.service.headers.request": (_mapping, Fate.READ, ""),
    "spec.service.headers.request.add": (_text_map, Fate.READ, ""),
    "spec.service.headers.request.set": (_text_map, Fate.READ, ""),
    "spec.service.headers.request.remove": (_texts, Fate.READ, ""),
    "spec.service.headers.response": (_mapping, Fate.READ, ""),
    "spec.service.headers.response.add": (_text_map, Fate.READ, ""),
    "spec.service.headers.response.set": (_text_map, Fate.READ, ""),
    "spec.service.headers.response.remove": (_texts, Fate.READ, ""),
    "spec.service.corsPolicy": (_mapping, Fate.UNSUPPORTED, _REQUESTS),
    "spec.service.corsPolicy.allowOrigin": (_texts, Fate.READ, ""),
    "spec.service.corsPolicy.allowOrigins": (_mappings, Fate.READ, ""),
    "spec.service.corsPolicy.allowMethods": (_texts, Fate.READ, ""),
    "spec.service.corsPolicy.allowHeaders": (_texts, Fate.READ, ""),
    "spec.service.corsPolicy.exposeHeaders": (_texts, Fate.READ, ""),
    "spec.service.corsPolicy.maxAge": (_text, Fate.READ, ""),
    "spec.service.corsPolicy.allowCredentials": (_boolean, Fate.READ, ""),
    "spec.service.mirror": (_mappings, Fate.UNSUPPORTED, "requests are not mirrored"),
    "spec.service.meshName": (_text, Fate.REPLACED, _BY_CALL),
    "spec.service.backends": (_texts, Fate.REPLACED, _OBJECTS),
    "spec.service.apex": (_mapping, Fate.REPLACED, _OBJECTS),
    "spec.service.apex.labels": (_text_map, Fate.READ, ""),
    "spec.service.apex.annotations": (_text_map, Fate.READ, ""),
    "spec.service.primary": (_mapping, Fate.REPLACED, _OBJECTS),
    "spec.service.primary.labels": (_text_map, Fate.READ, ""),
    "spec.service.primary.annotations": (_text_map, Fate.READ, ""),
    "spec.service.canary": (_mapping, Fate.REPLACED, _OBJECTS),
    "spec.service.canary.labels": (_text_map, Fate.READ, ""),
    "spec.service.canary.annotations": (_text_map, Fate.READ, ""),
    "spec.service.unmanagedMetadata": (_mapping, Fate.REPLACED, _OBJECTS),
    "spec.service.unmanagedMetadata.labels": (_texts, Fate.READ, ""),
    "spec.service.unmanagedMetadata.annotations": (_texts, Fate.READ, ""),
    "spec.analysis": (_mapping, Fate.READ, ""),
    "spec.analysis.interval": (_duration, Fate.READ, ""),
    "spec.analysis.threshold": (_whole, Fate.READ, ""),
    "spec.analysis.iterations": (
        _whole, Fate.UNSUPPORTED, "Blue/Green and A/B runs have no weights to raise",
    ),
    "spec.analysis.maxWeight": (_whole, Fate.READ, ""),
    "spec.analysis.stepWeight": (_whole, Fate.READ, ""),
    "spec.analysis.stepWeights": (_wholes, Fate.READ, ""),
    "spec.analysis.stepWeightPromotion": (
        _whole, Fate.UNSUPPORTED, "after promotion all traffic moves at once",
    ),
    "spec.analysis.match": (
        _mappings, Fate.UNSUPPORTED, "every request may reach the canary, not only those matched",
    ),
    "spec.analysis.mirror": (_boolean, Fate.UNSUPPORTED, "requests are not mirrored"),
    "spec.analysis.mirrorWeight": (_whole, Fate.UNSUPPORTED, "requests are not mirrored"),
    "spec.analysis.sessionAffinity": (
        _mapping, Fate.UNSUPPORTED, "a user may see both versions in turn",
    ),
    "spec.analysis.sessionAffinity.cookieName": (_text, Fate.READ, ""),
    "spec.analysis.sessionAffinity.primaryCookieName": (_text, Fate.READ, ""),
    "spec.analysis.sessionAffinity.maxAge": (_whole, Fate.READ, ""),
    "spec.analysis.sessionAffinity.domain": (_text, Fate.READ, ""),
    "spec.analysis.sessionAffinity.path": (_text, Fate.READ, ""),
    "spec.analysis.sessionAffinity.httpOnly": (_boolean, Fate.READ, ""),
    "spec.analysis.sessionAffinity.secure": (_boolean, Fate.READ, ""),
    "spec.analysis.sessionAffinity.partitioned": (_boolean, Fate.READ, ""),
    "spec.analysis.sessionAffinity.sameSite": (_SAME_SITE, Fate.READ, ""),
    "spec.analysis.primaryReadyThreshold": (
        _number, Fate.UNSUPPORTED, "stable is ready when its workload says so",
    ),
    "spec.analysis.canaryReadyThreshold": (
        _number, Fate.UNSUPPORTED, "the canary is ready when its workload says so",
    ),
    "spec.analysis.metrics": (_items, Fate.READ, ""),
    "spec.analysis.metrics[]": (_mapping, Fate.READ, ""),
    "spec.analysis.metrics[].name": (_text, Fate.READ, ""),
    "spec.analysis.metrics[].interval": (_duration, Fate.READ, ""),
    "spec.analysis.metrics[].threshold": (_number, Fate.READ, ""),
    "spec.analysis.metrics[].thresholdRange": (_mapping, Fate.READ, ""),
    "spec.analysis.metrics[].thresholdRange.min": (_number, Fate.READ, ""),
    "spec.analysis.metrics[].thresholdRange.max": (_number, Fate.READ, ""),
    "spec.analysis.metrics[].query": (_text, Fate.READ, ""),
    "spec.analysis.metrics[].templateRef": (
        _mapping, Fate.UNSUPPORTED, "the metric is not asked; its MetricTemplate is not read",
    ),
    "spec.analysis.metrics[].templateRef.name": (_text, Fate.READ, ""),
    "spec.analysis.metrics[].templateRef.namespace": (_text, Fate.READ, ""),
    "spec.analysis.metrics[].templateVariables": (_text_map, Fate.READ, ""),
    "spec.analysis.webhooks": (_items, Fate.READ, ""),
    "spec.analysis.webhooks[]": (_mapping, Fate.UNSUPPORTED, "the hook is not called"),
    "spec.analysis.webhooks[].name": (_text, Fate.READ, ""),
    "spec.analysis.webhooks[].type": (_HOOKS, Fate.READ, ""),
    "spec.analysis.webhooks[].url": (_text, Fate.READ, ""),
    "spec.analysis.webhooks[].timeout": (_duration, Fate.READ, ""),
    "spec.analysis.webhooks[].retries": (_whole, Fate.READ, ""),
    "spec.analysis.webhooks[].metadata": (_text_map, Fate.READ, ""),
    "spec.analysis.webhooks[].muteAlert": (_boolean, Fate.READ, ""),
    "spec.analysis.webhooks[].disableTLS": (_boolean, Fate.READ, ""),
    "spec.analysis.alerts": (_items, Fate.READ, ""),
    "spec.analysis.alerts[]": (_mapping, Fate.UNSUPPORTED, "the alert is not sent"),
    "spec.analysis.alerts[].name": (_text, Fate.READ, ""),
    "spec.analysis.alerts[].severity": (_words("", "info", "warn", "error"), Fate.READ, ""),
    "spec.analysis.alerts[].providerRef": (_mapping, Fate.READ, ""),
    "spec.analysis.alerts[].providerRef.name": (_text, Fate.READ, ""),
    "spec.analysis.alerts[].providerRef.namespace": (_text, Fate.READ, ""),
}  # fmt: skip

REASONS = {path: why for path, (_, fate, why) in FIELDS.items() if fate is Fate.UNSUPPORTED} | {
    # Read, but not every query can be: `flagger_queries` says which.
    "spec.analysis.metrics[].query": QUERY_REASON,
}

# Values that change nothing although they are not "empty".
_NEUTRAL: dict[str, object] = {
    "spec.analysis.primaryReadyThreshold": 100,
    "spec.analysis.canaryReadyThreshold": 100,
}


@dataclass(slots=True)
class _Shape:
    """A row of the table with the rows below it."""

    check: Check
    fate: Fate
    children: dict[str, _Shape] = field(default_factory=dict)


def check_fields(document: Field) -> list[str]:
    """Check every field's name and type; return the paths of those that are not executed."""
    return list(_walk(document, "", _tree()))


def _walk(place: Field, path: str, shapes: dict[str, _Shape]) -> Iterator[str]:
    for name, child in place.entries(shapes).items():
        # Kubernetes prunes nulls before anything reads them: absent.
        if not child.is_null:
            yield from _visit(child, f"{path}.{name}" if path else name, shapes[name])


def _visit(place: Field, path: str, shape: _Shape) -> Iterator[str]:
    shape.check(place)
    unsupported = shape.fate is Fate.UNSUPPORTED and not _is_neutral(place, path)
    if unsupported:
        yield place.path
    # What lies below an unsupported field is checked, and reported under its head only.
    for below in _below(place, path, shape):
        if not unsupported:
            yield below


def _below(place: Field, path: str, shape: _Shape) -> Iterator[str]:
    if "[]" in shape.children:
        for item in place.items():
            yield from _visit(item, f"{path}[]", shape.children["[]"])
    elif shape.children:
        yield from _walk(place, path, shape.children)


def _is_neutral(place: Field, path: str) -> bool:
    value = place.boolean() if place.node.doubtful else place.node.value
    return not value or value == _NEUTRAL.get(path)


_TREE: dict[str, _Shape] = {}


def _tree() -> dict[str, _Shape]:
    """Hang the rows under each other, once, when the first Flagger document is read."""
    if not _TREE:
        for path, (check, fate, _) in FIELDS.items():
            level = _TREE
            *heads, last = path.replace("[]", ".[]").split(".")
            for head in heads:
                level = level[head].children
            level[last] = _Shape(check, fate)
    return _TREE
