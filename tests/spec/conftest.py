"""Documents of both dialects, and how tests change and read them."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import yaml

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.bindings import Bindings, Known
from airflow_rollout.spec.loader import parse_spec
from airflow_rollout.spec.model import RolloutSpec

FILE = "shop.yaml"
GONE = object()

_CANARY = """
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: shop, namespace: market}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop-web}
  analysis:
    interval: 30s
    threshold: 3
    maxWeight: 60
    stepWeight: 20
    metrics:
    - {name: request-success-rate, interval: 1m, thresholdRange: {min: 99}}
    - {name: request-duration, interval: 45s, thresholdRange: {max: 250}}
"""

_ROLLOUT = """
apiVersion: airflow-rollout/v1
kind: Rollout
metadata: {name: shop, namespace: market}
spec:
  workload: {kind: endpoints}
  traffic: {router: traefik_file, service: shop-web, conn_id: edge}
  canary:
    steps: [{weight: 5, hold: 2m}, {weight: 30, hold: 90s}]
  analysis:
    source: {provider: scrape, conn_id: edge_metrics, every: 2s}
    metrics:
    - {name: http_500_rate, max: 1%}
    - {name: p99_latency, max: 400ms}
"""

BOUND = Bindings(
    workload="endpoints",
    router="traefik_file",
    router_conn_id="edge",
    provider="scrape",
    provider_conn_id="edge_metrics",
    every_seconds=1.0,
)

_ANY = Known()

Change = dict[str, Any]


def _edit(document: dict[str, Any], changes: Change) -> str:
    """Set values by path (`spec.analysis.metrics[0].name`), or take them away with GONE."""
    for path, value in changes.items():
        *heads, last = [
            int(part[1:-1]) if part.startswith("[") else part
            for part in re.findall(r"\[[0-9]+\]|[^.\[]+", path)
        ]
        place: Any = document
        for head in heads:
            place = place[head] if isinstance(head, int) else place.setdefault(head, {})
        if value is GONE:
            del place[last]
        else:
            place[last] = value
    return yaml.safe_dump(document, sort_keys=False)


@pytest.fixture(scope="session")
def gone() -> object:
    """What a change sets a field to so that it is not there."""
    return GONE


@pytest.fixture(scope="session")
def canary() -> Callable[..., str]:
    """Return a Flagger document with some fields changed."""
    document = yaml.safe_load(_CANARY)
    return lambda changes=None: _edit(copy.deepcopy(document), changes or {})


@pytest.fixture(scope="session")
def rollout() -> Callable[..., str]:
    """Return a native document with some fields changed."""
    document = yaml.safe_load(_ROLLOUT)
    return lambda changes=None: _edit(copy.deepcopy(document), changes or {})


@pytest.fixture(scope="session")
def bound() -> Bindings:
    """Everything a Flagger document cannot say."""
    return BOUND


@pytest.fixture(scope="session")
def read() -> Callable[..., RolloutSpec]:
    """Read a text as a caller would who has said everything."""

    def _read(
        text: str | bytes,
        *,
        bindings: Bindings = BOUND,
        ignore: Sequence[str] = (),
        known: Known = _ANY,
    ) -> RolloutSpec:
        return parse_spec(text, file=FILE, bindings=bindings, ignore=ignore, known=known)

    return _read


@pytest.fixture(scope="session")
def refusal(read: Callable[..., RolloutSpec]) -> Callable[..., SpecError]:
    """Return the error that reading a text ends in; it always names the file."""

    def _refusal(text: str | bytes, **said: Any) -> SpecError:
        with pytest.raises(SpecError) as caught:
            read(text, **said)
        assert caught.value.file == FILE
        assert str(caught.value).startswith(FILE)
        return caught.value

    return _refusal
