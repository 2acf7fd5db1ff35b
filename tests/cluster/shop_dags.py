"""The DAGs of shops that are released in another way than the others."""

from __future__ import annotations

from pathlib import Path

from releases import DAG, write_dag
from rollout import METRICS, document

__all__ = ["HASTY", "REFUSING", "SWITCH", "write_dags"]

# Whose way back is not tried for an hour.
HASTY = "hasty"

# Whose first gate judges until the test ends it.
_LONG = (
    "gate-success", "gate-failed", "run-failed", HASTY, "rights-away", "weight", "rule", "record",
    "stable-rolled", "canary-deleted", "canary-scaled", "route-gone", "service-gone",
    "namespace-gone",
)  # fmt: skip

# Whose rollout is one switch, behind a test of its own: blue-green.
SWITCH = "switch"

# Who may be released by two DAGs, of which the second does not wait.
REFUSING = "refuse"

_ONE_SWITCH = {"steps": [{"weight": 100, "hold": "8s"}]}

# Asked where no user is sent yet: at the canary's own pods.
_TESTED_DAG = """\
import httpx
from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.sdk import task

from airflow_rollout import OwnTasks, rollout_dag


@task
def smoke_test():
    pods = KubernetesHook(conn_id="cluster").core_v1_client.list_namespaced_pod("{namespace}")
    canary = [pod for pod in pods.items if pod.metadata.name.startswith("checkout-canary-")]
    assert canary, "there is no canary to test"
    for pod in canary:
        for _ in range(40):
            httpx.get(f"http://{{pod.status.pod_ip}}:8080/", timeout=5.0).raise_for_status()


rollout_dag(
    "{namespace}.yaml",
    dag_id="{namespace}",
    own_tasks=OwnTasks(before_traffic=lambda: smoke_test().operator),
)
"""

_TWO_DAGS = """\
from airflow_rollout import rollout_dag

rollout_dag("{namespace}.yaml", dag_id="{namespace}")
rollout_dag("{namespace}.yaml", dag_id="{namespace}-too")
"""

_HASTY_DAG = """\
from airflow_rollout import rollout_dag

dag = rollout_dag("{namespace}.yaml", dag_id="{namespace}")
for name in ("rollback", "ensure_safe"):
    dag.get_task(name).deadline_seconds = 5.0
"""

# The connection leads to a server that accepts and never answers.
_TELLING_DAG = """\
from airflow.providers.http.notifications.http import HttpNotifier

from airflow_rollout import rollout_dag

hanging = HttpNotifier(http_conn_id="silent", endpoint="/", json={{}})
rollout_dag("{namespace}.yaml", dag_id="{namespace}", on_event={{"rolled_back": hanging}})
"""

# Without a request this is 0/0: no number, and neither a success nor a failure.
_CANARY = 'service=~".*-svc-{{ namespace }}-{{ service }}-canary-[0-9]+@.*"'


def _rate(labels: str) -> str:
    return "(sum(rate(traefik_service_requests_total{" + labels + "}[10s])) or vector(0))"


_ANSWERED = {
    "name": "answered",
    "query": _rate(f'code=~"2..",{_CANARY}') + " / " + _rate(_CANARY),
    "min": 0.95,
}


def write_dags(folder: Path, *names: str) -> None:
    """Write the DAG of each shop."""
    for name in names:
        write_dag(folder, name, text=_TEXTS.get(name, ""), dag=_DAGS.get(name, DAG))


def _source(conn_id: str, every: str) -> dict[str, str]:
    return {"provider": "prometheus", "conn_id": conn_id, "every": every}


# Longer than any test: what ends the step is what the test does.
_LONG_HOLD = {"steps": [{"weight": 20, "hold": "20m"}], "verify": "5s"}

_TEXTS = {
    **{name: document(name, canary=_LONG_HOLD) for name in _LONG},
    SWITCH: document(SWITCH, canary=_ONE_SWITCH),
    REFUSING: document(REFUSING, on_busy="refuse"),
    # Requests fail, too, while none of its pods is ready, and one restart may be an accident: so it
    # is asked for its latency alone, for long enough to crash again.
    "crash-loop": document(
        "crash-loop",
        canary={"steps": [{"weight": 20, "hold": "40s"}]},
        analysis={"metrics": [it for it in METRICS if it["name"] == "p99_latency"]},
    ),
    "silent": document("silent", analysis={"source": _source("silent", "1s")}),
    "queue": document(
        "queue",
        analysis={"metrics": [*METRICS, _ANSWERED]},
    ),
    "slow-scrape": document(
        "slow-scrape",
        canary={"steps": [{"weight": 20, "hold": "40s"}], "verify": "15s"},
        analysis={"source": _source("slow_prometheus", "15s"), "interval": "15s"},
    ),
}
_DAGS = {
    SWITCH: _TESTED_DAG,
    REFUSING: _TWO_DAGS,
    HASTY: _HASTY_DAG,
    "bad": _TELLING_DAG,
}
