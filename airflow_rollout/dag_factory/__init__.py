"""PlannedSteps -> DAG or TaskGroup: which operator, which edges, which trigger rules."""

from __future__ import annotations

from airflow_rollout.dag_factory.factory import rollout_dag, rollout_task_group
from airflow_rollout.dag_factory.group import RolloutTaskGroup
from airflow_rollout.dag_factory.tasks import OwnTasks

__all__ = ["OwnTasks", "RolloutTaskGroup", "rollout_dag", "rollout_task_group"]
