"""The administrator's own way to the API of a node, apart from what is tested."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.error
from http import HTTPStatus
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

RawObject = dict[str, Any]

# fmt: off
_GROUPS = {
    "Deployment": ("apps/v1", "deployments"),
    "Event": ("v1", "events"),
    "Gateway": ("gateway.networking.k8s.io/v1", "gateways"),
    "GatewayClass": ("gateway.networking.k8s.io/v1", "gatewayclasses"),
    "GRPCRoute": ("gateway.networking.k8s.io/v1", "grpcroutes"),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "horizontalpodautoscalers"),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", "httproutes"),
    "Namespace": ("v1", "namespaces"),
    "Node": ("v1", "nodes"),
    "Pod": ("v1", "pods"),
    "ResourceQuota": ("v1", "resourcequotas"),
    "Service": ("v1", "services"),
    "ServiceAccount": ("v1", "serviceaccounts"),
    "ValidatingAdmissionPolicy": (
        "admissionregistration.k8s.io/v1", "validatingadmissionpolicies",
    ),
    "ValidatingAdmissionPolicyBinding": (
        "admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings",
    ),
    "ClusterRole": ("rbac.authorization.k8s.io/v1", "clusterroles"),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "Role": ("rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings"),
}
# fmt: on


class Admin:
    """Ask and change anything.

    :param url: the API server's address.
    :param token: the administrator's, empty where a certificate tells who asks.
    :param ca: the server's certificate, None where the machine's own know it.
    :param cert: the administrator's certificate and its key.
    :param manager: whose changes these are, in `managedFields`.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        ca: Path | None,
        cert: tuple[str, str] | None = None,
        manager: str = "somebody",
    ) -> None:
        self.url = url.rstrip("/")
        # Some stand behind a proxy of their own.
        self._below = urlsplit(self.url).path
        self._token = token
        self._ca = ca
        self._cert = cert
        self._manager = manager
        self._threads = threading.local()

    def path(self, kind: str, name: str = "", namespace: str = "") -> str:
        group, plural = _GROUPS[kind]
        parts = ["/api" if group == "v1" else "/apis", group]
        parts += ["namespaces", namespace] if namespace else []
        return "/".join([*parts, plural, *([name] if name else [])])

    def get(self, kind: str, name: str = "", namespace: str = "") -> RawObject | None:
        """Return an object or a list, None where there is none."""
        try:
            return json.loads(self.ask("GET", self.path(kind, name, namespace)))  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def create(self, body: RawObject, namespace: str = "") -> None:
        """Make an object that there is not yet; `HTTPError` 409 where there is one."""
        path = f"{self.path(body['kind'], '', namespace)}?fieldManager={self._manager}"
        self.ask("POST", path, json.dumps(body).encode())

    def apply(self, body: RawObject, namespace: str = "") -> None:
        """Create or replace what this manager owns of an object."""
        path = self.path(body["kind"], body["metadata"]["name"], namespace)
        self.apply_bytes(path, json.dumps(body).encode())

    def apply_bytes(self, path: str, body: bytes) -> None:
        query = f"?fieldManager={self._manager}&force=true"
        self.ask("PATCH", path + query, body, "application/apply-patch+yaml")

    def patch(self, kind: str, name: str, namespace: str, change: Any) -> None:
        """Change an object by hand: a list is a JSON patch, a mapping is merged."""
        word = "json" if isinstance(change, list) else "merge"
        path = f"{self.path(kind, name, namespace)}?fieldManager={self._manager}"
        self.ask("PATCH", path, json.dumps(change).encode(), f"application/{word}-patch+json")

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        self.ask("DELETE", self.path(kind, name, namespace))

    def ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> bytes:
        headers = {"content-type": kind}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        answer = self._answer(method, path, body, headers)
        text = answer.read()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise urllib.error.HTTPError(
                self.url + path, answer.status, text.decode(), answer.headers, None
            )
        return text

    def _answer(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> HTTPResponse:
        """Ask over this thread's connection; one that the server has left is made anew."""
        while True:
            kept: HTTPSConnection | None = getattr(self._threads, "connection", None)
            connection = kept or self._connection()
            self._threads.connection = None
            try:
                connection.request(method, self._below + path, body, headers)
                answer = connection.getresponse()
            except OSError as error:
                connection.close()
                if kept is None or isinstance(error, TimeoutError):
                    raise
                continue
            self._threads.connection = connection
            return answer

    def _connection(self) -> HTTPSConnection:
        place = urlsplit(self.url)
        # Its certificate is made when the server starts.
        context = ssl.create_default_context(cafile=self._ca)
        if self._cert is not None:
            context.load_cert_chain(*self._cert)
        return HTTPSConnection(place.hostname or "", place.port, timeout=10, context=context)


def write_kubeconfig(path: Path, user: str, token: str, *, server: str, ca: Path | None) -> None:
    """Write the kubeconfig of one user of one cluster, for nobody else to read.

    :param ca: the server's certificate, None where the machine's own know it.
    """
    cluster = {"server": server}
    if ca is not None:
        cluster["certificate-authority"] = str(ca)
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "node",
        "contexts": [{"name": "node", "context": {"cluster": "node", "user": user}}],
        "clusters": [{"name": "node", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))


def is_true(found: RawObject | None, kind: str) -> bool:
    """Say whether a condition of an object is true."""
    conditions = ((found or {}).get("status") or {}).get("conditions") or []
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)
