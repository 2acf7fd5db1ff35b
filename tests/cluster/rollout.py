"""The rollout of a shop, its connections and its users."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from kube_lab import KubeLab, Shop, connection

from airflow_rollout.demo.answers import Answer, read_answers

if TYPE_CHECKING:
    from real_servers import Prometheus


METRICS = [{"name": "http_500_rate", "max": "5%"}, {"name": "p99_latency", "max": "250ms"}]

# A fifth of the traffic, then all of it.
_CANARY = {"steps": [{"weight": 20, "hold": "8s"}], "verify": "5s"}


def document(
    namespace: str,
    *,
    canary: dict[str, Any] | None = None,
    analysis: dict[str, Any] | None = None,
    **spec: Any,
) -> str:
    """Return the rollout of a shop.

    :param canary: its steps; a fifth of the traffic where not given.
    :param analysis: what is judged in another way.
    :param spec: other parts of it.
    """
    source = {"provider": "prometheus", "conn_id": "prometheus", "every": "1s"}
    judged = {
        "source": source,
        "interval": "2s",
        "failure_limit": 4,
        "min_requests": 20,
        "warmup": "0s",
        "metrics": METRICS,
    }
    whole = {
        "workload": {"kind": "deployment"},
        "traffic": {"router": "gateway_api", "service": "checkout", "conn_id": "cluster"},
        "canary": canary or _CANARY,
        "analysis": {**judged, **(analysis or {})},
        "ready_timeout": "2m",
        **spec,
    }
    kind = {"apiVersion": "airflow-rollout/v1", "kind": "Rollout"}
    metadata = {"name": "checkout", "namespace": namespace}
    return json.dumps({**kind, "metadata": metadata, "spec": whole})


def connections(lab: KubeLab, prometheus: Prometheus) -> dict[str, str]:
    return {"cluster": connection(lab), "prometheus": http_connection(prometheus.url)}


def http_connection(url: str) -> str:
    """Return a connection to a server, as Airflow reads it from the environment."""
    return json.dumps({"conn_type": "http", "host": url})


class Load:
    """Users of a shop, who send requests until they are stopped."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._answers = shop.lab.home / f"{shop.name}.answers"
        self._name = f"load-{shop.name}"

    def start(self, rate: float) -> None:
        command = [
            sys.executable, "-m", "airflow_rollout.demo.load", "--url", self._shop.lab.users_url,
            "--header", f"Host: {self._shop.host}", "--rate", str(rate),
            "--out", str(self._answers),
        ]  # fmt: skip
        self._shop.lab.processes.start(self._name, command)

    def stop(self) -> list[Answer]:
        self._shop.lab.processes.end(self._name)
        return read_answers(self._answers)
