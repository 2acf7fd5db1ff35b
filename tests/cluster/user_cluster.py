"""A cluster of the user's own, for the tests for which nothing has to run."""

from __future__ import annotations

import json
import shutil
import tempfile
import urllib.error
from http import HTTPStatus
from pathlib import Path

from admin import Admin, RawObject, write_kubeconfig
from api_lab import Lab
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

from airflow_rollout.demo.processes import wait_until

__all__ = ["UserCluster"]

_HOME = "airflow-rollout-tests"
_ACCOUNT = "releaser"
_GATEWAYS = "gateway.networking.k8s.io"
_TOKEN_SECONDS = 3600
_GONE_SECONDS = 120.0


class UserCluster(Lab):
    """Use the current context of a kubeconfig, whose user may do anything.

    Makes a namespace for whoever releases and one for each test, and a ClusterRole with its
    binding; what is there already under such a name is somebody's, and ends the tests. All that was
    made is removed at the end. No pod of it ever runs.

    :param kubeconfig: its file.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="rollout-user-"))
        self.control = _Control(kubeconfig, self._home)
        self._made: list[tuple[str, str]] = []

    def come_up(self) -> None:
        found = json.loads(self.admin.ask("GET", "/apis"))
        if _GATEWAYS not in [one["name"] for one in found["groups"]]:
            raise AssertionError("this cluster has no Gateway API: install it first")
        self._put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _HOME}}, "")
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": _ACCOUNT}}
        self._put(account, _HOME)
        self.give_cluster_role()

    def close(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)
        made = list(reversed(self._made))
        left = [one for one in made if not self._is_deleted(*one)]
        wait_until(
            lambda: all(self.admin.get(*one) is None for one in made if one not in left),
            what=f"the end of {made}", timeout_seconds=_GONE_SECONDS,
        )  # fmt: skip
        assert left == [], f"could not remove {left}"

    def _is_deleted(self, kind: str, name: str) -> bool:
        """Delete what a test may have deleted already; one that stays keeps no other from it."""
        try:
            found = self.admin.get(kind, name)
            if found is not None and "deletionTimestamp" not in found["metadata"]:
                self.admin.delete(kind, name)
        except OSError as error:
            print(f"{kind} {name}: {error}")
            return False
        return True

    def _put(self, found: RawObject, namespace: str) -> None:
        if found["kind"].startswith("Cluster"):
            # Whoever has installed the example there keeps it.
            found["metadata"]["name"] = _HOME
        if found["kind"] == "ClusterRoleBinding":
            found["roleRef"]["name"] = _HOME
        if found["kind"] == "Deployment":
            # Its image is no image of that cluster's: nobody may ever fetch and run it.
            found["spec"]["template"]["spec"]["schedulerName"] = "nobody"
        if found["kind"] == "HTTPRoute":
            found["spec"]["parentRefs"] = [{"name": "nowhere"}]
        if namespace:
            self.admin.apply(found, namespace)
            return
        try:
            self.admin.create(found)
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.CONFLICT:
                raise
            what = f"{found['kind']} {found['metadata']['name']}"
            raise AssertionError(f"there is a {what} already: remove it first") from None
        self._made.append((found["kind"], found["metadata"]["name"]))


class _Control:
    """The API server of a kubeconfig, and a service account in it."""

    releaser = f"system:serviceaccount:{_HOME}:{_ACCOUNT}"

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        found = Configuration()
        load_kube_config(str(kubeconfig), client_configuration=found)
        if not found.verify_ssl or not found.host.startswith("https://"):
            raise AssertionError(f"{kubeconfig}: only a server whose certificate is checked")
        bearer = next(iter(found.auth_settings().values()), {}).get("value") or ""
        self._home = home
        self._ca = Path(found.ssl_ca_cert) if found.ssl_ca_cert else None
        self.admin = Admin(
            found.host,
            token=bearer.removeprefix("Bearer "),
            ca=self._ca,
            cert=(found.cert_file, found.key_file) if found.cert_file else None,
        )

    def releaser_kubeconfig(self) -> Path:
        """Write a kubeconfig of who releases and return its path."""
        path = self._home / "releaser.kubeconfig"
        if path.exists():
            return path
        write_kubeconfig(path, _ACCOUNT, self._token(), server=self.admin.url, ca=self._ca)
        return path

    def _token(self) -> str:
        spec = {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", **spec}
        path = f"{self.admin.path('ServiceAccount', _ACCOUNT, _HOME)}/token"
        found = json.loads(self.admin.ask("POST", path, json.dumps(asked).encode()))
        return str(found["status"]["token"])
