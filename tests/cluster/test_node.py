"""Router and workload on a real node, driven as the tasks of a release drive them."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from driver import SPEC, Driver
from gateway_part import GATEWAY
from images import image
from kube_lab import Shop
from rollout import Load

from airflow_rollout.errors import ReleaseRefused

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

_HELD_SECONDS = 3.0


@pytest.mark.parametrize("weights", [(10, 50, 100), (100,)], ids=["canary", "blue-green"])
def test_a_promotion_under_five_hundred_requests_a_second_loses_none(
    shop: Shop, weights: tuple[int, ...]
) -> None:
    release, load = Driver(shop, "v2"), Load(shop)
    load.start(500.0)
    try:
        release.start()
        assert release.ready().ok
        for before, weight in pairwise((0, *weights)):
            release.raise_to(weight, before)
            time.sleep(_HELD_SECONDS)
        release.promote()
    finally:
        answers = load.stop()
    assert [one for one in answers if one.is_failed] == []
    assert {one.version for one in answers} == {"v1", "v2"}
    assert len(answers) > 500 * _HELD_SECONDS
    assert shop.made() == []


def test_a_rollback_takes_the_traffic_and_removes_the_canary(shop: Shop) -> None:
    release = Driver(shop, "v2")
    before = shop.get("Deployment")
    release.at(50)
    release.go_back()
    assert shop.answers(50) == {"v1": 50}
    assert shop.weights() == {"checkout": 1}
    assert shop.made() == []
    after = shop.get("Deployment")
    assert before is not None
    assert after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    with pytest.raises(ReleaseRefused, match="stopped"):
        release.raise_to(50, 0)


def test_a_promotion_that_gets_stuck_leaves_the_canary_its_traffic(shop: Shop) -> None:
    release = Driver(shop, "v2")
    release.at(10)
    release.raise_to(100, 10)
    shop.has_room_for(4)
    move = release.promote_until_stuck()
    assert "exceeded quota" in move.reason
    shop.until(lambda: set(shop.answers(20)) == {"v2"}, "all traffic on the canary")
    # What the tasks of a run do that has failed.
    release.go_back(stuck_stays=True)
    assert set(shop.answers(20)) == {"v2"}
    # The cause is mended, and a person clears the promotion.
    shop.admin.delete("ResourceQuota", "small", shop.name)
    shop.until(release.stable_takes_over, "stable serves the new version")
    release.promote()
    assert shop.stable_image() == image("v2")
    assert shop.answers(20) == {"v2": 20}
    assert shop.made() == []


def test_a_person_takes_a_stuck_promotion_back(shop: Shop) -> None:
    release = Driver(shop, "v2")
    release.at(10)
    release.raise_to(100, 10)
    shop.has_room_for(4)
    release.promote_until_stuck()
    release.go_back()
    assert shop.stable_image() == image("v1")
    shop.until(lambda: shop.answers(20) == {"v1": 20}, "all traffic on stable")
    assert shop.made() == []


def test_a_grpc_route_carries_a_release(shop: Shop) -> None:
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GRPCRoute",
        "metadata": {"name": "checkout"},
        "spec": {
            "parentRefs": [GATEWAY],
            "hostnames": [f"grpc.{shop.host}"],
            "rules": [{"backendRefs": [{"name": "checkout", "port": 80}]}],
        },
    }
    shop.admin.apply(route, shop.name)
    shop.until(lambda: shop.is_accepted("GRPCRoute"), "the gateway has accepted the route")
    text = SPEC.format(namespace=shop.name).replace(
        "service: checkout", "service: checkout, kind: GRPCRoute"
    )
    text = text.replace("{name: http_500_rate, max: 1%}", "{name: p99_latency, max: 1s}")
    release = Driver(shop, "v2", text=text)
    (advice,) = release.preflight()
    assert advice.startswith("GRPCRoute checkout is applied by somebody: ")
    release.start()
    assert release.ready().ok
    release.raise_to(10, 0)
    assert shop.weights("GRPCRoute") == {"checkout": 90, "checkout-canary": 10}
    shop.until(lambda: shop.is_accepted("GRPCRoute"), "the gateway has accepted the weights")
    release.go_back()
    assert shop.weights("GRPCRoute") == {"checkout": 1}
    assert shop.made() == []
