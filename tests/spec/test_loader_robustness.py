"""Whatever bytes arrive: a spec or a SpecError, never anything else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.bindings import Bindings
from airflow_rollout.spec.flagger_fields import FIELDS
from airflow_rollout.spec.loader import parse_spec
from airflow_rollout.spec.model import RolloutSpec

Make = Callable[..., str]

_BOUND = Bindings(
    workload="endpoints", router="traefik_file", router_conn_id="r", provider="scrape",
    provider_conn_id="m", every_seconds=1.0,
)  # fmt: skip

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["1m", "1h", "1%", "400ms", "on", "012", "12:30", "act", "x" * 300])
)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
_NATIVE_PATHS = [
    "metadata", "metadata.name", "spec", "spec.workload", "spec.workload.kind", "spec.traffic",
    "spec.traffic.service", "spec.canary", "spec.canary.steps", "spec.canary.steps[0]",
    "spec.canary.steps[1].weight", "spec.canary.steps[1].hold", "spec.canary.verify",
    "spec.analysis", "spec.analysis.source", "spec.analysis.source.every", "spec.analysis.interval",
    "spec.analysis.alpha", "spec.analysis.min_requests", "spec.analysis.comparison",
    "spec.analysis.dispersion", "spec.analysis.mode", "spec.analysis.metrics",
    "spec.analysis.metrics[0]", "spec.analysis.metrics[0].max", "spec.analysis.metrics[1].name",
    "spec.analysis.metrics[1].quantile", "spec.analysis.metrics[1].query", "spec.on_busy",
]  # fmt: skip
# What the base document already has room for: entries of lists that it does not have are left out.
_FLAGGER_PATHS = [
    path.replace("metrics[]", "metrics[0]") for path in FIELDS
    if "webhooks[]" not in path and "alerts[]" not in path
]  # fmt: skip


def _read(text: str | bytes) -> RolloutSpec | None:
    with suppress(SpecError):
        spec = parse_spec(text, file="a.yaml", bindings=_BOUND)
        assert RolloutSpec.from_builtins(spec.to_builtins()) == spec
        return spec
    return None


@given(data=st.binary(max_size=400))
def test_random_bytes(data: bytes) -> None:
    assert _read(data) is None


@given(text=st.text(alphabet="[]{}:,-?&*!|>'\"%@`# \n\tab1~<.", max_size=120))
@settings(max_examples=400)
def test_random_yaml_marks(text: str) -> None:
    assert _read(text) is None


@given(tree=_TREES)
def test_random_yaml_trees(tree: Any) -> None:
    assert _read(yaml.safe_dump(tree)) is None


@given(path=st.sampled_from(_FLAGGER_PATHS), value=_TREES)
@settings(max_examples=400, deadline=None)
def test_a_canary_with_anything_anywhere(canary: Make, path: str, value: Any) -> None:
    _read(canary({path: value}))


@given(path=st.sampled_from(_NATIVE_PATHS), value=_TREES)
@settings(max_examples=400, deadline=None)
def test_a_rollout_with_anything_anywhere(rollout: Make, path: str, value: Any) -> None:
    _read(rollout({path: value}))


@given(start=st.integers(0, 700), length=st.integers(1, 40), put=st.binary(max_size=5))
@settings(max_examples=300, deadline=None)
def test_a_damaged_file(canary: Make, start: int, length: int, put: bytes) -> None:
    data = canary().encode()
    _read(data[:start] + put + data[start + length :])
