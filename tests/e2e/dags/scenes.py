"""One rollout a scene, all on one Traefik, each with a service of its own."""

from airflow.providers.http.notifications.http import HttpNotifier
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from airflow_rollout import OwnTasks, rollout_dag, rollout_task_group

SAID = {
    "workload": "endpoints",
    "workload_options": {"health_path": "/healthz"},
    "router": "traefik_file",
    "router_conn_id": "traefik_default",
    "provider": "scrape",
    "provider_conn_id": "traefik_metrics",
    "every": "1s",
    "dispersion": 1,
}

for name in (
    "promoted",
    "errors",
    "latency",
    "crash",
    "gate-failed",
    "gate-success",
    "run-failed",
    "run-success",
    "cleared",
    "task-cleared",
):
    rollout_dag("scene.yaml", dag_id=name, router_service=name, **SAID)

for name in (
    "gate-cleared",
    "gate-skipped",
    "run-cleared",
    "run-deleted",
    "run-unbegun",
    "tasks-success",
    "busy-elsewhere",
    "busy-marked",
    "busy-queue",
    "busy-refuse",
):
    rollout_dag("short.yaml", dag_id=name, router_service=name, **SAID)

rollout_dag("short.yaml", dag_id="busy-queue-too", router_service="busy-queue", **SAID)

with DAG("busy-refuse-too", schedule=None, params={"version": "", "url": "", "interval": ""}):
    rollout_task_group(
        "short.yaml",
        group_id="release",
        version="{{ params.version }}",
        target="{{ params.url }}",
        interval="{{ params.interval }}",
        router_service="busy-refuse",
        on_busy="refuse",
        **SAID,
    )

NEWS = {"outcome": "{{ release.outcome }}", "reason": "{{ release.reason }}"}
rollout_dag(
    "short.yaml",
    dag_id="news",
    router_service="news",
    on_event={
        "rolled_back": [
            HttpNotifier(http_conn_id="news", endpoint=place, json=NEWS)
            for place in ("/keeps", "/hangs")
        ]
    },
    **SAID,
)

rollout_dag("scene.yaml", dag_id="observe", router_service="observe", mode="observe", **SAID)

rollout_dag("native.yaml")

# Traefik's counts are sampled twice a second: two seconds after its end a bucket is complete.
_BUCKETS = {"bucket": "2s", "delay": "2s"}
_ASKED = {
    "datadog": _BUCKETS,
    "newrelic": {**_BUCKETS, "account": "1234567"},
    "prometheus": {},
    "scrape": {"timeout": "2"},
}
for provider, options in _ASKED.items():
    asked = {
        **SAID,
        "router_service": f"asked-{provider}",
        "provider": provider,
        "provider_conn_id": f"asked_{provider}",
        "provider_options": options,
    }
    rollout_dag("asked.yaml", dag_id=f"asked-{provider}", **asked)
    if provider in ("datadog", "scrape"):
        rollout_dag("asked_held.yaml", dag_id=f"asked-{provider}-held", **asked)

NOWHERE = {**SAID, "router_conn_id": "nowhere"}
rollout_dag("scene.yaml", dag_id="no-connection", router_service="no-connection", **NOWHERE)

with DAG("pipeline", schedule=None, params={"version": "", "url": "", "interval": ""}):
    build = EmptyOperator(task_id="build")
    publish = EmptyOperator(task_id="publish")
    group = rollout_task_group(
        "scene.yaml",
        group_id="release",
        version="{{ params.version }}",
        target="{{ params.url }}",
        interval="{{ params.interval }}",
        router_service="pipeline",
        own_tasks=OwnTasks(
            before_traffic=lambda: EmptyOperator(task_id="smoke_test"),
            after_step=lambda step: EmptyOperator(task_id=f"load_test_{step.weight}"),
        ),
        **SAID,
    )
    build >> group >> publish
