"""A real Traefik as controller of the Gateway API, and the API's custom resources."""

from __future__ import annotations

import json
from pathlib import Path

from admin import Admin, is_true

from airflow_rollout.demo.loopback import answers
from airflow_rollout.demo.part import Part
from airflow_rollout.demo.ports import free_ports
from airflow_rollout.demo.processes import Processes, wait_until
from airflow_rollout.demo.traefik import find_traefik

_READY_SECONDS = 60.0
_GROUP = "gateway.networking.k8s.io"
_RESOURCES = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GATEWAY = {"name": "public", "namespace": "default"}


class Gateway(Part):
    """Run one gateway for all namespaces.

    :param resources: the directory with the custom resources' definitions.
    """

    def __init__(
        self, resources: Path, *, admin: Admin, token: str, ca: Path, processes: Processes
    ) -> None:
        self._resources = resources
        self._admin = admin
        self._token = token
        self._ca = ca
        self._processes = processes
        self._web_port, self._admin_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self._web_port}"
        self.metrics_address = f"127.0.0.1:{self._admin_port}"

    def come_up(self) -> None:
        names = []
        for file in sorted(self._resources.glob(f"{_GROUP}_*.yaml")):
            if "_vap_" in file.name:  # an admission policy, no resource
                continue
            names.append(f"{file.stem.rpartition('_')[2]}.{_GROUP}")
            self._admin.apply_bytes(f"{_RESOURCES}/{names[-1]}", file.read_bytes())
        wait_until(
            lambda: all(self._is_established(name) for name in names),
            what="custom resources",
            timeout_seconds=_READY_SECONDS,
        )
        self.start()
        api = f"{_GROUP}/v1"
        controller = {"controllerName": "traefik.io/gateway-controller"}
        kind = {"apiVersion": api, "kind": "GatewayClass", "metadata": {"name": "traefik"}}
        self._admin.apply({**kind, "spec": controller})
        listener = {
            "name": "http",
            "protocol": "HTTP",
            "port": self._web_port,
            "allowedRoutes": {"namespaces": {"from": "All"}},
        }
        spec = {"gatewayClassName": "traefik", "listeners": [listener]}
        body = {"apiVersion": api, "kind": "Gateway", "metadata": GATEWAY, "spec": spec}
        self._admin.apply(body, GATEWAY["namespace"])
        wait_until(
            lambda: is_true(self._admin.get("Gateway", **GATEWAY), "Programmed"),
            what="programmed gateway",
            timeout_seconds=_READY_SECONDS,
            children=[self._processes["gateway"]],
        )

    def start(self) -> None:
        provider = "--providers.kubernetesgateway"
        command = [
            find_traefik(), f"--entrypoints.web.address=127.0.0.1:{self._web_port}",
            f"--entrypoints.traefik.address=127.0.0.1:{self._admin_port}",
            provider, f"{provider}.endpoint={self._admin.url}", f"{provider}.token={self._token}",
            f"{provider}.certauthfilepath={self._ca}", f"{provider}.statusaddress.ip=127.0.0.1",
            # Its default holds the second of two quick changes back for two seconds.
            "--providers.providersthrottleduration=0s",
            "--ping", "--metrics.prometheus", "--metrics.prometheus.addserviceslabels",
            "--global.checknewversion=false", "--global.sendanonymoususage=false",
        ]  # fmt: skip
        child = self._processes.start("gateway", command)
        wait_until(
            lambda: answers(f"http://{self.metrics_address}/ping"),
            what="answering gateway",
            timeout_seconds=_READY_SECONDS,
            children=[child],
        )

    def kill(self) -> None:
        self._processes.end("gateway", grace_seconds=0.0)

    def close(self) -> None:
        self._processes.end("gateway")

    def _is_established(self, name: str) -> bool:
        return is_true(json.loads(self._admin.ask("GET", f"{_RESOURCES}/{name}")), "Established")
