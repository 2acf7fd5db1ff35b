"""A rollout that tells two receivers how it ended."""

from airflow.providers.http.notifications.http import HttpNotifier
from lab_options import OPTIONS

from airflow_rollout import rollout_dag

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
    **OPTIONS,
)
