"""Equal questions asked at the same time are sent once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.hooks.transport import single_flight
from airflow_rollout.wire import HttpRequest, HttpResponse, Request, Response


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(bounded())


class Counting:
    """A `Send` that counts, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.sent: list[Request] = []
        self.failures = failures

    async def __call__(self, request: Request) -> Response:
        self.sent.append(request)
        await asyncio.sleep(0.01)
        if len(self.sent) <= self.failures:
            raise TransientAdapterError("no", system="s")
        return HttpResponse(status=200)


def test_equal_requests_of_one_poll_are_sent_once() -> None:
    async def test() -> None:
        send = Counting()
        shared = single_flight(send)
        a, b = HttpRequest(url="/a"), HttpRequest(url="/b")
        answers = await asyncio.gather(shared(a), shared(b), shared(HttpRequest(url="/a")))
        assert answers[0] is answers[2]
        assert send.sent == [a, b]

    run(test)


def test_a_shared_failure_fails_everybody_who_asked() -> None:
    async def test() -> None:
        shared = single_flight(Counting(failures=1))
        request = HttpRequest(url="/a")
        found = await asyncio.gather(shared(request), shared(request), return_exceptions=True)
        assert [type(one) for one in found] == [TransientAdapterError, TransientAdapterError]

    run(test)


def test_whoever_waits_asks_itself_when_the_first_is_cancelled() -> None:
    async def test() -> None:
        send = Counting()
        shared = single_flight(send)
        first = asyncio.create_task(shared(HttpRequest(url="/a")))
        second = asyncio.create_task(shared(HttpRequest(url="/a")))
        await asyncio.sleep(0.001)
        first.cancel()
        assert await second == HttpResponse(status=200)
        assert len(send.sent) == 2

    run(test)


def test_writes_are_never_shared() -> None:
    async def test() -> None:
        send = Counting()
        shared = single_flight(send)
        request = HttpRequest(method="POST", url="/a")
        await asyncio.gather(shared(request), shared(request))
        assert len(send.sent) == 2

    run(test)
