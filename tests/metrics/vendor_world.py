"""A service under traffic, as Datadog and New Relic would tell of it at any time."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from contract import START
from datadog_answers import timeseries
from newrelic_answers import answer, row

from airflow_rollout.analysis.judge import Judge, StepContext
from airflow_rollout.analysis.parameters import Comparison, JudgeParams, Metric, Semantics
from airflow_rollout.analysis.verdict import Judgement
from airflow_rollout.hooks.systems import Systems
from airflow_rollout.metrics.registry import make_provider
from airflow_rollout.spec.model import MetricSource, TrafficRef
from airflow_rollout.traffic.traefik_file import TraefikFileRouter
from airflow_rollout.triggers.gate_loop import read_window
from airflow_rollout.wire import HttpRequest, HttpResponse, Request, Response
from airflow_rollout.workloads.endpoints import EndpointsWorkload

__all__ = ["BUCKET", "SERVERS", "World", "judged"]

BUCKET = 10.0
EVERY_SECONDS = 5.0
WRITTEN = START + 60.0


@dataclass
class World:
    """Two arms under steady traffic.

    :param bad: share of the canary's requests that are bad: errors, or slower than 0.4 s.
    :param stops_at: when the vendor gets no data any more; it goes on answering.
    """

    bad: float
    now: float = START
    stops_at: float = float("inf")
    requests: dict[str, int] = field(default_factory=lambda: {"canary": 60, "stable": 540})

    def bucket(self, arm: str, begin: float) -> tuple[int, int]:
        """Return requests and bad ones of a bucket; the canary has none before its write."""
        if arm == "canary" and begin < WRITTEN:
            return 0, 0
        share = self.bad if arm == "canary" else 0.002
        total = self.requests[arm]
        # Whole numbers that keep the share over time.
        index = int((begin - START) / BUCKET) + 1
        return total, int(index * total * share) - int((index - 1) * total * share)

    def known(self, start: float, end: float) -> list[float]:
        """Return the buckets of a span that have begun."""
        first = START - 120
        count = int((min(self.now, self.stops_at) - first) / BUCKET) + 1
        times = (first + BUCKET * index for index in range(count))
        return [at for at in times if start <= at < end]


async def datadog(world: World, request: HttpRequest) -> HttpResponse:
    """Answer a timeseries request."""
    asked = json.loads(request.body or b"")["data"]["attributes"]
    times = world.known(asked["from"] / 1000, asked["to"] / 1000)
    queries = []
    for query in asked["queries"]:
        text = query["query"]
        arm = "canary" if "app-canary" in text else "stable"
        edge = re.search(r"v<=([\d.]+)", text)
        counts: dict[float, float | None] = {}
        for at in times:
            total, bad = world.bucket(arm, at)
            slow = bad if edge and float(edge[1]) < 0.5 else 0
            counts[at] = total - slow if edge else bad if "5xx" in text else total
        queries.append(counts)
    return timeseries(*queries)


async def newrelic(world: World, request: HttpRequest) -> HttpResponse:
    """Answer one NerdGraph request about both arms."""
    variables = json.loads(request.body or b"")["variables"]
    rows: dict[str, list[dict[str, Any]]] = {}
    for arm in ("canary", "stable"):
        found = re.search(r"SINCE (\d+) UNTIL (\d+)", variables[arm])
        assert found
        edges = [float(one) for one in re.findall(r"duration > ([\d.]+)", variables[arm])]
        rows[arm] = []
        for at in world.known(int(found[1]) / 1000, int(found[2]) / 1000):
            total, bad = world.bucket(arm, at)
            worse = [bad if edge < 0.5 else 0 for edge in edges] or [bad]
            rows[arm].append(row(at, total, *worse))
    return answer(**rows)


Server = Callable[[World, HttpRequest], Any]
SERVERS: dict[str, tuple[Server, tuple[tuple[str, str], ...]]] = {
    "datadog": (datadog, ()),
    "newrelic": (newrelic, (("account", "1"),)),
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
        found: HttpResponse = await server(world, request)
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
        deadline_seconds=480.0, release_started_at=WRITTEN,
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
