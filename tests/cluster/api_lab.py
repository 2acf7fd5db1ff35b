"""An API server with the example's objects in it, with or without a node behind it."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Protocol

import yaml
from admin import Admin, RawObject
from control_plane import ControlPlane
from gateway_part import GATEWAY
from images import image
from kube_shop import Shop

from airflow_rollout.demo.part import Part
from airflow_rollout.demo.processes import Processes, wait_until

__all__ = ["ApiTier", "Control", "Lab", "connection"]

_GROUP = "gateway.networking.k8s.io"
_SERVED_SECONDS = 60.0

EXAMPLE = Path(__file__).parents[2] / "examples/kubernetes"


class Control(Protocol):
    """An API server and two of its users.

    :param releaser: the name of who releases, whose rights are those of the example's Role.
    """

    admin: Admin
    releaser: str

    def releaser_kubeconfig(self) -> Path:
        """Write a kubeconfig of who releases and return its path."""
        ...


class Lab(Part):
    """What a test needs of an API server, whoever runs it."""

    control: Control

    @property
    def users_url(self) -> str:
        """Return where users reach all shops."""
        raise AssertionError("nobody reaches a shop that runs nowhere")

    @property
    def admin(self) -> Admin:
        return self.control.admin

    def place(self, name: str, *, replicas: int = 2) -> Shop:
        """Make a namespace with the example's service, route and Role; wait for nothing."""
        self._put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "")
        self.give_role(name)
        self._apply_example("service.yaml", name, replicas=replicas)
        self._apply_example("route.yaml", name, kinds=("HTTPRoute",))
        return Shop(self, name)

    def give_role(self, namespace: str) -> None:
        """Let whoever releases do so in a namespace, by the example's Role."""
        self._apply_example("role.yaml", namespace, kinds=("Role", "RoleBinding"))

    def give_cluster_role(self) -> None:
        """Let whoever releases see what gateways can do, by the example's ClusterRole."""
        self._apply_example("role.yaml", kinds=("ClusterRole", "ClusterRoleBinding"))

    def _apply_example(
        self, file: str, namespace: str = "", *, kinds: tuple[str, ...] = (), replicas: int = 2
    ) -> None:
        for found in yaml.safe_load_all((EXAMPLE / file).read_text()):
            if not kinds or found["kind"] in kinds:
                placed = _placed(found, namespace, replicas, self.control.releaser)
                self._put(placed, namespace)

    def _put(self, found: RawObject, namespace: str) -> None:
        self.admin.apply(found, namespace)


class ApiTier(Lab):
    """Run etcd and an API server alone: no controllers, no node, no gateway.

    :param binaries: the directory with both programs, for example `KUBEBUILDER_ASSETS`.
    """

    control: ControlPlane

    def __init__(self, binaries: Path) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="rollout-api-"))
        self._processes = Processes(self._home / "logs", remove=self._home)
        self.control = ControlPlane(binaries, self._home / "control", processes=self._processes)

    def come_up(self) -> None:
        self.control.start_records()
        for kind, plural in _ROUTES.items():
            body = _resource(kind, plural)
            path = f"/apis/{body['apiVersion']}/customresourcedefinitions"
            name = body["metadata"]["name"]
            self.admin.apply_bytes(f"{path}/{name}", json.dumps(body).encode())
            wait_until(
                partial(self._is_served, plural), what=f"{kind} as a resource",
                timeout_seconds=_SERVED_SECONDS,
            )  # fmt: skip
        self.give_cluster_role()

    def close(self) -> None:
        self._processes.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _is_served(self, plural: str) -> bool:
        try:
            self.admin.ask("GET", f"/apis/{_GROUP}/v1/{plural}")
        except OSError:
            return False
        return True


_ROUTES = {
    "Gateway": "gateways",
    "GatewayClass": "gatewayclasses",
    "GRPCRoute": "grpcroutes",
    "HTTPRoute": "httproutes",
}


def _resource(kind: str, plural: str) -> RawObject:
    """Return the definition of a resource of the Gateway API that takes any object."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": anything},
        "subresources": {"status": {}},
    }
    scope = "Cluster" if kind == "GatewayClass" else "Namespaced"
    notes = {"api-approved.kubernetes.io": "unapproved, for tests"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{_GROUP}", "annotations": notes},
        "spec": {
            "group": _GROUP,
            "names": {"kind": kind, "plural": plural},
            "scope": scope,
            "versions": [version],
        },
    }


def _placed(found: RawObject, namespace: str, replicas: int, releaser: str) -> RawObject:
    """Return an object of the example as it stands on this node, for this user."""
    found = copy.deepcopy(found)
    if found["kind"] == "Deployment":
        found["spec"].update(replicas=replicas, progressDeadlineSeconds=15)
        spec = found["spec"]["template"]["spec"]
        spec["terminationGracePeriodSeconds"] = 5
        spec["containers"][0].update(image=image("v1"), imagePullPolicy="IfNotPresent")
        spec["containers"][0]["resources"] = {"limits": {"memory": "64Mi"}}
    if found["kind"] == "HTTPRoute":
        found["spec"].update(parentRefs=[GATEWAY], hostnames=[f"{namespace}.test"])
    if found["kind"].endswith("Binding"):
        group = "rbac.authorization.k8s.io"
        found["subjects"] = [{"kind": "User", "name": releaser, "apiGroup": group}]
    return found


def connection(lab: Lab) -> str:
    """Return the connection of whoever releases, as Airflow reads it from the environment."""
    extra = {"kube_config_path": str(lab.control.releaser_kubeconfig())}
    return json.dumps({"conn_type": "kubernetes", "extra": extra})
