"""The files under `dags/specs` are what the README shows and people copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_rollout.analysis.parameters import Semantics
from airflow_rollout.metrics.registry import PROVIDERS, make_provider
from airflow_rollout.spec.bindings import Bindings, Known
from airflow_rollout.spec.loader import load_spec
from airflow_rollout.traffic.registry import ROUTERS, make_router
from airflow_rollout.workloads.registry import WORKLOADS, make_workload

_SPECS = Path(__file__).parents[2] / "dags" / "specs"
_KNOWN = Known(providers=PROVIDERS, routers=ROUTERS, workloads=WORKLOADS)


def test_payment_service_is_flaggers_tutorial_in_flaggers_meaning(bound: Bindings) -> None:
    spec = load_spec(_SPECS / "payment-service.yaml", bindings=bound, known=_KNOWN)
    assert (spec.name, spec.namespace) == ("payment-service", "prod")
    assert spec.traffic.service == "payment-service"
    assert [step.weight for step in spec.steps] == [10, 20, 30, 40, 50]
    assert (spec.judge.interval_seconds, spec.judge.failure_limit) == (60.0, 5)
    assert (spec.unsupported, spec.judge.semantics) == ((), Semantics.FLAGGER)


def test_checkout_says_all_it_needs_itself() -> None:
    spec = load_spec(_SPECS / "checkout.yaml", known=_KNOWN)
    assert (spec.traffic.conn_id, spec.source.conn_id) == ("traefik_default", "traefik_metrics")
    assert (spec.source.every_seconds, spec.judge.comparison.dispersion) == (1.0, 1.0)
    assert [step.weight for step in spec.steps] == [5, 25, 50]


@pytest.mark.parametrize("file", sorted(_SPECS.glob("*.yaml")), ids=lambda file: file.name)
def test_every_example_is_accepted_by_the_adapters_it_names(file: Path, bound: Bindings) -> None:
    spec = load_spec(file, bindings=bound, known=_KNOWN)
    make_workload(spec.workload, namespace=spec.namespace, service=spec.traffic.service)
    make_router(spec.traffic, namespace=spec.namespace)
    make_provider(spec.source)
