"""The `kubernetes_metrics` source: places, quantities and times."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from contract import Recorded, Replay, ask_metric, read, read_with
from kubernetes_metrics_answers import CONTRACT, listed

from airflow_rollout.analysis.readings import Value
from airflow_rollout.errors import PermanentAdapterError

ROOT = "/apis/external.metrics.k8s.io/v1beta1/namespaces"


@pytest.mark.parametrize(
    ("text", "url", "params"),
    [
        ("errors", f"{ROOT}/prod/errors", {}),
        ("shop/errors", f"{ROOT}/shop/errors", {}),
        ("shop/errors?labelSelector=a=b,c=d", f"{ROOT}/shop/errors", {"labelSelector": "a=b,c=d"}),
        ("../../secrets", f"{ROOT}/..%2F../secrets", {}),
    ],
)
def test_a_query_is_a_place_in_the_api(text: str, url: str, params: dict[str, str]) -> None:
    replay = Replay([listed("1")])
    asyncio.run(read_with(CONTRACT, Recorded(answers=(), asked=ask_metric(text)), replay))
    assert replay.asked[0].url == url
    assert dict(replay.asked[0].params) == params


@pytest.mark.parametrize(
    ("text", "number"),
    [("250m", 0.25), ("1500", 1500), ("2Ki", 2048), ("1k", 1000), ("1e3", 1000), ("3M", 3e6),
     ("7u", 7e-6), ("5n", 5e-9), (0, 0)],
)  # fmt: skip
def test_a_quantity_is_a_number(text: str, number: float) -> None:
    reading = read(CONTRACT, listed(text))
    assert isinstance(reading, Value)
    assert reading.canary == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "m", "1x", "1kk", "k1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(PermanentAdapterError, match="no quantity"):
        read(CONTRACT, listed(text))


def test_the_time_is_the_clusters() -> None:
    reading = read(CONTRACT, listed("1"))
    assert isinstance(reading, Value)
    assert reading.at == datetime(2026, 11, 24, 6, 1, 30, tzinfo=UTC).timestamp()
