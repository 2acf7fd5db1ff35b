"""Which tasks a rollout has, and what each of them waits for."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.sdk import DAG, TriggerRule
from airflow.serialization.serialized_objects import DagSerialization
from airflow.triggers.base import BaseTrigger
from rollouts import make, plain_edges

from airflow_rollout.plan import find_step, make_plan
from airflow_rollout.spec.model import RolloutSpec
from airflow_rollout.triggers.gate import GateTrigger

CHAIN = [
    "start", "prepare", "deploy", "ready",
    "step_01.promote", "step_01.gate",
    "step_02.promote", "step_02.gate",
    "step_full.promote", "step_full.gate",
    "promotion", "released",
]  # fmt: skip
RISKY = set(CHAIN[1:-1])


def test_the_tasks_follow_each_other_from_start_to_released(shop: DAG) -> None:
    edges = plain_edges(shop)
    assert set(edges) == {*CHAIN, "rollback", "ensure_safe"}
    for before, task in pairwise(CHAIN):
        assert edges[task] == {before}
    assert edges["start"] == set()


def test_rollback_waits_for_the_first_failure_of_anything_that_can_fail(shop: DAG) -> None:
    rollback = shop.get_task("rollback")
    assert rollback.trigger_rule is TriggerRule.ONE_FAILED
    assert set(rollback.upstream_task_ids) == RISKY


def test_released_is_a_leaf_that_makes_a_rolled_back_run_red(shop: DAG) -> None:
    assert shop.get_task("released").downstream_task_ids == set()
    assert "released" not in shop.get_task("rollback").upstream_task_ids
    # A teardown that may fail the run counts as a leaf; what lies before a leaf is none.
    assert "released" not in shop.get_task("ensure_safe").upstream_task_ids


def test_ensure_safe_is_the_teardown_of_the_whole_release(shop: DAG) -> None:
    teardown = shop.get_task("ensure_safe")
    assert teardown.is_teardown
    assert teardown.on_failure_fail_dagrun
    assert teardown.trigger_rule is TriggerRule.ALL_DONE_SETUP_SUCCESS
    assert set(teardown.upstream_task_ids) == {"start", "promotion", "rollback"}
    assert shop.get_task("start").is_setup


def test_every_task_on_the_way_up_needs_all_before_it(shop: DAG) -> None:
    rules = {shop.get_task(task_id).trigger_rule for task_id in CHAIN}
    assert rules == {TriggerRule.ALL_SUCCESS}


def test_the_way_back_goes_ahead_of_everything_in_a_pool_that_exists(shop: DAG) -> None:
    for task_id in ("rollback", "ensure_safe"):
        task = shop.get_task(task_id)
        assert (task.pool, task.priority_weight) == ("default_pool", 1000)
        assert str(task.weight_rule) == "absolute"
        assert task.retries == 5
        assert task.execution_timeout is None


def test_gates_are_never_repeated_and_end_at_a_backstop_of_their_own(shop: DAG) -> None:
    for step_id in ("step_01", "step_02", "step_full"):
        gate: Any = shop.get_task(f"{step_id}.gate")
        assert gate.retries == 0
        assert gate.start_from_trigger
        assert gate.start_trigger_args.timeout == timedelta(
            seconds=find_step(gate.spec, step_id).backstop_seconds
        )
        assert gate.promote_task_id == f"{step_id}.promote"


def test_each_promote_takes_over_from_the_step_before(shop: DAG) -> None:
    steps: list[Any] = [
        shop.get_task(f"{it}.promote") for it in ("step_01", "step_02", "step_full")
    ]
    assert [step.previous_task_ids for step in steps] == [
        (), ("step_01.gate", "step_01.promote"), ("step_02.gate", "step_02.promote"),
    ]  # fmt: skip
    assert {step.prepare_task_id for step in steps} == {"prepare"}


def test_the_tasks_that_tell_the_story_are_known_to_the_way_back(shop: DAG) -> None:
    rollback: Any = shop.get_task("rollback")
    ensure_safe: Any = shop.get_task("ensure_safe")
    assert set(rollback.told_by) == RISKY
    assert set(ensure_safe.told_by) == {*RISKY, "rollback"}
    prepare: Any = shop.get_task("prepare")
    assert set(prepare.way_back_task_ids) == {"rollback", "ensure_safe"}
    assert ensure_safe.released_task_id == "released"
    assert rollback.prepare_task_id == ensure_safe.prepare_task_id == "prepare"


def test_a_run_is_one_release_started_by_ci_or_by_hand(shop: DAG) -> None:
    assert (shop.dag_id, shop.max_active_runs, shop.catchup) == ("shop", 1, False)
    assert shop.dagrun_timeout is None
    assert not shop.fail_fast
    assert shop.allowed_run_types == {"manual"}
    assert shop.timetable.can_be_scheduled is False
    assert "rollout" in shop.tags


def test_the_documentation_says_what_will_happen(shop: DAG) -> None:
    text = shop.doc_md or ""
    plan = make_plan(shop.get_task("rollback").spec)  # type: ignore[attr-defined]
    for words in (
        "| step_01 | 10 % | 30 s |", "| step_02 | 50 % | 60 s |", "| verify | 100 % |",
        "| http_500_rate | at most 0.01 | compared |",
        f"Longest exposure of a version that nobody can judge {plan.longest_exposure_seconds:g} s",
    ):  # fmt: skip
        assert words in text
    gate = shop.get_task("step_02.gate").doc_md or ""
    assert "at 50 % for at least 60 s" in gate
    for task in shop.tasks:
        assert task.doc_md or task.task_id == "start", task.task_id


def test_an_observing_rollout_says_so(tmp_path: Path) -> None:
    assert "**Observes only**" in (make(tmp_path, mode="observe").doc_md or "")


# --- Airflow's own serialization ---


@pytest.fixture(scope="module")
def stored(shop: DAG) -> Any:
    """Return the DAG as the scheduler sees it, through its table and back."""
    return DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(shop))))


def test_the_stored_dag_has_the_same_tasks_and_edges(shop: DAG, stored: Any) -> None:
    assert plain_edges(stored) == plain_edges(shop)
    for task in shop.tasks:
        assert stored.get_task(task.task_id).trigger_rule == task.trigger_rule
        assert stored.get_task(task.task_id).retries == task.retries


def test_a_parse_changes_nothing_in_what_is_stored(shop: DAG, tmp_path: Path) -> None:
    # A value that differs from parse to parse would make a new version of the DAG each time.
    again = make(tmp_path)
    for dag in (shop, again):
        dag.fileloc = "same"
    stored = [json.dumps(DagSerialization.to_dict(dag), sort_keys=True) for dag in (shop, again)]
    file = str(tmp_path / "shop.yaml")
    known: Any = shop.get_task("rollback")
    assert stored[0] == stored[1].replace(file, known.spec.file)


def test_the_scheduler_starts_the_gates_trigger_with_the_spec_as_it_is(
    shop: DAG, stored: Any
) -> None:
    arguments = stored.get_task("step_02.gate").start_trigger_args
    row = Trigger(classpath=arguments.trigger_cls, kwargs=arguments.trigger_kwargs)
    made: Any = _started_by_triggerer(row)
    assert isinstance(made, GateTrigger)
    assert made.step_id == "step_02"
    assert RolloutSpec.from_builtins(made.spec) == shop.get_task("rollback").spec  # type: ignore[attr-defined]


def _started_by_triggerer(row: Trigger) -> BaseTrigger:
    from airflow.serialization.decoders import smart_decode_trigger_kwargs

    return GateTrigger(**smart_decode_trigger_kwargs(row.kwargs))
