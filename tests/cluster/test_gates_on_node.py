"""A gate that judges a canary on a real node by a real Prometheus, and acts by itself."""

from __future__ import annotations

import pytest
from gate_driver import GateDriver
from kube_lab import Shop
from real_servers import Prometheus

from airflow_rollout.analysis.verdict import Verdict

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]


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
