"""etcd, API server, controllers and scheduler on loopback, as ordinary processes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from admin import Admin, write_kubeconfig

from airflow_rollout.demo.part import Part
from airflow_rollout.demo.ports import free_ports
from airflow_rollout.demo.processes import Processes, wait_until

_TOKEN = "the-administrator"
_RELEASER = "releaser"
_READY_SECONDS = 120.0


class ControlPlane(Part):
    """Run one control plane.

    :param binaries: the directory with the programs.
    :param home: gets data, keys and kubeconfigs.
    """

    def __init__(self, binaries: Path, home: Path, *, processes: Processes) -> None:
        self._binaries = binaries
        self._home = home
        self._processes = processes
        self._etcd_port, self._port = free_ports(2)
        self._pki = home / "pki"
        self.url = f"https://127.0.0.1:{self._port}"
        self.ca = self._pki / "apiserver.crt"
        # Whoever releases has no more rights than the Role of the example gives.
        self.releaser = _RELEASER
        self.admin = Admin(self.url, token=_TOKEN, ca=self.ca)

    def start_records(self) -> None:
        """Start what keeps objects and answers for them, and nobody who acts on them."""
        self._pki.mkdir(parents=True)
        self._write_keys()
        self._start("etcd", *self._etcd())
        self.start_api_server()

    def come_up(self) -> None:
        self.start_records()
        config = self.kubeconfig("admin", _TOKEN)
        common = (
            f"--kubeconfig={config}", "--leader-elect=false", "--secure-port=0",
            "--kube-api-qps=200", "--kube-api-burst=400",
        )  # fmt: skip
        self._start(
            "kube-controller-manager", *common,
            f"--service-account-private-key-file={self._pki}/accounts.key",
            f"--root-ca-file={self.ca}",
            # It would make a directory of the machine's otherwise.
            f"--flex-volume-plugin-dir={self._home}/plugins",
            # An autoscaler is seen to act within a short gate.
            "--horizontal-pod-autoscaler-sync-period=1s",
        )  # fmt: skip
        self._start("kube-scheduler", *common)
        wait_until(
            self._controllers_work,
            what="controllers at work",
            timeout_seconds=_READY_SECONDS,
            children=[self._processes[one] for one in ("kube-controller-manager",)],
        )

    def start_api_server(self) -> None:
        self._start("kube-apiserver", *self._api_server())
        children = [self._processes[one] for one in ("etcd", "kube-apiserver")]
        wait_until(
            self._is_ready,
            what="ready API server",
            timeout_seconds=_READY_SECONDS,
            children=children,
        )

    def kill_api_server(self) -> None:
        self._processes.end("kube-apiserver", grace_seconds=0.0)

    def close(self) -> None:
        for name in ("kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"):
            self._processes.end(name)

    def kubeconfig(self, user: str, token: str) -> Path:
        """Write a kubeconfig of a user and return its path."""
        path = self._home / f"{user}.kubeconfig"
        write_kubeconfig(path, user, token, server=self.url, ca=self.ca)
        return path

    def releaser_kubeconfig(self) -> Path:
        return self.kubeconfig(_RELEASER, _RELEASER)

    @property
    def token(self) -> str:
        return _TOKEN

    def _write_keys(self) -> None:
        # In the old form (SEC1): from the newer one the API server reads no public key.
        command = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"]
        subprocess.run([*command, self._pki / "accounts.key"], check=True)
        users = f'{_TOKEN},admin,admin,"system:masters"\n{_RELEASER},{_RELEASER},{_RELEASER}\n'
        (self._pki / "users.csv").write_text(users)

    def _etcd(self) -> list[str]:
        url = f"http://127.0.0.1:{self._etcd_port}"
        return [
            f"--data-dir={self._home}/etcd", f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}", "--listen-peer-urls=http://127.0.0.1:0",
            "--unsafe-no-fsync", "--log-level=warn",
        ]  # fmt: skip

    def _api_server(self) -> list[str]:
        key = self._pki / "accounts.key"
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}", "--bind-address=127.0.0.1",
            f"--secure-port={self._port}", f"--cert-dir={self._pki}",
            # A loopback address is no valid endpoint of a Service.
            "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
            f"--token-auth-file={self._pki}/users.csv", "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.96.0.0/24", "--profiling=false",
            "--kubelet-preferred-address-types=InternalIP",
        ]  # fmt: skip

    def _start(self, name: str, *options: str) -> None:
        self._processes.start(name, [self._binaries / name, *options])

    def _is_ready(self) -> bool:
        try:
            return self.admin.ask("GET", "/readyz") == b"ok"
        except OSError:
            return False

    def _controllers_work(self) -> bool:
        core = "/api/v1/namespaces/default"
        try:
            for made in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
                self.admin.ask("GET", f"{core}/{made}")
        except OSError:
            return False
        return True
