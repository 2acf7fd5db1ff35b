"""The source `prometheus` on a real Prometheus that scrapes a real Traefik."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from conftest import Prometheus, Traefik, backend, request, until

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import CounterSeries, Cumulative, NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError, TransientAdapterError
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.metrics.prometheus import PrometheusProvider
from airflow_rollout.release import Arm, ReleaseState, Token, TrafficSplit
from airflow_rollout.traffic.traefik_file import TraefikFileRouter
from airflow_rollout.wire import Send

pytestmark = pytest.mark.real

ROUTER = TraefikFileRouter(service="app", namespace="prod", rule="PathPrefix(`/`)")


def run(
    traefik: Traefik, prometheus: Prometheus, test: Callable[[Send, float], Awaitable[None]]
) -> None:
    """Run a test with both arms at 50 % and scraped at least once without any request."""

    async def bounded() -> None:
        async with (
            asyncio.timeout(60),
            backend("v1") as v1,
            backend("v2") as v2,
            open_send(traefik.connection, system="traefik_file") as router_send,
            open_send(prometheus.connection, system="prometheus") as send,
        ):
            started = time.time()
            await ROUTER.write(_split(v1, v2), None, router_send)

            async def ready() -> bool:
                live = await ROUTER.live(router_send)
                return live == 50 and isinstance(await read(send, started), Cumulative)

            await until(ready)
            await test(send, started)

    asyncio.run(bounded())


def _split(v1: Arm, v2: Arm) -> TrafficSplit:
    return TrafficSplit(
        service="app", stable=v1, canary=v2, weight=50, state=ReleaseState.OPEN,
        token=Token(epoch="e", owner="o", digest="d"),
    )  # fmt: skip


async def read(
    send: Send,
    start: float,
    question: Question = Question.ERRORS,
    expression: str | None = None,
) -> Reading:
    query = MetricQuery(
        name="m", question=question, router="traefik_file", service="app", namespace="prod",
        expression=expression,
    )  # fmt: skip
    return await PrometheusProvider().read(query, Window(start=start, end=time.time()), send)


def grown(arm: tuple[CounterSeries, ...], start: float) -> tuple[int, int]:
    """Return requests and bad since `start`, by differences and births, as the judge does."""
    requests = bad = 0
    for series in arm:
        first, last = series.points[0], series.points[-1]
        newborn = series.born_at is not None and series.born_at >= start
        requests += last.requests - (0 if newborn else first.requests)
        bad += last.bad[0] - (0 if newborn else first.bad[0])
    return requests, bad


async def counted(send: Send, start: float, expected: int) -> Cumulative:
    """Wait until the canary has grown by `expected` requests."""

    async def grew() -> bool:
        reading = await read(send, start)
        return isinstance(reading, Cumulative) and grown(reading.canary, start)[0] >= expected

    await until(grew)
    reading = await read(send, start)
    assert isinstance(reading, Cumulative)
    return reading


def test_a_new_canarys_first_requests_are_counted_to_the_last_one(
    traefik: Traefik, prometheus: Prometheus
) -> None:
    async def test(send: Send, started: float) -> None:
        before = await read(send, started)
        assert isinstance(before, Cumulative)
        assert grown(before.canary, started) == grown(before.stable, started) == (0, 0)
        await request(traefik.web_url, 100)
        await request(traefik.web_url, 20, "/fail")
        reading = await counted(send, started, 60)
        assert grown(reading.canary, started) == (60, 10)
        assert grown(reading.stable, started) == (60, 10)

    run(traefik, prometheus, test)


def test_latency_has_the_same_requests_in_buckets(traefik: Traefik, prometheus: Prometheus) -> None:
    async def test(send: Send, started: float) -> None:
        assert isinstance(await read(send, started, Question.LATENCY), NoData)
        await request(traefik.web_url, 40)
        await counted(send, started, 20)
        reading = await read(send, started, Question.LATENCY)
        assert isinstance(reading, Cumulative)
        assert reading.boundaries == (0.005, 0.1, 0.4, 1.0)
        assert grown(reading.canary, started)[0] == 20

    run(traefik, prometheus, test)


def test_a_restarted_router_is_counted_in_both_its_lives(
    traefik: Traefik, prometheus: Prometheus
) -> None:
    async def test(send: Send, started: float) -> None:
        await request(traefik.web_url, 20)
        await counted(send, started, 10)
        await asyncio.to_thread(traefik.kill)
        await asyncio.to_thread(traefik.start)
        restarted = time.time()

        async def scraped() -> bool:
            reading = await read(send, restarted)
            return isinstance(reading, Cumulative) and reading.at > restarted + 0.3

        await until(scraped)
        await request(traefik.web_url, 60)
        reading = await counted(send, started, 40)
        assert grown(reading.canary, started)[0] == 40
        assert len(reading.canary) == 2

    run(traefik, prometheus, test)


def test_no_sample_from_before_the_window_is_read(traefik: Traefik, prometheus: Prometheus) -> None:
    async def test(send: Send, started: float) -> None:
        await request(traefik.web_url, 20)
        reading = await counted(send, started, 10)
        later = reading.at + 0.001

        async def scraped() -> bool:
            return isinstance(await read(send, later), Cumulative)

        await until(scraped)
        found = await read(send, later)
        assert isinstance(found, Cumulative)
        times = [point.at for series in found.canary for point in series.points]
        assert min(times) >= later
        assert grown(found.canary, later) == (0, 0)

    run(traefik, prometheus, test)


def test_queries_of_ones_own(traefik: Traefik, prometheus: Prometheus) -> None:
    async def test(send: Send, started: float) -> None:
        async def ask(expression: str) -> Reading:
            return await read(send, started, Question.VALUE, expression)

        up = await ask('sum(up{job="traefik"})')
        assert isinstance(up, Value)
        assert up.canary == 1
        assert isinstance(await ask("0/0"), NoData)
        assert isinstance(await ask('up{job="none"}'), NoData)
        for bad in ("sum(", "up[1m]", "up * on() group_left() up, 1"):
            with pytest.raises(PermanentAdapterError):
                await ask(bad)

    run(traefik, prometheus, test)


def test_a_prometheus_that_is_gone_may_come_back(traefik: Traefik, prometheus: Prometheus) -> None:
    async def test(send: Send, started: float) -> None:
        await asyncio.to_thread(prometheus.stop)
        with pytest.raises(TransientAdapterError):
            await read(send, started)

    run(traefik, prometheus, test)
