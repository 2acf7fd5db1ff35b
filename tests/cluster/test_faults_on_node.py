"""What breaks beside a release on a real node: the gate or the rollback leaves it safe."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from driver import Driver
from gate_driver import GateDriver
from images import image
from kube_lab import KubeLab, Shop
from real_servers import Prometheus

from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.record import GatePiece

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

# Longer than a gate tries to write; what is away is there again before a probe is too old.
_AWAY_SECONDS = 12.0
_SAFE_SECONDS = 5.0
# A gateway asks a server that was away for a while more and more rarely whether it is back.
_FOLLOWS_SECONDS = 40.0


@pytest.mark.parametrize("take_away", [KubeLab.kill_api_server, KubeLab.stop_api_server])
def test_an_api_server_that_is_away_at_the_verdict(
    shop: Shop, prometheus: Prometheus, take_away: Callable[[KubeLab, float], None]
) -> None:
    returned: list[float] = []

    def away(driver: Driver) -> None:
        take_away(driver.shop.lab, _AWAY_SECONDS)
        returned.append(time.time())

    with GateDriver(shop, "errors", prometheus) as gate:
        piece = gate.judged(meanwhile=away)
        written_at = gate.roll_back()
        shop.gets_back(seconds=_FOLLOWS_SECONDS)
    assert piece.judgement.verdict is Verdict.FAIL
    assert piece.stop is not None
    assert piece.stop.decided_at < returned[0], "the verdict came too late for this test"
    assert written_at - returned[0] < _SAFE_SECONDS
    print(f"last canary request {gate.last_canary() - returned[0]:.1f} s after the return")
    assert [it for it in gate.answers if it.is_failed and it.version in ("v1", "")] == []
    assert shop.made() == []


def test_rights_that_are_taken_away_in_mid_release(shop: Shop, prometheus: Prometheus) -> None:
    returned: list[float] = []

    def away(driver: Driver) -> None:
        driver.shop.admin.delete("RoleBinding", "airflow-rollout", driver.shop.name)
        time.sleep(_AWAY_SECONDS)
        driver.shop.lab.give_role(driver.shop.name)
        returned.append(time.time())

    with GateDriver(shop, "v2", prometheus) as gate:
        piece = gate.judged(meanwhile=away)
        gate.roll_back()
        shop.gets_back()
    assert piece.judgement.verdict is Verdict.FAIL
    assert piece.stop is not None
    assert "forbidden" in piece.stop.error
    assert gate.last_canary() - returned[0] < _SAFE_SECONDS
    assert shop.made() == []


def is_whole(shop: Shop, piece: GatePiece) -> None:
    """A step that went on has its weight; one that was stopped has none."""
    if piece.judgement.verdict is Verdict.PASS:
        assert shop.weights() == {"checkout": 80, "checkout-canary": 20}
        return
    assert piece.judgement.verdict is Verdict.FAIL
    assert shop.weights() == {"checkout": 100, "checkout-canary": 0}
    shop.gets_back(seconds=90.0)


@pytest.mark.parametrize("name", ["gateway", "node"])
def test_a_gateway_or_a_node_that_is_killed_and_started_again(
    shop: Shop, prometheus: Prometheus, name: str
) -> None:
    def restart(driver: Driver) -> None:
        part = getattr(driver.shop.lab, name)
        part.kill()
        part.start()

    with GateDriver(shop, "v2", prometheus) as gate:
        is_whole(shop, gate.judged(meanwhile=restart))


def by_hand(driver: Driver) -> None:
    driver.shop.patch("Deployment", "checkout", {"spec": {"replicas": 3}})


def by_autoscaler(driver: Driver) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "checkout"},
        "spec": {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 4},
    }
    driver.shop.admin.apply(body, driver.shop.name)


@pytest.mark.parametrize("scale", [by_hand, by_autoscaler])
def test_a_stable_that_is_scaled_stops_nobody(
    shop: Shop, prometheus: Prometheus, scale: Callable[[Driver], None]
) -> None:
    with GateDriver(shop, "v2", prometheus) as gate:
        piece = gate.judged(meanwhile=scale)
    assert piece.judgement.verdict is Verdict.PASS, piece.judgement.reason
    found = shop.get("Deployment")
    assert found is not None
    assert found["spec"]["replicas"] == 3


def rolled(driver: Driver) -> None:
    note = {"metadata": {"annotations": {"restarted": "now"}}}
    driver.shop.patch("Deployment", "checkout", {"spec": {"template": note}})


def scaled_away(driver: Driver) -> None:
    driver.shop.patch("Deployment", "checkout-canary", {"spec": {"replicas": 0}})


def without_rule(driver: Driver) -> None:
    rule = {"backendRefs": [{"name": "elsewhere", "port": 80}]}
    driver.shop.patch("HTTPRoute", "checkout", {"spec": {"rules": [rule]}})


def without_route(driver: Driver) -> None:
    driver.shop.admin.delete("HTTPRoute", "checkout", driver.shop.name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (rolled, "stable changed: checkout is at revision 2, not 1 (somebody at"),
        (scaled_away, "checkout-canary is scaled to 0"),
        (without_rule, "weight set to 0 % by somebody at"),
        (without_route, "HTTPRoute checkout is gone"),
    ],
)
def test_what_somebody_does_to_a_release_ends_it(
    shop: Shop, prometheus: Prometheus, change: Callable[[Driver], None], words: str
) -> None:
    with GateDriver(shop, "v2", prometheus) as gate:
        piece = gate.judged(meanwhile=change)
    assert piece.judgement.verdict is Verdict.FAIL
    assert words in piece.judgement.reason
    gate.roll_back()
    assert shop.made() == []
    assert shop.stable_image() == image("v1")


def test_a_namespace_that_is_deleted_leaves_nothing_to_wait_for(
    kubernetes: KubeLab, prometheus: Prometheus
) -> None:
    shop = kubernetes.namespace("is-deleted")
    with GateDriver(shop, "v2", prometheus) as gate:
        piece = gate.judged(meanwhile=lambda _: shop.admin.delete("Namespace", shop.name))
    assert piece.judgement.verdict is Verdict.FAIL
    began = time.monotonic()
    gate.roll_back()
    assert time.monotonic() - began < 30.0
    assert shop.made() == []
