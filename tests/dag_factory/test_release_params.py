"""What a release may say belongs to the DAG, once."""

from __future__ import annotations

from pathlib import Path

from airflow_rollout import rollout_dag

ROOT = Path(__file__).parents[2]


def _dag(**dag_args: object):
    return rollout_dag(
        ROOT / "dags" / "specs" / "checkout.yaml", dag_id="checkout", dag_args=dag_args
    )


def test_dag_says_what_a_release_may_say() -> None:
    params = _dag().params
    assert set(params) == {"version", "url", "interval", "dispersion"}
    assert params.get_param("version").schema["type"] == "string"


def test_tasks_hold_no_copies_of_the_params() -> None:
    dag = _dag()
    assert dag.tasks
    assert [task.task_id for task in dag.tasks if task.params] == []


def test_default_args_cannot_replace_what_a_release_says() -> None:
    params = _dag(default_args={"params": {"version": "v1", "team": "payments"}}).params
    assert params["team"] == "payments"
    assert params.get_param("version").schema["type"] == "string"
