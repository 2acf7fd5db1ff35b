"""The Deployment and the Service of a canary, made from those of the stable version. Pure.

The canary's pods differ from the stable ones in image and labels only. Their labels are what keeps
the arms apart: no selector of the stable Deployment or of its Service may match them, or stable
would take them for its own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from airflow_rollout.cluster import RawObject, annotations_of, canary_label, label_query
from airflow_rollout.release import Arm

__all__ = [
    "OWNER",
    "Unfit",
    "advice",
    "canary_deployment",
    "canary_labels",
    "canary_service",
    "container_index",
    "copied_revision",
    "image_of",
    "is_made_for",
    "is_ours",
    "match_labels",
    "revision_of",
    "selector_matches",
    "settings_of",
]

# On everything that a release makes: whose canary it is. Nothing without it is ever deleted.
OWNER = "airflow-rollout/canary-of"
_VERSION = "airflow-rollout/version"
_IMAGE = "airflow-rollout/image"
# Which revision of stable was copied. The controller counts templates, not replicas.
_COPIED = "airflow-rollout/stable-revision"
_REVISION = "deployment.kubernetes.io/revision"

_ENDING = "-canary"

_PORT_FIELDS = ("name", "protocol", "appProtocol", "port", "targetPort")
_SERVICE_FIELDS = ("sessionAffinity", "sessionAffinityConfig", "trafficDistribution")


class Unfit(Exception):
    """Say why no canary can be made of a Deployment."""


def canary_deployment(
    stable: RawObject,
    service: RawObject,
    arm: Arm,
    *,
    container: str | None,
    replicas: int,
    arm_label: str = "",
) -> RawObject:
    """Return the canary's Deployment: a copy of stable's with another image and other labels.

    :param container: the one that gets the image; None: the only one.
    :param replicas: how many pods it starts with.
    :param arm_label: the only label that is another one; empty: all that anybody selects by.
    :raises Unfit: no such container, or selectors that would match the canary's pods.
    """
    spec = copy.deepcopy(stable["spec"])
    template = spec["template"]
    labels = canary_labels(stable, service, arm_label)
    template["metadata"] = {**(template.get("metadata") or {}), "labels": labels}
    template["metadata"].pop("creationTimestamp", None)
    index = container_index(stable, container)
    template["spec"]["containers"][index]["image"] = arm.target
    spec["selector"] = {"matchLabels": {key: labels[key] for key in _keys(stable, service)}}
    spec["replicas"] = replicas
    spec.pop("paused", None)
    metadata = _metadata(stable["metadata"]["name"], stable["metadata"]["name"], arm)
    metadata["annotations"][_COPIED] = revision_of(stable)
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def canary_service(
    stable: RawObject, service: RawObject, arm: Arm, *, arm_label: str = ""
) -> RawObject:
    """Return the Service that leads to the canary's pods, with the ports of stable's."""
    found = service["spec"]
    labels = canary_labels(stable, service, arm_label)
    spec = {
        "selector": {key: labels[key] for key in _keys(stable, service)},
        "ports": [
            {name: port[name] for name in _PORT_FIELDS if name in port} for port in found["ports"]
        ],
        **{name: found[name] for name in _SERVICE_FIELDS if name in found},
    }
    if found.get("clusterIP") == "None":
        spec["clusterIP"] = "None"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(service["metadata"]["name"], stable["metadata"]["name"], arm),
        "spec": spec,
    }


def is_ours(found: RawObject, name: str) -> bool:
    """Say whether a release of this Deployment made an object."""
    labels: dict[str, str] = found["metadata"].get("labels") or {}
    return labels.get(OWNER) == name


def is_made_for(found: RawObject, arm: Arm) -> bool:
    """Say whether an object was made for this very canary."""
    notes = annotations_of(found)
    return (notes.get(_VERSION), notes.get(_IMAGE)) == (arm.version, arm.target)


def revision_of(deployment: RawObject) -> str:
    """Return the revision of a Deployment's template, empty while its controller has seen none."""
    return annotations_of(deployment).get(_REVISION, "")


def copied_revision(canary: RawObject) -> str:
    """Return the revision of stable that a canary was made from, empty where it is not known."""
    return annotations_of(canary).get(_COPIED, "")


def settings_of(deployment: RawObject) -> list[str]:
    """Return the ConfigMaps and Secrets that a Deployment's pods read, sorted: `Secret db`."""
    pod = deployment["spec"]["template"]["spec"]
    found: set[str] = set()
    for volume in pod.get("volumes") or []:
        for source in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
            secret = source.get("secret") or {}
            _name(found, "ConfigMap", (source.get("configMap") or {}).get("name"))
            _name(found, "Secret", secret.get("secretName") or secret.get("name"))
    for container in [*(pod.get("initContainers") or []), *pod["containers"]]:
        for one in container.get("envFrom") or []:
            _name(found, "ConfigMap", (one.get("configMapRef") or {}).get("name"))
            _name(found, "Secret", (one.get("secretRef") or {}).get("name"))
        for one in container.get("env") or []:
            source = one.get("valueFrom") or {}
            _name(found, "ConfigMap", (source.get("configMapKeyRef") or {}).get("name"))
            _name(found, "Secret", (source.get("secretKeyRef") or {}).get("name"))
    return sorted(found)


def _name(found: set[str], kind: str, name: str | None) -> None:
    if name:
        found.add(f"{kind} {name}")


def container_index(deployment: RawObject, name: str | None) -> int:
    """Return the place of the container that a release gives another image.

    :raises Unfit: no container of that name, or several and none is named.
    """
    names = [one["name"] for one in deployment["spec"]["template"]["spec"]["containers"]]
    if name is None and len(names) == 1:
        return 0
    if name in names:
        return names.index(name)
    asked = f"there is no container {name}" if name else "several containers and none is named"
    raise Unfit(f"{asked}; `container` may be {', '.join(names)}")


def image_of(deployment: RawObject, name: str | None) -> str:
    """Return the image of the released container; `Unfit` as above."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return str(containers[container_index(deployment, name)]["image"])


def match_labels(deployment: RawObject) -> str:
    """Return a Deployment's labels in the form of a query for its pods."""
    return label_query(deployment["spec"]["selector"].get("matchLabels") or {})


def selector_matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Say whether a Deployment's selector, or `{"matchLabels": ...}` of a Service, matches labels.

    An empty selector of a Deployment matches all pods.
    """
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions") or [])


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    values: list[str] = expression.get("values") or []
    operator: str = expression["operator"]
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    return (value is not None) == (operator == "Exists")


def _keys(stable: RawObject, service: RawObject) -> list[str]:
    own = stable["spec"]["selector"].get("matchLabels") or {}
    return sorted({**own, **(service["spec"].get("selector") or {})})


def canary_labels(stable: RawObject, service: RawObject, arm_label: str) -> dict[str, str]:
    """Return the labels of the canary's pods, proven to belong to neither selector of stable.

    :raises Unfit: they would, or the Service selects by a label that stable's pods lack.

    Where both arms are behind one Service it leads to the canary's pods too, when it shall. Then
    the Deployment's own selector has to tell them apart.
    """
    labels = dict((stable["spec"]["template"].get("metadata") or {}).get("labels") or {})
    deployment = f"Deployment {stable['metadata']['name']}"
    for key in _keys(stable, service):
        if key not in labels:
            raise Unfit(f"Service {service['metadata']['name']} selects by {key}, which no pod of "
                        f"{deployment} has")  # fmt: skip
        if arm_label in ("", key):
            labels[key] = canary_label(labels[key])
    own = stable["spec"]["selector"]
    if arm_label and arm_label not in (own.get("matchLabels") or {}):
        raise Unfit(
            f"the selector of {deployment} has no {arm_label}, so it would take the canary's pods "
            f"for its own: make it anew with a second label such as {arm_label}: stable"
        )
    if selector_matches(own, labels):
        raise Unfit(f"the selector of {deployment} would match the canary's pods as well")
    by_service = {"matchLabels": service["spec"].get("selector")}
    if not arm_label and selector_matches(by_service, labels):
        raise Unfit(f"the selector of Service {service['metadata']['name']} would match the "
                    "canary's pods as well")  # fmt: skip
    return labels


def advice(stable: RawObject, container: str | None) -> list[str]:
    """Return what a person should know of a Deployment before its release."""
    one = stable["spec"]["template"]["spec"]["containers"][container_index(stable, container)]
    told = []
    if "preStop" not in (one.get("lifecycle") or {}):
        told.append(
            f"container {one['name']} of Deployment {stable['metadata']['name']} has no preStop: "
            "requests may be lost when its pods end; add lifecycle: "
            "{preStop: {sleep: {seconds: 3}}}"
        )
    if settings := settings_of(stable):
        told.append(
            f"both versions read {', '.join(settings)}: what changes there reaches all pods "
            "and is not taken back"
        )
    return told


def _metadata(name: str, owner: str, arm: Arm) -> dict[str, Any]:
    # Not stable's own labels: whoever manages it by them would take the canary for a leftover.
    return {
        "name": name + _ENDING,
        "labels": {OWNER: owner, "app.kubernetes.io/managed-by": "airflow-rollout"},
        "annotations": {_VERSION: arm.version, _IMAGE: arm.target},
    }
