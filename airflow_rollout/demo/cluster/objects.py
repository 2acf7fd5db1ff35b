"""The objects that the demo makes in its namespace. Pure."""

from __future__ import annotations

import json
from pathlib import Path

from airflow_rollout.cluster import RawObject
from airflow_rollout.demo.cluster.story import ROLLOUT, STABLE, behaviours, image_of

__all__ = [
    "LOAD_POD",
    "MADE_BY",
    "REPLICAS",
    "RUN_LABEL",
    "deployment",
    "load_pod",
    "namespace",
    "scripts",
    "service",
]

LOAD_POD = "load"
REPLICAS = 4

# Whose namespace it is, and of which run: nothing without both is ever deleted.
MADE_BY = ("app.kubernetes.io/managed-by", "airflow-rollout-demo")
RUN_LABEL = "airflow-rollout/demo-run"

_LABELS = {"app": ROLLOUT, "track": "stable"}
_SCRIPTS = "scripts"
_PLACE = "/demo"
_PORT = 8080
_GRACE_SECONDS = 6
# Pods that end are asked until every node knows that they do.
_PRE_STOP_SECONDS = 3
_NOBODY = 65534


def namespace(name: str, run: str) -> RawObject:
    """Return the demo's namespace.

    :param run: which run of the demo makes it.
    """
    labels = {MADE_BY[0]: MADE_BY[1], RUN_LABEL: run}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def scripts() -> RawObject:
    """Return the ConfigMap with what runs in the pods."""
    folder = Path(__file__).with_name("in_pod")
    data = {name: (folder / name).read_text() for name in ("load.py", "service.py")}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": _SCRIPTS},
        "data": data,
    }


def service() -> RawObject:
    """Return the Service, whose second label is what a release moves traffic by."""
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": ROLLOUT},
        "spec": {"selector": _LABELS, "ports": ports},
    }


def deployment(images: str) -> RawObject:
    """Return the Deployment of the stable version.

    :param images: the images' name with `{version}` in it.
    """
    wait = f"import time; time.sleep({_PRE_STOP_SECONDS})"
    container = {
        **_container(ROLLOUT, STABLE.shown.name, images),
        "command": ["python3", "-u", f"{_PLACE}/service.py"],
        "env": [
            {"name": "PORT", "value": str(_PORT)},
            {"name": "VERSIONS", "value": json.dumps(behaviours())},
        ],
        "ports": [{"name": "http", "containerPort": _PORT}],
        "readinessProbe": {
            "httpGet": {"path": "/healthz", "port": "http"},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
        },
        # Not `sleep`, which clusters before 1.30 do not know.
        "lifecycle": {"preStop": {"exec": {"command": ["python3", "-c", wait]}}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": ROLLOUT},
        "spec": {
            "replicas": REPLICAS,
            "minReadySeconds": 1,
            # An image may have to be fetched first, by every node.
            "progressDeadlineSeconds": 240,
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": _pod_spec(container)},
        },
    }


def load_pod(images: str, *, address: str, rate: float) -> RawObject:
    """Return the pod that sends requests.

    :param address: the Service's own address. Its name would need the cluster's DNS, once a
        request; whoever sends requests to a Service gets there by that address anyway.
    """
    container = {
        **_container(LOAD_POD, STABLE.shown.name, images),
        "command": ["python3", f"{_PLACE}/load.py"],
        "env": [
            {"name": "TARGET_HOST", "value": address},
            {"name": "TARGET_PORT", "value": "80"},
            {"name": "RATE", "value": f"{rate:g}"},
        ],
    }
    metadata = {"name": LOAD_POD, "labels": {"app": LOAD_POD}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _pod_spec(container)}


def _container(name: str, version: str, images: str) -> RawObject:
    return {
        "name": name,
        "image": image_of(version, images),
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": _SCRIPTS, "mountPath": _PLACE, "readOnly": True}],
    }


def _pod_spec(container: RawObject) -> RawObject:
    """Return a pod that also a namespace with the strictest of the usual rules takes."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NOBODY,
            "runAsGroup": _NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": _SCRIPTS, "configMap": {"name": _SCRIPTS}}],
    }
