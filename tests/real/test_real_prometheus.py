"""The source `prometheus` on a real Prometheus that scrapes a real Traefik."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from real_servers import Prometheus, Traefik, backend, request, until

from airflow_rollout.analysis.counts import Ledger
from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import CounterSeries, Cumulative, NoData, Reading, Value
from airflow_rollout.errors import PermanentAdapterError
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.metrics.prometheus import PrometheusProvider
from airflow_rollout.metrics.scrape import ScrapeProvider
from airflow_rollout.release import Arm, ReleaseState, Token, TrafficSplit
from airflow_rollout.traffic.traefik_file import TraefikFileRouter
from airflow_rollout.wire import Send

pytestmark = pytest.mark.real

Scraped = tuple[Traefik, Prometheus]


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service of one test, split 50:50, scraped at least once without any request."""

    name: str
    web_url: str
    started: float
    send: Send

    async def request(self, count: int, path: str = "/") -> None:
        await request(self.web_url, count, f"/{self.name}{path}")

    def query(self, question: Question, expression: str | None = None) -> MetricQuery:
        return MetricQuery(
            name="m",
            question=question,
            router="traefik_file",
            service=self.name,
            namespace="prod",
            expression=expression,
        )

    async def read(
        self,
        question: Question = Question.ERRORS,
        *,
        start: float | None = None,
        expression: str | None = None,
    ) -> Reading:
        query = self.query(question, expression)
        window = Window(start=self.started if start is None else start, end=time.time())
        return await PrometheusProvider().read(query, window, self.send)

    async def cumulative(
        self, question: Question = Question.ERRORS, *, start: float | None = None
    ) -> Cumulative:
        reading = await self.read(question, start=start)
        assert isinstance(reading, Cumulative)
        return reading

    async def scraped_since(self, at: float) -> None:
        """Wait until the newest sample is younger than a time."""

        async def is_younger() -> bool:
            reading = await self.read()
            return isinstance(reading, Cumulative) and reading.at > at

        await until(is_younger)


def run(scraped: Scraped, name: str, test: Callable[[Service], Awaitable[None]]) -> None:
    """Run a test on a service of its own: Prometheus forgets nothing between tests."""
    traefik, prometheus = scraped
    router = TraefikFileRouter(service=name, namespace="prod", rule=f"PathPrefix(`/{name}/`)")

    async def bounded() -> None:
        async with (
            asyncio.timeout(60),
            backend("v1") as v1,
            backend("v2") as v2,
            open_send(traefik.connection, system="traefik_file") as router_send,
            open_send(prometheus.connection, system="prometheus") as send,
        ):
            started = time.time()
            await router.write(_split(name, v1, v2), None, router_send)

            async def is_live() -> bool:
                return await router.live(router_send) == 50

            await until(is_live)
            service = Service(name=name, web_url=traefik.web_url, started=started, send=send)
            await service.scraped_since(started)
            await test(service)

    asyncio.run(bounded())


def _split(name: str, v1: Arm, v2: Arm) -> TrafficSplit:
    return TrafficSplit(
        service=name, stable=v1, canary=v2, weight=50, state=ReleaseState.OPEN,
        token=Token(epoch="e", owner="o", digest="d"),
    )  # fmt: skip


def grown(arm: tuple[CounterSeries, ...], start: float) -> tuple[int, int]:
    """Return requests and bad since `start`, by differences and births, as the judge does."""
    requests = bad = 0
    for series in arm:
        first, last = series.points[0], series.points[-1]
        newborn = series.born_at is not None and series.born_at >= start
        requests += last.requests - (0 if newborn else first.requests)
        bad += last.bad[0] - (0 if newborn else first.bad[0])
    return requests, bad


def test_a_new_canarys_first_requests_are_counted_to_the_last_one(scraped: Scraped) -> None:
    async def test(service: Service) -> None:
        before = await service.cumulative()
        assert grown(before.canary, service.started) == (0, 0)
        assert grown(before.stable, service.started) == (0, 0)
        await service.request(100)
        await service.request(20, "/fail")
        await service.scraped_since(time.time())
        reading = await service.cumulative()
        assert grown(reading.canary, service.started) == (60, 10)
        assert grown(reading.stable, service.started) == (60, 10)

    run(scraped, "newborn", test)


def test_latency_has_the_same_requests_in_buckets(scraped: Scraped) -> None:
    async def test(service: Service) -> None:
        assert isinstance(await service.read(Question.LATENCY), NoData)
        await service.request(40)
        await service.scraped_since(time.time())
        reading = await service.cumulative(Question.LATENCY)
        assert reading.boundaries == (0.005, 0.1, 0.4, 1.0)
        assert grown(reading.canary, service.started)[0] == 20

    run(scraped, "buckets", test)


def test_a_restarted_router_is_counted_in_both_its_lives(scraped: Scraped) -> None:
    traefik, _ = scraped

    async def test(service: Service) -> None:
        await service.request(20)
        await service.scraped_since(time.time())
        await asyncio.to_thread(traefik.kill)
        await asyncio.to_thread(traefik.start)
        await service.scraped_since(time.time())
        await service.request(60)
        await service.scraped_since(time.time())
        reading = await service.cumulative()
        assert grown(reading.canary, service.started)[0] == 40
        assert len({series.key for series in reading.canary}) == len(reading.canary) == 2

    run(scraped, "restarted", test)


def test_no_sample_from_before_the_window_is_read(scraped: Scraped) -> None:
    async def test(service: Service) -> None:
        await service.request(20)
        await service.scraped_since(time.time())
        later = (await service.cumulative()).at + 0.001
        await service.scraped_since(later)
        reading = await service.cumulative(start=later)
        assert min(point.at for series in reading.canary for point in series.points) >= later
        assert grown(reading.canary, later) == (0, 0)

    run(scraped, "windowed", test)


def test_both_sources_count_every_request_once_while_it_happens(scraped: Scraped) -> None:
    traefik, _ = scraped

    async def test(service: Service) -> None:
        async with open_send(traefik.connection, system="scrape") as page_send:
            ledgers = {"scrape": Ledger(), "prometheus": Ledger()}
            totals = {name: [0, 0, 0, 0] for name in ledgers}

            async def poll(looks_back: float) -> None:
                window = Window(start=time.time() - looks_back, end=time.time())
                query = service.query(Question.ERRORS)
                readings = {
                    "scrape": await ScrapeProvider().read(query, window, page_send),
                    "prometheus": await PrometheusProvider().read(query, window, service.send),
                }
                for name, reading in readings.items():
                    assert isinstance(reading, Cumulative)
                    interval = ledgers[name].feed(reading)
                    assert ledgers[name].problem == ""
                    if interval is not None:
                        arms = (interval.canary, interval.stable)
                        counts = [n for arm in arms for n in (arm.requests, arm.bad[0])]
                        totals[name] = [a + b for a, b in zip(totals[name], counts, strict=True)]

            await poll(1.0)
            for turn in range(12):
                await service.request(10, "/fail" if turn % 3 == 2 else "/")
                await poll(3.0)
            await service.scraped_since(time.time())
            await poll(5.0)
            assert totals == {name: [60, 20, 60, 20] for name in ledgers}

    run(scraped, "ledger", test)


def test_queries_of_ones_own(scraped: Scraped) -> None:
    async def test(service: Service) -> None:
        async def ask(expression: str) -> Reading:
            return await service.read(Question.VALUE, expression=expression)

        up = await ask('sum(up{job="traefik"})')
        assert isinstance(up, Value)
        assert up.canary == 1
        assert isinstance(await ask("0/0"), NoData)
        assert isinstance(await ask('up{job="none"}'), NoData)
        for bad in ("sum(", "up[1m]", '{__name__=~"up|scrape_.*"}'):
            with pytest.raises(PermanentAdapterError):
                await ask(bad)

    run(scraped, "queried", test)
