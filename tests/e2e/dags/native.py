"""A rollout whose file says everything."""

from airflow_rollout import rollout_dag

rollout_dag("self_contained.yaml")
