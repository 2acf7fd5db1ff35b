"""The benchmark's service once more: its rollbacks are told to a receiver that never answers."""

from pathlib import Path

from airflow.providers.http.notifications.http import HttpNotifier

from airflow_rollout import rollout_dag

SPECS = Path(__file__).parents[3] / "dags" / "specs"

rollout_dag(
    SPECS / "payment-service.yaml",
    dag_id="payment-service-told",
    on_event={"rolled_back": HttpNotifier(http_conn_id="deaf", json="{{ release.reason }}")},
    workload="endpoints",
    workload_options={"health_path": "/healthz"},
    router="traefik_file",
    router_conn_id="traefik_default",
    provider="scrape",
    provider_conn_id="traefik_metrics",
    every="1s",
    dispersion=1,
)
