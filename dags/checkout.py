"""Release of checkout, described in the native format."""

from airflow_rollout import rollout_dag

rollout_dag("specs/checkout.yaml")
