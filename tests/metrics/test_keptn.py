"""The `keptn` source: places of a metric, and how old its value may be."""

from __future__ import annotations

import asyncio

import pytest
from contract import Recorded, Replay, ask_metric, read, read_with
from keptn_answers import CONTRACT, measured

from airflow_rollout.analysis.readings import NoData
from airflow_rollout.errors import PermanentAdapterError

ROOT = "/apis/metrics.keptn.sh/v1beta1/namespaces"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("errors", f"{ROOT}/prod/keptnmetrics/errors"),
        ("shop/errors", f"{ROOT}/shop/keptnmetrics/errors"),
        ("keptnmetric/shop/errors", f"{ROOT}/shop/keptnmetrics/errors"),
        ("KeptnMetric/shop/errors", f"{ROOT}/shop/keptnmetrics/errors"),
    ],
)
def test_a_query_is_a_metrics_place(text: str, url: str) -> None:
    replay = Replay([measured("1")])
    asyncio.run(read_with(CONTRACT, Recorded(answers=(), asked=ask_metric(text)), replay))
    assert replay.asked[0].url == url


@pytest.mark.parametrize("text", ["analysis/shop/errors", "a/b/c/d"])
def test_another_kind_is_refused(text: str) -> None:
    with pytest.raises(PermanentAdapterError, match="namespace/name"):
        read(CONTRACT, measured("1"), asked=ask_metric(text))


def test_a_value_from_before_the_release_is_no_data() -> None:
    reading = read(CONTRACT, measured("1", at="2026-11-24T05:59:59Z"))
    assert isinstance(reading, NoData)
    assert "since the release" in reading.reason
