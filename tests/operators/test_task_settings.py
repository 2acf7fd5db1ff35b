"""What a user's default_args may not change in the tasks of a release."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG
from in_memory import make_spec

from airflow_rollout.hooks.links import ReleaseRecordLink
from airflow_rollout.operators.base import ReleaseOperator
from airflow_rollout.operators.deploy import DeployCanaryOperator
from airflow_rollout.operators.ensure_safe import EnsureSafeOperator
from airflow_rollout.operators.prepare import PrepareReleaseOperator
from airflow_rollout.operators.promote import PromoteStepOperator
from airflow_rollout.operators.promotion import PromoteCanaryOperator
from airflow_rollout.operators.rollback import RollbackOperator

ARGUMENTS: dict[type[ReleaseOperator], dict[str, Any]] = {
    PrepareReleaseOperator: {"version": "v2", "target": "http://127.0.0.1:2"},
    DeployCanaryOperator: {"prepare_task_id": "prepare"},
    PromoteStepOperator: {"step_id": "step_01", "prepare_task_id": "prepare"},
    PromoteCanaryOperator: {"prepare_task_id": "prepare"},
    RollbackOperator: {},
    EnsureSafeOperator: {"released_task_id": "released"},
}

OPERATORS = pytest.mark.parametrize("kind", ARGUMENTS, ids=lambda kind: kind.__name__)


def make(kind: type[ReleaseOperator], **changes: Any) -> ReleaseOperator:
    return kind(task_id="task", spec=make_spec(), **{**ARGUMENTS[kind], **changes})


@OPERATORS
def test_no_task_waits_for_an_earlier_run(kind: type[ReleaseOperator]) -> None:
    waiting = {"depends_on_past": True, "wait_for_downstream": True}
    with DAG("shop", schedule=None, default_args=waiting):
        from_defaults = make(kind)
    for task in (from_defaults, make(kind, **waiting)):
        assert task.depends_on_past is False
        assert task.wait_for_downstream is False


@pytest.mark.parametrize("kind", [RollbackOperator, EnsureSafeOperator])
def test_no_timeout_cuts_the_way_back(kind: type[ReleaseOperator]) -> None:
    limit = {"execution_timeout": timedelta(seconds=1)}
    with DAG("shop", schedule=None, default_args=limit):
        from_defaults = make(kind)
    for task in (from_defaults, make(kind, **limit)):
        assert task.execution_timeout is None


@OPERATORS
def test_the_spec_is_no_template_field(kind: type[ReleaseOperator]) -> None:
    # Jinja would eat the placeholders of its queries.
    assert "spec" not in kind.template_fields
    assert "spec" not in kind.template_fields_renderers


@OPERATORS
def test_every_task_leads_to_the_page_of_its_release(kind: type[ReleaseOperator]) -> None:
    assert [type(link) for link in make(kind).operator_extra_links] == [ReleaseRecordLink]


def test_only_what_a_release_says_is_templated() -> None:
    assert set(PrepareReleaseOperator.template_fields) == {
        "version", "target", "interval", "dispersion", "skip_analysis",
    }  # fmt: skip
    for kind in ARGUMENTS:
        if kind is not PrepareReleaseOperator:
            assert tuple(kind.template_fields) == ()


@OPERATORS
def test_arguments_are_given_by_name(kind: type[ReleaseOperator]) -> None:
    with pytest.raises(TypeError):
        kind(make_spec(), task_id="task", **ARGUMENTS[kind])  # type: ignore[misc]
