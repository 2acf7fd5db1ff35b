"""Gates that judge a canary on a real node by a real Prometheus, and act by themselves."""

from __future__ import annotations

import pytest
from driver import Driver
from gate_driver import GateDriver
from kube_lab import Shop
from real_servers import Prometheus

from airflow_rollout.analysis.verdict import Verdict

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]


def test_a_good_version_passes_its_gate(shop: Shop, prometheus: Prometheus) -> None:
    with GateDriver(shop, "v2", prometheus) as gate:
        piece = gate.judged()
    assert piece.judgement.verdict is Verdict.PASS, piece.judgement.reason
    assert shop.weights() == {"checkout": 80, "checkout-canary": 20}


def test_a_version_that_answers_500_loses_its_traffic_by_the_gates_write(
    shop: Shop, prometheus: Prometheus
) -> None:
    with GateDriver(shop, "errors", prometheus) as gate:
        piece = gate.judged()
    assert piece.judgement.verdict is Verdict.FAIL
    assert "http_500_rate" in piece.judgement.reason
    assert piece.stop is not None
    assert piece.stop.written_at is not None
    assert shop.weights() == {"checkout": 100, "checkout-canary": 0}
    # Half a second on a quiet machine; abort_times.py measures it.
    assert gate.last_canary() - piece.stop.decided_at < 3.0
    shop.gets_back()


def test_a_version_that_is_slow_loses_its_traffic(shop: Shop, prometheus: Prometheus) -> None:
    with GateDriver(shop, "slow", prometheus) as gate:
        piece = gate.judged()
    assert piece.judgement.verdict is Verdict.FAIL
    assert "p99_latency" in piece.judgement.reason
    shop.gets_back()


def test_a_version_that_crashes_under_traffic_loses_it(shop: Shop, prometheus: Prometheus) -> None:
    with GateDriver(shop, "crashlater", prometheus) as gate:
        piece = gate.judged()
    assert piece.judgement.verdict is Verdict.FAIL
    reason = piece.judgement.reason
    # Seen as a crash loop, or before that as a canary of which too little is left.
    assert "crashes" in reason or "not available" in reason, reason
    shop.gets_back()


def test_a_weight_set_by_hand_stops_the_gate(shop: Shop, prometheus: Prometheus) -> None:
    def by_hand(driver: Driver) -> None:
        path = "/spec/rules/0/backendRefs/1/weight"
        driver.shop.patch("HTTPRoute", "checkout", [{"op": "replace", "path": path, "value": 90}])

    with GateDriver(shop, "v2", prometheus) as gate:
        piece = gate.judged(meanwhile=by_hand)
    assert piece.judgement.verdict is Verdict.FAIL
    assert "by somebody" in piece.judgement.reason
    shop.gets_back()
