"""A rollout in one switch, behind a test of the new version where no user is sent yet."""

import httpx
from airflow.sdk import task
from lab_options import OPTIONS

from airflow_rollout import OwnTasks, rollout_dag


@task
def smoke_test(url: str, version: str) -> None:
    """Fail if it is another version that answers there."""
    found = httpx.get(url, timeout=10.0).headers["X-Version"]
    if found != version:
        raise ValueError(f"{url} is {found}, not {version}")


rollout_dag(
    "blue_green.yaml",
    dag_id="blue-green",
    router_service="blue-green",
    own_tasks=OwnTasks(
        before_traffic=lambda: smoke_test("{{ params.url }}", "{{ params.version }}").operator
    ),
    **OPTIONS,
)
