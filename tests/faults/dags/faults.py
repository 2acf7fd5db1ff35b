"""One rollout a fault, all on one Traefik, each with a service of its own."""

from airflow_rollout import rollout_dag

SAID = {
    "workload": "endpoints",
    "workload_options": {"health_path": "/healthz"},
    "router": "traefik_file",
    "provider": "scrape",
    "every": "1s",
    "dispersion": 1,
}

# Rollouts that reach their router or metric source through a proxy which the test can break.
SOAK = ("soak-1", "soak-2", "soak-3", "soak-4", "soak-5", "soak-6")
OWN_ROUTER = ("router-cut", *SOAK)
OWN_SOURCE = ("source-gap", "source-garbage", "source-hangs", "source-slow", *SOAK)

FLAGGER = (
    "source-gap",
    "source-garbage",
    "router-cut",
    "file-immutable",
    "promote-killed-before",
    "promote-killed-after",
    "canary-gone",
    "stable-gone",
    "both-gone",
    "paused",
    "rolled-back-by-hand",
    "good",
    "bad",
    *SOAK,
)
NATIVE = ("source-hangs", "source-slow", "alone")

for name in (*FLAGGER, *NATIVE):
    own = name.replace("-", "_")
    rollout_dag(
        "native.yaml" if name in NATIVE else "fault.yaml",
        dag_id=name,
        router_service=name,
        router_conn_id=f"router_{own}" if name in OWN_ROUTER else "traefik_default",
        provider_conn_id=f"source_{own}" if name in OWN_SOURCE else "traefik_metrics",
        **SAID,
    )
