"""Release of checkout on Kubernetes; put it and its document into Airflow's DAGs folder."""

from airflow_rollout import rollout_dag

rollout_dag("checkout.yaml")
