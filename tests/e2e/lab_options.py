"""Options of `rollout_dag` that the labs' rollouts have in common."""

from typing import Any

OPTIONS: dict[str, Any] = {
    "workload": "endpoints",
    "workload_options": {"health_path": "/healthz"},
    "router": "traefik_file",
    "router_conn_id": "traefik_default",
    "provider": "scrape",
    "provider_conn_id": "traefik_metrics",
    "every": "1s",
    "dispersion": 1,
}
