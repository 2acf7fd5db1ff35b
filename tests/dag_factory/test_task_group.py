"""A rollout inside a user's own DAG, and the user's own tasks inside a rollout."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TaskGroup, TriggerRule, task_group
from airflow.serialization.serialized_objects import DagSerialization
from rollouts import NATIVE, make, plain_edges, written

from airflow_rollout import OwnTasks, rollout_task_group
from airflow_rollout.plan import PlannedStep


def embed(folder: Path, **arguments: Any) -> TaskGroup:
    values = {"version": "v2", "target": "http://127.0.0.1:2", **arguments}
    return rollout_task_group(written(folder, NATIVE), **values)


def pipeline(**arguments: Any) -> DAG:
    return DAG("pipeline", schedule=None, **arguments)


def test_the_same_tasks_stand_in_the_users_dag(tmp_path: Path) -> None:
    with pipeline() as dag:
        embed(tmp_path)
    alone = make(tmp_path)
    assert set(dag.task_ids) == {f"shop.{task_id}" for task_id in alone.task_ids}
    expected = {
        f"shop.{task_id}": {f"shop.{before}" for before in upstream}
        for task_id, upstream in plain_edges(alone).items()
    }
    assert plain_edges(dag) == expected


def test_what_follows_the_group_hangs_on_released_only(tmp_path: Path) -> None:
    with pipeline() as dag:
        build, publish = EmptyOperator(task_id="build"), EmptyOperator(task_id="publish")
        build >> embed(tmp_path) >> publish
    assert dag.get_task("publish").upstream_task_ids == {"shop.released"}
    assert dag.get_task("build").downstream_task_ids == {"shop.start"}


@pytest.mark.parametrize("way", ["chain", "set_downstream", "upstream of the task"])
def test_every_way_to_follow_a_group_means_released(tmp_path: Path, way: str) -> None:
    with pipeline() as dag:
        publish = EmptyOperator(task_id="publish")
        group = embed(tmp_path)
        if way == "chain":
            [group] >> publish
        elif way == "set_downstream":
            group.set_downstream(publish)
        else:
            publish << group
    assert dag.get_task("publish").upstream_task_ids == {"shop.released"}


def test_a_group_inside_a_group_follows_the_same_rule(tmp_path: Path) -> None:
    with pipeline() as dag:
        publish = EmptyOperator(task_id="publish")
        with TaskGroup("eu"):
            group = embed(tmp_path, group_id="release")
        group >> publish
    assert dag.get_task("publish").upstream_task_ids == {"eu.release.released"}
    prepare: Any = dag.get_task("eu.release.prepare")
    assert prepare.group == "eu.release"
    gate: Any = dag.get_task("eu.release.step_01.gate")
    assert gate.promote_task_id == "eu.release.step_01.promote"


def test_two_rollouts_of_one_dag_know_their_own_tasks_only(tmp_path: Path) -> None:
    with pipeline() as dag:
        embed(tmp_path, group_id="eu") >> embed(tmp_path, group_id="us")
    for name in ("eu", "us"):
        for task_id in ("rollback", "ensure_safe"):
            task: Any = dag.get_task(f"{name}.{task_id}")
            assert task.group == name
            assert all(told.startswith(f"{name}.") for told in task.told_by)
            assert task.prepare_task_id == f"{name}.prepare"
        prepare: Any = dag.get_task(f"{name}.prepare")
        assert set(prepare.way_back_task_ids) == {f"{name}.rollback", f"{name}.ensure_safe"}
    assert dag.get_task("us.start").upstream_task_ids == {"eu.released"}


def test_the_releases_values_are_the_users_templates(tmp_path: Path) -> None:
    with pipeline() as dag:
        embed(tmp_path, version="{{ params.tag }}", target="{{ params.at }}", interval="5s")
    prepare: Any = dag.get_task("shop.prepare")
    assert (prepare.version, prepare.target, prepare.interval, prepare.dispersion) == (
        "{{ params.tag }}", "{{ params.at }}", "5s", "",
    )  # fmt: skip


def test_an_embedded_rollout_is_stored_by_airflow(tmp_path: Path) -> None:
    with pipeline() as dag:
        embed(tmp_path) >> EmptyOperator(task_id="publish")
    stored: Any = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
    assert plain_edges(stored) == plain_edges(dag)


# --- surroundings that would break the way back ---


def test_without_a_dag_it_says_how_it_is_called(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"needs an open DAG: call it inside `with DAG"):
        embed(tmp_path)


@pytest.mark.parametrize(
    ("argument", "value"), [("dagrun_timeout", timedelta(hours=1)), ("fail_fast", True)]
)
def test_a_dag_that_would_skip_the_rollback_is_refused(
    tmp_path: Path, argument: str, value: object
) -> None:
    with (
        pipeline(**{argument: value}),
        pytest.raises(ValueError, match=f"DAG pipeline sets {argument}: it "),
    ):
        embed(tmp_path)


def test_a_mapped_group_is_refused_at_any_depth(tmp_path: Path) -> None:
    with pipeline():

        @task_group
        def regions(region: str) -> None:
            with TaskGroup("inner"):
                embed(tmp_path)

        with pytest.raises(ValueError, match="group regions is mapped"):
            regions.expand(region=["eu", "us"])


def test_default_args_of_a_surrounding_group_reach_no_trigger_rule(tmp_path: Path) -> None:
    with (
        pipeline() as dag,
        TaskGroup("outer", default_args={"trigger_rule": "all_done", "pool": "narrow"}),
    ):
        embed(tmp_path)
    assert dag.get_task("outer.shop.rollback").trigger_rule is TriggerRule.ONE_FAILED
    assert dag.get_task("outer.shop.rollback").pool == "default_pool"
    assert dag.get_task("outer.shop.promotion").trigger_rule is TriggerRule.ALL_SUCCESS


# --- the user's own tasks ---


def own(*, group: bool = False) -> OwnTasks:
    def smoke_test() -> Any:
        if not group:
            return EmptyOperator(task_id="smoke_test")
        with TaskGroup("smoke_test") as tests:
            EmptyOperator(task_id="login") >> EmptyOperator(task_id="pay")
        return tests

    def load_test(step: PlannedStep) -> Any:
        return EmptyOperator(task_id=f"load_test_{step.weight}") if step.weight < 50 else None

    return OwnTasks(before_traffic=smoke_test, after_step=load_test)


def test_own_tasks_stand_before_traffic_and_between_steps(tmp_path: Path) -> None:
    edges = plain_edges(make(tmp_path, own_tasks=own()))
    assert edges["smoke_test"] == {"ready"}
    assert edges["step_01.promote"] == {"smoke_test"}
    assert edges["load_test_10"] == {"step_01.gate"}
    assert edges["step_02.promote"] == {"load_test_10"}
    assert edges["step_full.promote"] == {"step_02.gate"}, "none was made after this step"


def test_own_tasks_that_fail_lead_to_rollback(tmp_path: Path) -> None:
    dag = make(tmp_path, own_tasks=own())
    assert {"smoke_test", "load_test_10"} <= dag.get_task("rollback").upstream_task_ids
    rollback: Any = dag.get_task("rollback")
    assert not {"smoke_test", "load_test_10"} & set(rollback.told_by)


def test_own_tasks_may_be_a_group(tmp_path: Path) -> None:
    edges = plain_edges(make(tmp_path, own_tasks=own(group=True)))
    assert edges["smoke_test.login"] == {"ready"}
    assert edges["step_01.promote"] == {"smoke_test.pay"}
    assert "smoke_test.pay" in edges["rollback"]


def test_own_tasks_of_a_group_belong_to_it(tmp_path: Path) -> None:
    with pipeline() as dag:
        embed(tmp_path, own_tasks=own())
    assert dag.get_task("shop.smoke_test").upstream_task_ids == {"shop.ready"}


def test_no_step_is_called_for_after_all_traffic(tmp_path: Path) -> None:
    seen: list[int] = []
    make(tmp_path, own_tasks=OwnTasks(after_step=lambda step: seen.append(step.weight)))  # type: ignore[func-returns-value]
    assert seen == [10, 50]
