"""A Deployment on a Kubernetes API in memory, and the workload that is asked of it."""

from __future__ import annotations

import pytest
from kube_api import KubeApi
from shop import make_api, make_shop

from airflow_rollout.workloads.deployment import DeploymentWorkload


@pytest.fixture
def api() -> KubeApi:
    return make_api()


@pytest.fixture
def workload() -> DeploymentWorkload:
    return make_shop()
