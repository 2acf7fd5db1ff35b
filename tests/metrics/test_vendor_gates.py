"""The standard questions through Datadog and New Relic, from the request to the gate's verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from contract import body, page
from vendor_world import SERVERS, WRITTEN, World, judged

from airflow_rollout.analysis.parameters import Metric, Question, Threshold
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.wire import HttpResponse

ERRORS = Metric(
    name="http_5xx_rate", question=Question.ERRORS, threshold=Threshold(maximum=0.01),
    guardrail=0.01, weight=1.0,
)  # fmt: skip
LATENCY = Metric(
    name="p99_latency", question=Question.LATENCY, quantile=0.99, weight=1.0,
    threshold=Threshold(maximum=0.4), guardrail=0.01, boundary_seconds=0.4,
)  # fmt: skip

by_server = pytest.mark.parametrize("provider", SERVERS)
by_metric = pytest.mark.parametrize("metric", [ERRORS, LATENCY], ids=lambda one: one.name)


@by_server
@by_metric
def test_a_good_version_passes(provider: str, metric: Metric) -> None:
    verdict = judged(provider, World(bad=0.002), metric)
    assert verdict.verdict is Verdict.PASS, verdict.reason


@by_server
@by_metric
def test_a_bad_version_is_stopped_by_evidence(provider: str, metric: Metric) -> None:
    world = World(bad=0.3)
    verdict = judged(provider, world, metric)
    assert verdict.verdict is Verdict.FAIL
    assert verdict.evidence >= verdict.limit


@by_server
def test_a_version_without_traffic_never_passes(provider: str) -> None:
    world = World(bad=0.0, rates={"canary": 0.0, "stable": 60.0})
    verdict = judged(provider, world, ERRORS)
    assert verdict.verdict is not Verdict.PASS


@by_server
@pytest.mark.parametrize("seconds", [20, 50])
def test_data_that_comes_to_a_halt_promotes_nothing(provider: str, seconds: float) -> None:
    world = World(bad=0.002, stops_at=WRITTEN + seconds)
    verdict = judged(provider, world, ERRORS)
    assert verdict.verdict is not Verdict.PASS, verdict.reason


def refused(status: int, **headers: str) -> Callable[[HttpResponse], HttpResponse]:
    return lambda _: HttpResponse(status=status, headers=headers, body=b"no")


def away(_: HttpResponse) -> HttpResponse:
    raise TransientAdapterError("no answer in time", system="test")


FAULTS: dict[str, Callable[[HttpResponse], HttpResponse]] = {
    "busy": refused(429, **{"retry-after": "5"}),
    "forbidden": refused(403),
    "broken": refused(500),
    "away": away,
    "an error inside": lambda _: body(
        {"errors": [{"message": "x", "extensions": {"errorClass": "TIMEOUT"}}]}
    ),
    "a sign-in page": lambda _: page("<html>Sign in</html>", kind="text/html"),
    "cut off": lambda found: replace(found, body=found.body[:-20]),
    "an empty object": lambda _: body({}),
}


@by_server
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_source_that_fails_in_mid_gate_promotes_nothing(
    provider: str, fault: Callable[[HttpResponse], HttpResponse]
) -> None:
    verdict = judged(provider, World(bad=0.002), ERRORS, fault=fault)
    assert verdict.verdict is not Verdict.PASS
    assert verdict.reason
