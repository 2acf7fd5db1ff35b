from __future__ import annotations

from pathlib import Path

import pytest

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.bindings import UNBOUND, Bindings, Known
from airflow_rollout.spec.loader import missing_bindings


def test_nothing_said_misses_everything_a_foreign_file_needs() -> None:
    assert Bindings().missing() == (
        "router", "router_conn_id", "workload", "provider", "provider_conn_id", "every",
    )  # fmt: skip


def test_filling_keeps_what_is_said_and_leaves_out_what_it_is_told() -> None:
    filled = Bindings(router="istio").filled(but="workload")
    assert (filled.router, filled.router_conn_id, filled.workload) == ("istio", UNBOUND, None)
    assert filled.missing() == ("workload",)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("every", {"every_seconds": 0}),
        ("every", {"every_seconds": -1.0}),
        ("every", {"every_seconds": float("nan")}),
        ("every", {"every_seconds": "1s"}),
        ("every", {"every_seconds": True}),
        ("dispersion", {"dispersion": 0.9}),
        ("dispersion", {"dispersion": "4"}),
        ("warmup", {"warmup_seconds": -1}),
        ("warmup", {"warmup_seconds": float("inf")}),
    ],
)
def test_a_number_that_means_nothing_is_refused_under_its_callers_name(
    name: str, said: dict[str, float]
) -> None:
    with pytest.raises(SpecError) as caught:
        Bindings(**said)  # type: ignore[arg-type]
    assert caught.value.path == name


def test_names_are_not_checked_unless_they_are_known() -> None:
    assert Known().fault("router", "anything") == ""
    assert Known(routers=("b", "a")).fault("router", "c") == "a, b"
    assert Known(routers=("b", "a")).fault("router", "a") == ""
    assert Known(routers=()).fault("router", "a") == "none is installed"
    assert Known(routers=("a",)).fault("router", UNBOUND) == ""


def test_a_native_file_needs_only_what_it_does_not_say(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("""
apiVersion: airflow-rollout/v1
kind: Rollout
metadata: {name: shop}
spec:
  workload: {kind: endpoints}
  traffic: {router: traefik_file}
  canary: {steps: [{weight: 5, hold: 2m}]}
  analysis:
    source: {provider: scrape, conn_id: m}
    metrics: [{name: http_500_rate, max: 1%}]
""")
    assert missing_bindings(file) == ("router_conn_id", "every")
    assert missing_bindings(file, bindings=Bindings(every_seconds=1.0)) == ("router_conn_id",)
