"""A cluster of the user's own, for the tests for which nothing has to run."""

from __future__ import annotations

import json
import shutil
import tempfile
import urllib.error
from pathlib import Path

from admin import Admin, RawObject
from api_lab import Lab
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

from airflow_rollout.demo.processes import wait_until

__all__ = ["UserCluster"]

_HOME = "airflow-rollout-tests"
_ACCOUNT = "releaser"
_GATEWAYS = "/apis/gateway.networking.k8s.io/v1"
_TOKEN_SECONDS = 3600
_GONE_SECONDS = 120.0


class UserCluster(Lab):
    """Use the current context of a kubeconfig, whose user may do anything.

    Makes a namespace for whoever releases and one for each test, and a ClusterRole with its
    binding; removes all of them at the end.

    :param kubeconfig: its file.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="rollout-user-"))
        self.control = _Control(kubeconfig, self._home)
        self._is_ours = False

    def come_up(self) -> None:
        if not self._has_gateways():
            raise AssertionError("this cluster has no Gateway API (HTTPRoute v1): install it first")
        if self.admin.get("Namespace", _HOME) is not None:
            raise AssertionError(f"there is a namespace {_HOME} already: remove it first")
        self._is_ours = True
        self.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _HOME}})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": _ACCOUNT}}
        self.admin.apply(account, _HOME)
        self.give_cluster_role()

    def close(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)
        if not self._is_ours:
            return
        for kind in ("ClusterRoleBinding", "ClusterRole", "Namespace"):
            if self.admin.get(kind, _HOME) is not None:
                self.admin.delete(kind, _HOME)
        wait_until(
            lambda: self.admin.get("Namespace", _HOME) is None,
            what=f"the end of namespace {_HOME}", timeout_seconds=_GONE_SECONDS,
        )  # fmt: skip

    def _has_gateways(self) -> bool:
        try:
            found = json.loads(self.admin.ask("GET", _GATEWAYS))
        except urllib.error.HTTPError:
            return False
        return any(one["kind"] == "HTTPRoute" for one in found["resources"])

    def _named(self, found: RawObject) -> RawObject:
        # Whoever has installed the example there keeps it.
        if found["kind"].startswith("Cluster"):
            found["metadata"]["name"] = _HOME
        if found["kind"] == "ClusterRoleBinding":
            found["roleRef"]["name"] = _HOME
        return found


class _Control:
    """The API server of a kubeconfig, and a service account in it."""

    releaser = f"system:serviceaccount:{_HOME}:{_ACCOUNT}"

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        found = Configuration()
        load_kube_config(str(kubeconfig), client_configuration=found)
        bearer = next(iter(found.auth_settings().values()), {}).get("value") or ""
        self._home = home
        self._ca = found.ssl_ca_cert
        self.admin = Admin(
            found.host,
            token=bearer.removeprefix("Bearer "),
            ca=Path(self._ca) if self._ca else None,
            cert=(found.cert_file, found.key_file) if found.cert_file else None,
        )

    def releaser_kubeconfig(self) -> Path:
        """Write a kubeconfig of who releases and return its path."""
        path = self._home / "releaser.kubeconfig"
        if path.exists():
            return path
        cluster = {"server": self.admin.url}
        if self._ca:
            cluster["certificate-authority"] = str(self._ca)
        one = {"name": "tests", "context": {"cluster": "tests", "user": _ACCOUNT}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "contexts": [one],
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": _ACCOUNT, "user": {"token": self._token()}}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path

    def _token(self) -> str:
        spec = {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", **spec}
        path = f"{self.admin.path('ServiceAccount', _ACCOUNT, _HOME)}/token"
        found = json.loads(self.admin.ask("POST", path, json.dumps(asked).encode()))
        return str(found["status"]["token"])
