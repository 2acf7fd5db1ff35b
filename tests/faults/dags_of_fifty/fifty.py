"""Fifty rollouts on one Traefik, each with a service of its own."""

from airflow_rollout import rollout_dag

for number in range(1, 51):
    name = f"fifty-{number:02d}"
    rollout_dag(
        "fifty.yaml",
        dag_id=name,
        router_service=name,
        router_conn_id="traefik_default",
        provider_conn_id="traefik_metrics",
        workload="endpoints",
        workload_options={"health_path": "/healthz"},
        router="traefik_file",
        provider="scrape",
        every="5s",
        dispersion=1,
    )
