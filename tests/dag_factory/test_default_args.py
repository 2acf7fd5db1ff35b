"""A user's default_args and dag_args: what they reach, what they may not say."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, TriggerRule
from rollouts import make

DEFAULTS: dict[str, Any] = {
    "trigger_rule": "all_done",
    "pool": "narrow",
    "priority_weight": 1,
    "weight_rule": "downstream",
    "retries": 7,
    "retry_delay": timedelta(hours=1),
    "execution_timeout": timedelta(seconds=1),
    "depends_on_past": True,
    "wait_for_downstream": True,
    "owner": "payments",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> DAG:
    return make(tmp_path_factory.mktemp("shop"), dag_args={"default_args": DEFAULTS})


def test_no_trigger_rule_reaches_the_tasks_of_a_release(shop: DAG) -> None:
    rules = {task.task_id: task.trigger_rule for task in shop.tasks}
    assert rules.pop("rollback") is TriggerRule.ONE_FAILED
    assert rules.pop("ensure_safe") is TriggerRule.ALL_DONE_SETUP_SUCCESS
    assert set(rules.values()) == {TriggerRule.ALL_SUCCESS}


def test_no_pool_priority_or_pause_of_the_users_reaches_the_way_back(shop: DAG) -> None:
    for task_id in ("rollback", "ensure_safe"):
        task = shop.get_task(task_id)
        assert (task.pool, task.priority_weight, str(task.weight_rule)) == (
            "default_pool", 1000, "absolute",
        )  # fmt: skip
        assert (task.retries, task.retry_delay) == (5, timedelta(seconds=1))
        assert task.execution_timeout is None


def test_gates_are_not_repeated_and_not_cut(shop: DAG) -> None:
    for task_id in ("ready", "step_01.gate", "step_02.gate", "step_full.gate"):
        task = shop.get_task(task_id)
        assert (task.retries, task.execution_timeout) == (0, None)


def test_no_task_waits_for_another_run(shop: DAG) -> None:
    for task in shop.tasks:
        assert task.depends_on_past is False, task.task_id
        assert task.wait_for_downstream is False, task.task_id


def test_a_worker_that_died_costs_seconds_not_the_users_retry_delay(shop: DAG) -> None:
    for task_id in ("prepare", "step_01.promote", "promotion"):
        assert shop.get_task(task_id).retry_delay == timedelta(seconds=1)


def test_what_harms_nobody_reaches_every_task(shop: DAG) -> None:
    assert {task.owner for task in shop.tasks} == {"payments"}


@pytest.mark.parametrize("setting", ["soft_fail", "never_fail", "silent_fail"])
def test_a_gate_that_would_fail_quietly_is_refused(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ValueError, match=f"ready: {setting}=True would skip the rollback"):
        make(tmp_path, dag_args={"default_args": {setting: True}})


@pytest.mark.parametrize(
    "argument",
    [
        "schedule", "catchup", "max_active_runs", "dagrun_timeout", "fail_fast", "params",
        "allowed_run_types", "dag_id", "render_template_as_native_obj",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [None, 1])
def test_what_the_factory_owns_is_refused_with_the_reason(
    tmp_path: Path, argument: str, value: object
) -> None:
    with pytest.raises(ValueError, match=f"dag_args may not set {argument}: [a-z].{{10,}}"):
        make(tmp_path, dag_args={argument: value})


def test_the_rest_is_the_users(tmp_path: Path) -> None:
    arguments = {"tags": ["payments"], "doc_md": "# ours", "description": "Shop", "owner_links": {}}
    dag = make(tmp_path, dag_id="shop-eu", dag_args=arguments)
    assert (dag.dag_id, dag.doc_md, dag.description) == ("shop-eu", "# ours", "Shop")
    assert set(dag.tags) == {"rollout", "payments"}
    assert arguments["tags"] == ["payments"], "the caller's mapping is left as it was"
    assert set(arguments) == {"tags", "doc_md", "description", "owner_links"}


def test_an_argument_that_airflow_does_not_know_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="colour"):
        make(tmp_path, dag_args={"colour": "green"})
