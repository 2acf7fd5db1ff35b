"""Release of payment-service, described by the Flagger file it has always had."""

from airflow_rollout import rollout_dag

# What a Flagger file cannot say: who moves the traffic, where the metrics are, what is released.
rollout_dag(
    "specs/payment-service.yaml",
    workload="endpoints",
    workload_options={"health_path": "/healthz"},
    router="traefik_file",
    router_conn_id="traefik_default",
    provider="scrape",
    provider_conn_id="traefik_metrics",
    every="1s",
    # The lab's requests fail independently of each other. Leave it out where nobody has measured.
    dispersion=1,
    # Its versions answer at full speed from their first request on.
    warmup="0s",
)
