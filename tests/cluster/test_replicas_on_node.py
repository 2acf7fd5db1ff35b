"""A release without a router on a real node: the gateway follows the Service by itself."""

from __future__ import annotations

import json

import pytest
from driver import Driver
from kube_lab import Shop

from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.hooks.moves import wait_live
from airflow_rollout.hooks.sizing import until_sized
from airflow_rollout.plan import make_plan

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

_SPEC = """
apiVersion: airflow-rollout/v1
kind: Rollout
metadata: {{name: checkout, namespace: {namespace}}}
spec:
  workload: {{kind: deployment}}
  traffic: {{router: replicas, service: checkout, conn_id: cluster}}
  canary: {{steps: [{{weight: 10, hold: 5s}}]}}
  analysis:
    source: {{provider: prometheus, conn_id: metrics, every: 1s}}
    metrics: [{{name: errors, query: up, max: 1}}]
"""

_LABELS = {"app": "checkout", "track": "stable"}


def _pods(shop: Shop) -> list[str]:
    found = json.loads(shop.admin.ask("GET", f"/api/v1/namespaces/{shop.name}/pods"))
    return [one["metadata"]["name"] for one in found["items"]]


def _give_second_label(shop: Shop) -> None:
    """Make the example's Deployment anew with a second label: its selector cannot be changed."""
    found = shop.get("Deployment")
    assert found is not None
    spec = found["spec"]
    spec["selector"] = {"matchLabels": _LABELS}
    spec["template"]["metadata"] = {"labels": _LABELS}
    shop.admin.delete("Deployment", "checkout", shop.name)
    shop.until(lambda: _pods(shop) == [], "the pods with one label are gone")
    kind = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout"}}
    shop.admin.apply({**kind, "spec": spec}, shop.name)
    shop.patch("Service", "checkout", {"spec": {"selector": _LABELS}})
    # Both of them, and the gateway knows them: the shares below are of all pods.
    shop.until(lambda: len(_endpoints(shop)) == 2, "both pods are behind the Service")
    shop.until(lambda: shop.answers(20) == {"v1": 20}, "the stable version serves")


def _endpoints(shop: Shop) -> list[str]:
    """Return the pods that are ready behind the Service."""
    path = f"/apis/discovery.k8s.io/v1/namespaces/{shop.name}/endpointslices"
    query = "?labelSelector=kubernetes.io/service-name%3Dcheckout"
    found = json.loads(shop.admin.ask("GET", path + query))
    return [
        endpoint["targetRef"]["name"]
        for one in found["items"]
        for endpoint in one.get("endpoints") or []
        if endpoint["conditions"].get("ready")
    ]


def _selector(shop: Shop) -> dict[str, str]:
    found = shop.get("Service")
    assert found is not None
    return dict(found["spec"]["selector"])


def _rise(release: Driver, weight: int) -> None:
    """Do what the task `promote` does, and see it in the endpoints."""
    (step,) = [step for step in make_plan(release.spec).steps if step.weight == weight]
    release.do(
        lambda systems: until_sized(
            systems, token=release.token, canary=release.canary, step=step, seconds=60.0, say=print
        )
    )
    release.raise_to(weight, step.previous_weight, step.id)
    release.do(lambda systems: wait_live(systems, weight, seconds=30.0))


def test_without_a_router_a_version_gets_some_pods_then_all_and_goes_back(shop: Shop) -> None:
    _give_second_label(shop)
    route = shop.get("HTTPRoute")
    assert route is not None
    release = Driver(shop, "v2", text=_SPEC.format(namespace=shop.name))
    told = release.do(lambda systems: systems.preflight([10, 100]))
    assert told == ["step of 10 % will be 33 %: 1 of 3 pods"]
    release.start()
    probe = release.ready()
    assert probe.ok, probe
    assert shop.answers(20) == {"v1": 20}

    _rise(release, 10)
    assert _selector(shop) == {"app": "checkout"}
    shop.until(lambda: "v2" in shop.answers(20), "the canary answers")
    # A third of 120, and room for the gateway's own way to choose.
    assert 20 <= shop.answers(120)["v2"] <= 60

    _rise(release, 100)
    assert _selector(shop) == {**_LABELS, "track": "stable-canary"}
    shop.until(lambda: shop.answers(20) == {"v2": 20}, "all traffic on the canary")

    release.go_back()
    assert _selector(shop) == _LABELS
    shop.gets_back()
    assert shop.made() == []
    after = shop.get("HTTPRoute")
    assert after is not None
    assert after["metadata"]["generation"] == route["metadata"]["generation"]


def test_without_a_router_an_abort_takes_the_traffic_of_all_pods_at_once(shop: Shop) -> None:
    _give_second_label(shop)
    release = Driver(shop, "v2", text=_SPEC.format(namespace=shop.name))
    release.start()
    assert release.ready().ok
    _rise(release, 10)
    release.go_back()
    shop.gets_back()
    assert shop.made() == []


def test_one_label_is_not_enough_for_a_release_without_a_router(shop: Shop) -> None:
    release = Driver(shop, "v2", text=_SPEC.format(namespace=shop.name))
    with pytest.raises(PermanentAdapterError, match="a second label such as track: stable"):
        release.preflight()
    assert shop.made() == []
