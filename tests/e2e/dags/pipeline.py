"""A rollout as a task group in a pipeline that has tasks of its own."""

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from lab_options import OPTIONS

from airflow_rollout import OwnTasks, rollout_task_group

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
        **OPTIONS,
    )
    build >> group >> publish
