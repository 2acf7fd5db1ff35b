"""PlannedSteps -> DAG or TaskGroup: which operator, which edges, which trigger rules."""

from __future__ import annotations

from airflow_rollout.dag_factory.factory import rollout_dag, rollout_task_group
from airflow_rollout.dag_factory.group import RolloutTaskGroup

__all__ = ["RolloutTaskGroup", "rollout_dag", "rollout_task_group"]
