"""The rollouts of the node's benchmark; nothing is released here."""

from __future__ import annotations

import pytest

from airflow_rollout.spec.loader import parse_spec
from benchmarks.cluster.cases import CASES
from benchmarks.cluster.stage import STEPS, document


@pytest.mark.parametrize("name", sorted(STEPS))
def test_a_rollout_has_the_settings_of_the_others(name: str) -> None:
    spec = parse_spec(document(name), file=None)
    assert spec.steps[0].weight == 10
    limits = {one.name: one.threshold for one in spec.judge.metrics}
    assert limits["http_500_rate"].maximum == pytest.approx(0.005)
    assert limits["p99_latency"].maximum == pytest.approx(0.5)


def test_every_kind_is_released_by_a_rollout() -> None:
    assert {kind.rollout for kind in CASES} == set(STEPS)
