"""A route on a Kubernetes API in memory, and the router that is asked of it."""

from __future__ import annotations

import pytest
from gateway_world import make_api, make_router
from kube_api import KubeApi

from airflow_rollout.traffic.gateway_api import GatewayApiRouter


@pytest.fixture
def api() -> KubeApi:
    return make_api()


@pytest.fixture
def router() -> GatewayApiRouter:
    return make_router()
