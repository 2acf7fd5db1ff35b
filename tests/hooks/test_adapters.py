"""Which workloads go with which routers, found before a release."""

from __future__ import annotations

import pytest

from airflow_rollout.errors import SpecError
from airflow_rollout.hooks.adapters import Adapters, make_adapters
from airflow_rollout.spec.loader import parse_spec
from airflow_rollout.traffic.registry import ROUTERS
from airflow_rollout.workloads.base import Place
from airflow_rollout.workloads.deployment import DeploymentWorkload
from airflow_rollout.workloads.registry import WORKLOADS

_DOCUMENT = """
apiVersion: airflow-rollout/v1
kind: Rollout
metadata: {{name: app}}
spec:
  workload: {{kind: {workload}}}
  traffic: {{router: {router}, conn_id: c}}
  canary: {{steps: [{{weight: 5, hold: 5s}}]}}
  analysis:
    source: {{provider: prometheus, conn_id: m, every: 1s}}
    metrics: [{{name: errors, query: up, max: 1}}]
"""

_FIT = {
    ("gateway_api", "deployment"),
    ("replicas", "deployment"),
    ("traefik_file", "endpoints"),
}


def made(router: str, workload: str) -> Adapters:
    text = _DOCUMENT.format(router=router, workload=workload)
    return make_adapters(parse_spec(text, file="app.yaml"))


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("router", ROUTERS)
def test_a_workload_goes_with_the_routers_that_can_lead_to_it(router: str, workload: str) -> None:
    if (router, workload) in _FIT:
        assert made(router, workload)
        return
    (allowed,) = (fit for on, fit in _FIT if on == router)
    with pytest.raises(SpecError, match=f"does not go with router {router}") as caught:
        made(router, workload)
    assert str(caught.value).startswith("app.yaml: workload.kind: ")
    assert f"allowed: {allowed}" in str(caught.value)


def test_errors_of_grpc_are_not_counted_by_the_gateway() -> None:
    text = _DOCUMENT.format(router="gateway_api", workload="deployment")
    built_in = text.replace("{name: errors, query: up, max: 1}", "{name: http_500_rate, max: 1%}")
    assert make_adapters(parse_spec(built_in, file="app.yaml"))
    grpc = built_in.replace("router: gateway_api", "router: gateway_api, kind: GRPCRoute")
    with pytest.raises(SpecError, match="does not count errors of gRPC"):
        make_adapters(parse_spec(grpc, file="app.yaml"))
    own = grpc.replace("{name: http_500_rate, max: 1%}", "{name: errors, query: up, max: 1}")
    assert make_adapters(parse_spec(own, file="app.yaml"))


def test_behind_one_service_pods_are_the_weight_and_nothing_counts_requests() -> None:
    text = _DOCUMENT.format(router="replicas, key: slot", workload="deployment")
    workload = make_adapters(parse_spec(text, file="app.yaml")).workload
    same = DeploymentWorkload(
        name="app", place=Place(namespace="default", service="app", arm_label="slot")
    )
    # Each has an id of its own.
    assert {**vars(workload), "_id": ""} == {**vars(same), "_id": ""}
    assert same.grows
    sized = text.replace("kind: deployment", "kind: deployment, size: full")
    with pytest.raises(SpecError, match=r"app.yaml: workload.size: pods are what weights are made"):
        make_adapters(parse_spec(sized, file="app.yaml"))
    built_in = text.replace("{name: errors, query: up, max: 1}", "{name: http_500_rate, max: 1%}")
    with pytest.raises(SpecError, match=r"replicas counts no requests.*allowed: a query"):
        make_adapters(parse_spec(built_in, file="app.yaml"))
