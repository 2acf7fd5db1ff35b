"""A pipeline that wants the service of another rollout, and may not wait for it."""

from airflow.sdk import DAG
from lab_options import OPTIONS

from airflow_rollout import rollout_task_group

with DAG("busy-refuse-too", schedule=None, params={"version": "", "url": "", "interval": ""}):
    rollout_task_group(
        "short.yaml",
        group_id="release",
        version="{{ params.version }}",
        target="{{ params.url }}",
        interval="{{ params.interval }}",
        router_service="busy-refuse",
        on_busy="refuse",
        **OPTIONS,
    )
