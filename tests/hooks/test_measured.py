"""What a metric was read from is kept: window, requests as sent, a piece of each answer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping

import pytest

from airflow_rollout.analysis.parameters import Metric, Question
from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.hooks.measured import Measurement
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.metrics.base import Window
from airflow_rollout.metrics.registry import make_provider
from airflow_rollout.spec.model import MetricSource, TrafficRef
from airflow_rollout.traffic.traefik_file import TraefikFileRouter
from airflow_rollout.wire import HttpRequest, HttpResponse, Request, Response, Send
from airflow_rollout.workloads.endpoints import EndpointsWorkload

WINDOW = Window(start=40.0, end=60.0)
QUERY = Metric(name="queue", question=Question.VALUE, query="sum(queue)", compare=False)
ERRORS = Metric(name="errors", question=Question.ERRORS)


def measured(
    metric: Metric,
    send: Send,
    *,
    provider: str = "prometheus",
    options: tuple[tuple[str, str], ...] = (),
) -> Measurement:
    source = MetricSource(provider=provider, conn_id="c", every_seconds=5.0, options=options)
    systems = Systems(
        router=TraefikFileRouter(service="app", namespace="prod"), workload=EndpointsWorkload(),
        provider=make_provider(source),
        router_send=send, workload_send=send, provider_send=send,
        traffic=TrafficRef(router="traefik_file", service="app", conn_id="c"), namespace="prod",
    )  # fmt: skip
    (found,) = asyncio.run(systems.measure([metric], WINDOW))
    return found


def answering(body: str, *, status: int = 200) -> Send:
    async def send(request: Request) -> Response:
        assert isinstance(request, HttpRequest)
        return HttpResponse(status=status, body=body.encode())

    return send


def vector(value: str, **fields: object) -> str:
    found = [{"metric": {}, "value": [60.0, value]}]
    data = {"resultType": "vector", "result": found}
    return json.dumps({"status": "success", **fields, "data": data})


def test_a_value_is_kept_with_its_window_its_query_and_a_piece_of_the_answer() -> None:
    answer = measured(QUERY, answering(vector("7.5", warnings=["a store is away"]))).answer()
    assert (answer.metric, answer.start, answer.end, answer.text) == ("queue", 40.0, 60.0, "7.5")
    (exchange,) = answer.exchanges
    assert "query=sum(queue)" in exchange.asked
    assert exchange.excerpt.startswith("HTTP 200: ")
    assert "7.5" in exchange.excerpt
    assert "a store is away" in exchange.excerpt


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("no", 503, "cannot be read: .*503"),
        ('{"status": "success", "data": {"resultType": "vector", "result": []}}', 200, "no data: "),
    ],
)
def test_what_gave_no_number_is_kept_with_the_answer(body: str, status: int, text: str) -> None:
    answer = measured(QUERY, answering(body, status=status)).answer()
    assert re.match(text, answer.text)
    assert answer.exchanges[0].excerpt == f"HTTP {status}: {body}"


def test_a_question_without_an_answer_is_kept_with_none() -> None:
    async def send(_: Request) -> Response:
        raise TransientAdapterError("no answer in time", system="prometheus")

    answer = measured(QUERY, send).answer()
    assert re.match("cannot be read: .*no answer in time", answer.text)
    assert [bool(one.asked) for one in answer.exchanges] == [True]
    assert answer.exchanges[0].excerpt == ""


def page(requests: Mapping[str, int]) -> str:
    """Return a long page on which the lines of the service stand at the end."""
    lines = [f"go_made_up_{number} {number}" for number in range(500)]
    lines.append("traefik_config_reloads_total 1")
    for arm, count in requests.items():
        labels = f'code="200",service="app-{arm}@file"'
        lines.append(f"traefik_service_requests_total{{{labels}}} {count}")
    return "\n".join(lines) + "\n"


def test_of_a_long_page_the_lines_of_the_service_are_kept() -> None:
    text = page({"canary": 12, "stable": 340})
    answer = measured(ERRORS, answering(text), provider="scrape").answer()
    assert answer.text == "counts of 12 canary and 340 stable requests"
    (exchange,) = answer.exchanges
    assert exchange.asked == "GET /metrics"
    assert 'service="app-canary@file"} 12' in exchange.excerpt
    assert 'service="app-stable@file"} 340' in exchange.excerpt
    assert "go_made_up" not in exchange.excerpt


def test_a_piece_of_an_answer_is_short_however_long_the_answer_is() -> None:
    answer = measured(QUERY, answering("x" * 1_000_000)).answer()
    assert len(answer.exchanges[0].excerpt) < 400


def test_of_a_very_long_question_only_the_beginning_is_saved() -> None:
    long = Metric(name="queue", question=Question.VALUE, query=f"sum({'a' * 9000})", compare=False)
    found = measured(long, answering(vector("1")))
    assert "a" * 9000 in found.exchanges[0].asked, "a check before the release shows all of it"
    assert len(found.answer().exchanges[0].asked) == 2000


def test_headers_which_may_hold_a_secret_are_not_kept() -> None:
    asked: list[HttpRequest] = []

    async def send(request: Request) -> Response:
        assert isinstance(request, HttpRequest)
        asked.append(request)
        return HttpResponse(status=200, body=vector("1").encode())

    answer = measured(QUERY, send, options=(("method", "post"),)).answer()
    assert asked[0].headers, "it sends some"
    assert "content-type" not in answer.exchanges[0].asked
    assert "sum%28queue%29" in answer.exchanges[0].asked
