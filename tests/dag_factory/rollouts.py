"""Rollout documents on disk, and what a call says about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from airflow_rollout import rollout_dag

__all__ = ["FLAGGER", "NATIVE", "SAID", "make", "plain_edges", "written"]

NATIVE = """\
apiVersion: airflow-rollout/v1
kind: Rollout
metadata: {name: shop, namespace: prod}
spec:
  workload: {kind: endpoints}
  traffic: {router: traefik_file, service: shop, conn_id: edge}
  canary:
    steps: [{weight: 10, hold: 30s}, {weight: 50, hold: 1m}]
  analysis:
    source: {provider: scrape, conn_id: edge_metrics, every: 1s}
    metrics:
    - {name: http_500_rate, max: 1%}
"""

FLAGGER = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: shop, namespace: prod}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  analysis:
    interval: 1m
    threshold: 3
    maxWeight: 40
    stepWeight: 20
    metrics:
    - {name: request-success-rate, interval: 1m, thresholdRange: {min: 99}}
"""

# What a Flagger document cannot say.
SAID: dict[str, Any] = {
    "workload": "endpoints",
    "router": "traefik_file",
    "router_conn_id": "edge",
    "provider": "scrape",
    "provider_conn_id": "edge_metrics",
    "every": "1s",
}


def written(folder: Path, text: str) -> Path:
    """Write a document into a folder and return its path."""
    path = folder / "shop.yaml"
    path.write_text(text)
    return path


def make(folder: Path, text: str = NATIVE, **arguments: Any) -> DAG:
    """Return the DAG of a document."""
    return rollout_dag(written(folder, text), **arguments)


def plain_edges(dag: Any) -> dict[str, set[str]]:
    """Return each task's upstream tasks."""
    return {task.task_id: set(task.upstream_task_ids) for task in dag.tasks}
