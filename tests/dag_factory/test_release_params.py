"""What a release may say belongs to the DAG, once."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from airflow_rollout import rollout_dag

ROOT = Path(__file__).parents[2]


def _dag(**dag_args: object):
    return rollout_dag(
        ROOT / "dags" / "specs" / "checkout.yaml", dag_id="checkout", dag_args=dag_args
    )


def test_dag_says_what_a_release_may_say() -> None:
    params = _dag().params
    assert set(params) == {
        "version", "url", "interval", "dispersion", "skip_analysis", "reason",
    }  # fmt: skip
    assert params.get_param("version").schema["type"] == "string"


def test_tasks_hold_no_copies_of_the_params() -> None:
    dag = _dag()
    assert dag.tasks
    assert [task.task_id for task in dag.tasks if task.params] == []


def test_default_args_cannot_replace_what_a_release_says() -> None:
    params = _dag(default_args={"params": {"version": "v1", "team": "payments"}}).params
    assert params["team"] == "payments"
    assert params.get_param("version").schema["type"] == "string"


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"skip_analysis": True, "reason": "closes a hole"}, "closes a hole"),
        ({"skip_analysis": True, "reason": None}, "true"),
        ({"skip_analysis": False, "reason": "closes a hole"}, ""),
        ({"skip_analysis": False, "reason": None}, ""),
    ],
)
def test_a_hotfix_hands_on_why(params: dict[str, object], reason: str) -> None:
    template = jinja2.Template(_dag().get_task("prepare").skip_analysis)
    assert template.render(params=params) == reason
