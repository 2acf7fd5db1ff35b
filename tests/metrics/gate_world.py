"""A service under traffic, as each system of the first class would tell of it at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from contract import START
from counted import EDGES, Counts
from counter_servers import prometheus, scrape
from vendor_servers import datadog, newrelic

from airflow_rollout.analysis.judge import Judge, StepContext
from airflow_rollout.analysis.parameters import Comparison, JudgeParams, Metric, Semantics
from airflow_rollout.analysis.verdict import Judgement
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.metrics.registry import make_provider
from airflow_rollout.spec.model import MetricSource, TrafficRef
from airflow_rollout.traffic.traefik_file import TraefikFileRouter
from airflow_rollout.triggers.pace import read_window
from airflow_rollout.wire import HttpRequest, HttpResponse, Request, Response
from airflow_rollout.workloads.endpoints import EndpointsWorkload

__all__ = ["DEADLINE_SECONDS", "EVERY_SECONDS", "SERVERS", "WRITTEN", "Fault", "World", "judged"]

EVERY_SECONDS = 5.0
WRITTEN = START + 60.0
DEADLINE_SECONDS = 480.0

# What is wrong with a healthy version: every service has some of it.
_STABLE_BAD = 0.002

# A bad request takes longer than the limit of the standard question, and less than the next edge.
_BAD_SECONDS = 0.4


@dataclass
class World:
    """Two arms of the service `app` under steady traffic.

    :param bad: share of the canary's requests that are bad: errors, and slower than 0.4 s.
    :param written_at: when the canary gets its first request.
    :param stops_at: when the system gets no data any more; it goes on answering.
    :param rates: requests a second.
    """

    bad: float
    now: float = START
    written_at: float = WRITTEN
    stops_at: float = float("inf")
    rates: dict[str, float] = field(default_factory=lambda: {"canary": 6.0, "stable": 54.0})

    @property
    def newest(self) -> float:
        return min(self.now, self.stops_at)

    def total(self, arm: str, at: float) -> Counts:
        kind = arm.rpartition("-")[2]
        began, share = (
            (self.written_at, self.bad) if kind == "canary" else (START - 120, _STABLE_BAD)
        )
        # Whole numbers that keep the share over time.
        requests = int(self.rates[kind] * max(0.0, min(at, self.newest) - began))
        bad = int(requests * share)
        within = {edge: requests - (bad if edge <= _BAD_SECONDS else 0) for edge in EDGES}
        return Counts(requests=requests, errors=bad, within=within)


Server = Callable[[World, HttpRequest], HttpResponse]
SERVERS: dict[str, tuple[Server, tuple[tuple[str, str], ...]]] = {
    "datadog": (datadog, ()),
    "newrelic": (newrelic, (("account", "1"),)),
    "prometheus": (prometheus, ()),
    "scrape": (scrape, ()),
}

# What a fault makes of an answer; it may raise instead.
Fault = Callable[[HttpResponse], HttpResponse]


def judged(provider: str, world: World, metric: Metric, *, fault: Fault | None = None) -> Judgement:
    """Return what ends one gate of two minutes.

    :param fault: what happens to every answer from 30 s after the write on.
    """
    return asyncio.run(_gate(provider, world, metric, fault))


async def _gate(provider: str, world: World, metric: Metric, fault: Fault | None) -> Judgement:
    server, options = SERVERS[provider]

    async def send(request: Request) -> Response:
        assert isinstance(request, HttpRequest)
        found = server(world, request)
        return found if fault is None or world.now < WRITTEN + 30 else fault(found)

    source = MetricSource(provider=provider, conn_id="c", every_seconds=5.0, options=options)
    systems = Systems(
        router=TraefikFileRouter(service="app", namespace="prod"),
        workload=EndpointsWorkload(), provider=make_provider(source),
        router_send=send, workload_send=send, provider_send=send,
        traffic=TrafficRef(router="traefik_file", service="app", conn_id="c"), namespace="prod",
    )  # fmt: skip
    params = JudgeParams(
        semantics=Semantics.NATIVE, metrics=(metric,), interval_seconds=10.0, failure_limit=3,
        min_requests=200, comparison=Comparison(dispersion=1.0),
    )  # fmt: skip
    step = StepContext(
        step_id="step_01", weight=10, written_at=WRITTEN, hold_seconds=120.0,
        deadline_seconds=DEADLINE_SECONDS, release_started_at=WRITTEN,
    )  # fmt: skip
    judge = Judge(params, step)
    world.now = WRITTEN
    while True:
        window = read_window(START, max(WRITTEN, world.now - EVERY_SECONDS), world.now)
        for name, reading in (await systems.read_metrics([metric], window)).items():
            judge.feed(name, reading)
        verdict = judge.assess(world.now)
        if verdict.ends:
            return verdict
        assert world.now <= WRITTEN + step.deadline_seconds, "a gate ends at its deadline"
        world.now += EVERY_SECONDS
