"""The router `traefik_file` and the source `scrape` on a real Traefik under real requests."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import pytest
from real_servers import Traefik, backend, request, until

from airflow_rollout.analysis.parameters import Question
from airflow_rollout.analysis.readings import CounterPoint, CounterSeries, Cumulative
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.metrics.base import MetricQuery, Window
from airflow_rollout.metrics.scrape import ScrapeProvider
from airflow_rollout.release import (
    Arm,
    ReleaseState,
    Token,
    TrafficSplit,
    decide_abort,
    decide_open,
    decide_promotion,
    decide_raise,
)
from airflow_rollout.traffic.base import WriteConflict
from airflow_rollout.traffic.traefik_file import TraefikFileRouter
from airflow_rollout.wire import Send

pytestmark = pytest.mark.real

ROUTER = TraefikFileRouter(
    service="app", namespace="prod", rule="PathPrefix(`/`)", entry_points=("web",)
)
TOKEN = Token(epoch="e1", owner="app/run_1", digest="d")


def released(arm: Arm) -> TrafficSplit:
    return TrafficSplit(
        service="app", stable=arm, canary=None, weight=0, state=ReleaseState.RELEASED,
        token=replace(TOKEN, epoch="e0", owner="app/run_0"),
    )  # fmt: skip


async def seen(send: Send, weight: int, router: TraefikFileRouter = ROUTER) -> None:
    """Wait until Traefik works with a weight."""

    async def there() -> bool:
        return await router.live(send) == weight

    await until(there)


async def opened(send: Send, stable: Arm, canary: Arm) -> TrafficSplit:
    """Release `stable`, open a release of `canary`, and wait until Traefik serves it."""
    first = await ROUTER.write(released(stable), None, send)
    decision = decide_open(first, service="app", token=TOKEN, canary=canary)
    assert decision.split is not None
    split = await ROUTER.write(decision.split, first, send)
    await seen(send, 0)
    return split


async def raised(send: Send, split: TrafficSplit, weight: int) -> TrafficSplit:
    assert split.canary is not None
    decision = decide_raise(
        await ROUTER.read(send), token=TOKEN, canary=split.canary, weight=weight,
        previous_weight=split.weight,
    )  # fmt: skip
    assert decision.split is not None
    written = await ROUTER.write(decision.split, split, send)
    await seen(send, weight)
    return written


async def scrape(send: Send, question: Question = Question.ERRORS) -> Cumulative:
    query = MetricQuery(
        name="m", question=question, router="traefik_file", service="app", namespace="prod"
    )
    now = time.time()
    reading = await ScrapeProvider().read(query, Window(start=now - 60, end=now), send)
    assert isinstance(reading, Cumulative)
    return reading


def newest(arm: tuple[CounterSeries, ...]) -> CounterPoint:
    (series,) = arm
    return series.points[-1]


def run(traefik: Traefik, test: Callable[[Send, Arm, Arm], Awaitable[None]]) -> None:
    """Run a test with a `Send` on Traefik's connection and two versions that listen."""

    async def bounded() -> None:
        async with (
            asyncio.timeout(60),
            backend("v1") as v1,
            backend("v2") as v2,
            open_send(traefik.connection, system="traefik_file") as send,
        ):
            await test(send, v1, v2)

    asyncio.run(bounded())


def test_requests_are_split_as_written_and_counted_as_served(traefik: Traefik) -> None:
    async def test(send: Send, v1: Arm, v2: Arm) -> None:
        split = await opened(send, v1, v2)
        total: Counter[str] = Counter()
        for weight, share in ((0, 0), (10, 20), (50, 100), (100, 200)):
            if weight:
                split = await raised(send, split, weight)
            found = await request(traefik.web_url, 200)
            assert sum(found.values()) == found[200, "v1"] + found[200, "v2"] == 200
            # Traefik deals in rounds; where in a round a weight begins is worth one request.
            assert abs(found[200, "v2"] - share) <= (0 if weight in (0, 100) else 1)
            total.update({body: count for (_, body), count in found.items()})
            reading = await scrape(send)
            assert newest(reading.canary).requests == total["v2"]
            assert newest(reading.stable).requests == total["v1"]

    run(traefik, test)


def test_failed_requests_of_an_arm_are_its_errors(traefik: Traefik) -> None:
    async def test(send: Send, v1: Arm, v2: Arm) -> None:
        split = await opened(send, v1, v2)
        await raised(send, split, 50)
        await request(traefik.web_url, 20)
        await request(traefik.web_url, 10, "/fail")
        errors, latency = await scrape(send), await scrape(send, Question.LATENCY)
        assert newest(errors.canary).bad == newest(errors.stable).bad == (5,)
        assert newest(errors.canary).requests == newest(latency.canary).requests == 15
        assert latency.boundaries == (0.005, 0.1, 0.4, 1.0)

    run(traefik, test)


def test_a_canary_that_is_gone_answers_502_and_that_is_its_error(traefik: Traefik) -> None:
    async def test(send: Send, v1: Arm, v2: Arm) -> None:
        split = await opened(send, v1, Arm(version="v2", target="http://127.0.0.1:1"))
        assert await request(traefik.web_url, 20) == {(200, "v1"): 20}
        await raised(send, split, 50)
        found = await request(traefik.web_url, 20)
        assert found[502, "Bad Gateway"] == 10
        assert newest((await scrape(send)).canary).bad == (10,)

    run(traefik, test)


def test_a_first_release_answers_503_until_its_version_is_stable(traefik: Traefik) -> None:
    async def test(send: Send, v1: Arm, v2: Arm) -> None:
        decision = decide_open(None, service="app", token=TOKEN, canary=v1)
        assert decision.split is not None
        split = await ROUTER.write(decision.split, None, send)
        await seen(send, 0)
        assert await request(traefik.web_url, 3) == {(503, "no available server"): 3}
        first = decide_raise(split, token=TOKEN, canary=v1, weight=10, previous_weight=0).split
        assert first is not None
        await ROUTER.write(first, split, send)

        async def serves() -> bool:
            return (await request(traefik.web_url, 1))[200, "v1"] == 1

        await until(serves)
        assert await request(traefik.web_url, 10) == {(200, "v1"): 10}

    run(traefik, test)


def test_a_whole_release_loses_no_request(traefik: Traefik) -> None:
    async def test(send: Send, v1: Arm, v2: Arm) -> None:
        split = await opened(send, v1, v2)
        found: Counter[tuple[int, str]] = Counter()
        stop = asyncio.Event()

        async def load() -> None:
            async with httpx.AsyncClient(base_url=traefik.web_url, trust_env=False) as client:
                while not stop.is_set():
                    answer = await client.get("/")
                    found[answer.status_code, answer.text] += 1

        loads = [asyncio.create_task(load()) for _ in range(4)]
        for weight in (10, 50, 100):
            split = await raised(send, split, weight)
            await asyncio.sleep(0.1)
        promotion = decide_promotion(split, token=TOKEN, canary=v2).split
        assert promotion is not None
        split = await ROUTER.write(promotion, split, send)
        await seen(send, 0)
        await asyncio.sleep(0.3)
        stop.set()
        await asyncio.gather(*loads)
        assert set(found) == {(200, "v1"), (200, "v2")}
        assert min(found.values()) > 10
        assert await request(traefik.web_url, 20) == {(200, "v2"): 20}

    run(traefik, test)


def test_after_an_abort_was_seen_no_request_reaches_the_canary(traefik: Traefik) -> None:
    async def test(send: Send, v1: Arm, v2: Arm) -> None:
        split = await raised(send, await opened(send, v1, v2), 50)
        reason = 'FAIL: {{ .Bad }} # "quoted"\n\u2028 \x00 end'
        decision = decide_abort(split, epoch="e1", owner=TOKEN.owner, reason=reason)
        assert decision.split is not None
        await ROUTER.write(decision.split, split, send)
        await seen(send, 0)
        assert await request(traefik.web_url, 50) == {(200, "v1"): 50}
        found = await ROUTER.read(send)
        assert found is not None
        assert (found.state, found.reason) == (ReleaseState.SEALED, reason)

    run(traefik, test)


def test_of_two_writers_one_wins_and_the_other_is_told(traefik: Traefik) -> None:
    async def test(send: Send, v1: Arm, v2: Arm) -> None:
        split = await opened(send, v1, v2)
        async with open_send(traefik.connection, system="traefik_file") as other:
            for turn in range(20):
                wanted = [replace(split, reason=f"{turn} {writer}") for writer in "ab"]
                outcomes = await asyncio.gather(
                    *(
                        ROUTER.write(w, split, s)
                        for w, s in zip(wanted, (send, other), strict=True)
                    ),
                    return_exceptions=True,
                )
                conflicts = [one for one in outcomes if isinstance(one, WriteConflict)]
                winners = [one for one in outcomes if isinstance(one, TrafficSplit)]
                assert (len(winners), len(conflicts)) == (1, 1)
                split = winners[0]
                assert conflicts[0].found == split == await ROUTER.read(send)

    run(traefik, test)


def test_a_restarted_traefik_goes_on_with_the_weight_and_a_new_life(traefik: Traefik) -> None:
    async def test(send: Send, v1: Arm, v2: Arm) -> None:
        await raised(send, await opened(send, v1, v2), 50)
        await request(traefik.web_url, 20)
        before = await scrape(send)
        await asyncio.to_thread(traefik.kill)
        await asyncio.to_thread(traefik.start)
        await seen(send, 50)
        await request(traefik.web_url, 4)
        after = await scrape(send)
        assert newest(before.canary).requests == 10
        assert newest(after.canary).requests == 2
        assert after.canary[0].key != before.canary[0].key
        assert after.canary[0].born_at is not None
        assert after.canary[0].born_at > before.at - 1

    run(traefik, test)


def test_a_broken_file_beside_ours_shows_as_a_live_weight_that_stays(traefik: Traefik) -> None:
    async def test(send: Send, v1: Arm, v2: Arm) -> None:
        split = await opened(send, v1, v2)
        broken = traefik.directory / "zz.yaml"
        broken.write_text("http: [")
        raise_ = decide_raise(split, token=TOKEN, canary=v2, weight=10, previous_weight=0).split
        assert raise_ is not None
        await ROUTER.write(raise_, split, send)
        await asyncio.sleep(0.5)
        assert await ROUTER.live(send) == 0
        broken.unlink()
        await seen(send, 10)

    run(traefik, test)


def test_two_services_on_one_traefik_do_not_meet(traefik: Traefik) -> None:
    async def test(send: Send, v1: Arm, v2: Arm) -> None:
        shop = TraefikFileRouter(service="shop", namespace="prod", rule="PathPrefix(`/shop`)")
        await opened(send, v1, v2)
        await shop.write(replace(released(v2), service="shop"), None, send)
        await seen(send, 0, shop)
        assert await request(traefik.web_url, 10, "/shop") == {(200, "v2"): 10}
        assert await request(traefik.web_url, 10) == {(200, "v1"): 10}
        assert await ROUTER.live(send) == 0

    run(traefik, test)
