"""Rollouts of the lab on PostgreSQL, each with a service of its own."""

from airflow_rollout import rollout_dag

for name in ("good", "bad", "promote-killed", "disk-full", "schema-changed", "airflow-gone"):
    rollout_dag(
        "fault.yaml",
        dag_id=name,
        router_service=name,
        router_conn_id="traefik_default",
        provider_conn_id="traefik_metrics",
        workload="endpoints",
        workload_options={"health_path": "/healthz"},
        router="traefik_file",
        provider="scrape",
        every="1s",
        dispersion=1,
    )
