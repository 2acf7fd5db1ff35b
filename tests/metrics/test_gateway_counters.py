"""Built-in questions to Traefik as a controller of the Gateway API, on a page recorded from 3.7."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import CounterSeries, Cumulative, Reading
from airflow_rollout.metrics.base import MetricProvider, MetricQuery, Window
from airflow_rollout.metrics.prometheus import PrometheusProvider
from airflow_rollout.metrics.scrape import ScrapeProvider
from airflow_rollout.wire import HttpRequest, HttpResponse, Request

PAGE = (Path(__file__).parent / "recordings" / "traefik_3_7_gateway_page.txt").read_text()
_PREFIX = "httproute-shop-checkout-gw-default-public-ep-"
_HASH = "36220ee85b5ed062cc95"


def ask(
    provider: MetricProvider,
    answers: list[str],
    question: Question = Question.ERRORS,
    *,
    service: str = "checkout",
    namespace: str = "shop",
    route: str = "checkout",
) -> tuple[Reading, list[HttpRequest]]:
    """Return what a source reads from some answers, and what it asked for."""
    asked = []

    async def send(request: Request) -> HttpResponse:
        assert isinstance(request, HttpRequest)
        asked.append(request)
        return HttpResponse(status=200, body=answers[len(asked) - 1].encode())

    query = MetricQuery(
        name="m", question=question, router="gateway_api", service=service, namespace=namespace,
        route=route,
    )  # fmt: skip
    return asyncio.run(provider.read(query, Window(start=1000.0, end=1060.0), send)), asked


def counts(reading: Reading) -> dict[str, tuple[int, int]]:
    """Return requests and those that are bad by the first limit, by arm."""
    assert isinstance(reading, Cumulative)

    def total(arm: tuple[CounterSeries, ...]) -> tuple[int, int]:
        newest = [one.points[-1] for one in arm]
        return sum(point.requests for point in newest), sum(point.bad[0] for point in newest)

    return {"canary": total(reading.canary), "stable": total(reading.stable)}


def scraped(page: str, question: Question = Question.ERRORS, **names: str) -> Reading:
    return ask(ScrapeProvider(), [page], question, **names)[0]


def test_backends_of_a_route_are_the_arms() -> None:
    assert counts(scraped(PAGE)) == {"canary": (40, 11), "stable": (61, 0)}
    latency = scraped(PAGE, Question.LATENCY)
    assert {arm: requests for arm, (requests, _) in counts(latency).items()} == {
        "canary": 40, "stable": 61,
    }  # fmt: skip


def test_an_arm_is_counted_over_all_entry_points_of_its_gateways() -> None:
    label = f"{_PREFIX}websecure-0-{_HASH}-svc-shop-checkout-canary-2@kubernetesgateway"
    line = f'traefik_service_requests_total{{code="500",method="GET",service="{label}"}} 7\n'
    assert counts(scraped(PAGE + line))["canary"] == (47, 18)


@pytest.mark.parametrize(
    ("service", "namespace"),
    [
        pytest.param("out", "shop", id="an ending of its name"),
        pytest.param("checkout-0", "shop", id="its name with a number"),
        pytest.param("checkout", "op", id="an ending of its namespace"),
    ],
)
def test_a_backend_of_another_name_is_not_counted(service: str, namespace: str) -> None:
    reading = scraped(PAGE, service=service, namespace=namespace)
    assert counts(reading) == {"canary": (0, 0), "stable": (0, 0)}


@pytest.mark.parametrize("route", ["internal", "check", "checkout-gw", "a.*|checkout"])
def test_what_another_route_sends_to_the_same_service_is_not_counted(route: str) -> None:
    assert counts(scraped(PAGE, route=route)) == {"canary": (0, 0), "stable": (0, 0)}
    page = PAGE.replace("httproute-shop-checkout-gw-", "httproute-shop-internal-gw-")
    assert counts(scraped(page)) == {"canary": (0, 0), "stable": (0, 0)}
    assert counts(scraped(page, route="internal")) == {"canary": (40, 11), "stable": (61, 0)}


def test_a_service_of_another_provider_is_no_arm() -> None:
    page = PAGE.replace("@kubernetesgateway", "@kubernetescrd")
    assert counts(scraped(page)) == {"canary": (0, 0), "stable": (0, 0)}


def test_a_prometheus_is_asked_for_the_backends_and_they_are_told_apart() -> None:
    label = f"{_PREFIX}web-0-{_HASH}-svc-shop-checkout"
    found = [(f"{label}-0", "200", 50), (f"{label}-canary-1", "200", 8),
             (f"{label}-canary-1", "502", 2)]  # fmt: skip
    series = [
        {
            "metric": {
                "__name__": "traefik_service_requests_total", "instance": "traefik:8080",
                "code": code, "service": f"{name}@kubernetesgateway",
            },
            "values": [[1010.0, str(count)]],
        }
        for name, code, count in found
    ]  # fmt: skip
    data = {"resultType": "matrix", "result": series}
    starts = {"resultType": "matrix", "result": []}
    answers = [json.dumps({"status": "success", "data": one}) for one in (data, starts)]
    reading, asked = ask(PrometheusProvider(), answers)
    assert counts(reading) == {"canary": (10, 2), "stable": (50, 0)}
    selector = dict(asked[0].params)["query"]
    written = re.search(r'service=~("(?:[^"\\]|\\.)*")', selector)
    assert written is not None
    pattern = json.loads(written[1])
    assert all(re.fullmatch(pattern, f"{name}@kubernetesgateway") for name, _, _ in found)
    assert not re.fullmatch(pattern, f"{label}-other-0@kubernetesgateway")
