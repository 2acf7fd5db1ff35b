"""The standard questions through each first-class system, from the request to the verdict."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest
from contract import EXPECTED, Contract, Outcome, Recorded, body, page
from gate_world import DEADLINE_SECONDS, EVERY_SECONDS, SERVERS, WRITTEN, Fault, World, judged

from airflow_rollout.analysis.parameters import Metric, Question, Threshold
from airflow_rollout.analysis.verdict import Verdict
from airflow_rollout.errors import AdapterError, PermanentAdapterError, TransientAdapterError
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


def raised(error: AdapterError) -> Fault:
    def fault(_: HttpResponse) -> HttpResponse:
        raise error

    return fault


def answered(response: HttpResponse) -> Fault:
    return lambda _: response


def ways_to_fail(provider: str) -> dict[str, Fault]:
    """Return what can come instead of a good answer: the contract's cases, and what is no answer.

    The transport's tests show which error each of the latter is.
    """
    contract: Contract = import_module(f"{provider}_answers").CONTRACT
    found = {
        "timeout": raised(TransientAdapterError("no answer in 5 s", system=provider)),
        "connection refused": raised(TransientAdapterError("no connection", system=provider)),
        "cut body": lambda good: replace(good, body=good.body[:-20]),
        "huge body": raised(PermanentAdapterError("larger than 1 MB", system=provider)),
        "wrong content type": answered(page("<html>Sign in</html>", kind="text/html")),
        "malformed": answered(page('{"a": 1, "b" 2}', kind="application/json")),
        "empty object": answered(body({})),
        "429 with Retry-After": answered(
            HttpResponse(status=429, headers={"retry-after": "5"}, body=contract.refusal)
        ),
    }
    for status in (400, 401, 403, 404, 429, 500, 503):
        found[str(status)] = answered(HttpResponse(status=status, body=contract.refusal))
    for case, recorded in contract.cases.items():
        if isinstance(recorded, Recorded) and (recorded.outcome or EXPECTED[case]) not in _GOOD:
            found[case.value] = answered(recorded.answers[0])
    return found


_GOOD = (Outcome.VALUE, Outcome.COUNTS)

_WAYS = [
    pytest.param(provider, fault, id=f"{provider}-{name}")
    for provider in SERVERS
    for name, fault in ways_to_fail(provider).items()
]


@pytest.mark.parametrize(("provider", "fault"), _WAYS)
def test_a_source_that_fails_in_mid_gate_is_held_until_the_deadline_and_promotes_nothing(
    provider: str, fault: Fault
) -> None:
    world = World(bad=0.002)
    verdict = judged(provider, world, ERRORS, fault=fault)
    assert verdict.verdict in (Verdict.NO_DATA, Verdict.ERROR), verdict.reason
    assert verdict.ends
    assert verdict.evidence < verdict.limit
    assert world.now == pytest.approx(WRITTEN + DEADLINE_SECONDS, abs=EVERY_SECONDS)
    assert "no check passed within" in verdict.reason
