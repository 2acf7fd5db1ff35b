"""A query that names the arm is asked for both; the stable version's number only stands beside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from airflow_rollout.analysis.parameters import Metric, Question
from airflow_rollout.analysis.readings import NoData, ReadFailure, Reading, Value
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.metrics.base import Window
from airflow_rollout.metrics.prometheus import PrometheusProvider
from airflow_rollout.spec.model import TrafficRef
from airflow_rollout.traffic.traefik_file import TraefikFileRouter
from airflow_rollout.wire import HttpRequest, HttpResponse, Request, Response
from airflow_rollout.workloads.endpoints import EndpointsWorkload

QUERY = 'queue{job="{{ service }}-{{ arm }}",ns="{{ namespace }}"}'
CANARY, STABLE = (f'queue{{job="app-{arm}",ns="prod"}}' for arm in ("canary", "stable"))


def read(query: str, numbers: Mapping[str, str | None]) -> tuple[Reading, list[str]]:
    """Return the reading and what was asked; a query without a number is refused."""
    asked: list[str] = []

    async def send(request: Request) -> Response:
        assert isinstance(request, HttpRequest)
        text = dict(request.params)["query"]
        asked.append(text)
        if text not in numbers:
            return HttpResponse(status=500)
        number = numbers[text]
        result = [] if number is None else [{"metric": {}, "value": [50.0, number]}]
        data = {"status": "success", "data": {"resultType": "vector", "result": result}}
        return HttpResponse(status=200, body=json.dumps(data).encode())

    systems = Systems(
        router=TraefikFileRouter(service="app", namespace="prod"),
        workload=EndpointsWorkload(), provider=PrometheusProvider(),
        router_send=send, workload_send=send, provider_send=send,
        traffic=TrafficRef(router="traefik_file", service="app", conn_id="c"), namespace="prod",
    )  # fmt: skip
    metric = Metric(name="queue", question=Question.VALUE, query=query, compare=False)
    window = Window(start=0.0, end=60.0)
    return asyncio.run(systems.read_metrics([metric], window))["queue"], asked


def test_both_arms_are_asked_the_same() -> None:
    reading, asked = read(QUERY, {CANARY: "5", STABLE: "3"})
    assert reading == Value(at=50.0, canary=5.0, stable=3.0)
    assert sorted(asked) == [CANARY, STABLE]


def test_a_query_that_names_no_arm_is_asked_once() -> None:
    reading, asked = read("queue", {"queue": "5"})
    assert reading == Value(at=50.0, canary=5.0)
    assert asked == ["queue"]


def test_a_stable_version_without_a_number_does_not_hide_the_canarys() -> None:
    for numbers in ({CANARY: "5", STABLE: None}, {CANARY: "5"}):
        reading, _ = read(QUERY, numbers)
        assert reading == Value(at=50.0, canary=5.0, stable=None)


def test_the_stable_versions_number_never_stands_in_for_the_canarys() -> None:
    silent, _ = read(QUERY, {CANARY: None, STABLE: "3"})
    assert isinstance(silent, NoData)
    broken, _ = read(QUERY, {STABLE: "3"})
    assert isinstance(broken, ReadFailure)
