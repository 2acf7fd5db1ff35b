"""Equal questions of the same moment are sent once, whoever asks them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from virtual_time import run_virtual

from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.hooks import sources
from airflow_rollout.hooks.sources import SingleFlight
from airflow_rollout.wire import FileRead, HttpRequest, HttpResponse, Request, Response

A, B = HttpRequest(url="/a"), HttpRequest(url="/b")
POSTED = HttpRequest(method="POST", url="/a", body=b"{}")


class Counting:
    """A `Send` that counts, takes its time, and fails as often as it is told."""

    def __init__(self, failures: int = 0, body: bytes = b"") -> None:
        self.sent: list[Request] = []
        self.failures = failures
        self.body = body

    async def __call__(self, request: Request) -> Response:
        self.sent.append(request)
        await asyncio.sleep(0.01)
        if len(self.sent) <= self.failures:
            raise TransientAdapterError("no", system="s")
        return HttpResponse(status=200, body=self.body)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(100):
            await test()

    run_virtual(bounded())


def test_equal_requests_of_one_moment_are_sent_once() -> None:
    async def test() -> None:
        send, flights = Counting(), SingleFlight()
        gates = [flights.at(50.0, send) for _ in range(3)]
        answers = await asyncio.gather(gates[0](A), gates[1](B), gates[2](HttpRequest(url="/a")))
        assert answers[0] is answers[2]
        assert send.sent == [A, B]

    run(test)


def test_a_gate_that_gets_its_turn_late_still_gets_the_answer_of_its_moment() -> None:
    async def test() -> None:
        send, flights = Counting(), SingleFlight()
        first = await flights.at(50.0, send)(POSTED)
        await asyncio.sleep(4.9)
        assert await flights.at(50.0, send)(POSTED) is first
        assert send.sent == [POSTED]

    run(test)


def test_an_answer_is_never_given_for_another_moment() -> None:
    async def test() -> None:
        send, flights = Counting(), SingleFlight()
        for moment in (50.0, 51.0, 50.5):
            await flights.at(moment, send)(A)
        assert send.sent == [A, A, A]

    run(test)


def test_an_answer_is_forgotten_after_a_while() -> None:
    async def test() -> None:
        send, flights = Counting(), SingleFlight()
        await flights.at(50.0, send)(A)
        await asyncio.sleep(5.1)
        await flights.at(50.0, send)(A)
        assert send.sent == [A, A]

    run(test)


def test_what_is_kept_is_bounded_in_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_KEPT_BYTES", 25)

    async def test() -> None:
        send, flights = Counting(body=bytes(10)), SingleFlight()
        for moment in range(4):
            await flights.at(moment, send)(A)
        await flights.at(3.0, send)(A)
        assert len(send.sent) == 4, "the newest is kept"
        await flights.at(0.0, send)(A)
        assert len(send.sent) == 5, "the oldest went first"

    run(test)


def test_what_is_under_way_is_never_asked_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        flights, asked = SingleFlight(), []

        async def slow(request: Request) -> Response:
            asked.append(request)
            await asyncio.sleep(30)
            return HttpResponse(status=200)

        first = asyncio.create_task(flights.at(50.0, slow)(A))
        await asyncio.sleep(10)
        await asyncio.gather(first, flights.at(50.0, slow)(A))
        assert asked == [A]

    run(test)


def test_a_shared_failure_fails_everybody_who_asked() -> None:
    async def test() -> None:
        send = SingleFlight().at(50.0, Counting(failures=1))
        found = await asyncio.gather(send(A), send(A), return_exceptions=True)
        assert [type(one) for one in found] == [TransientAdapterError, TransientAdapterError]

    run(test)


def test_whoever_waits_asks_itself_when_the_first_is_cancelled() -> None:
    async def test() -> None:
        counting = Counting()
        send = SingleFlight().at(50.0, counting)
        first = asyncio.create_task(send(A))
        second = asyncio.create_task(send(A))
        await asyncio.sleep(0.001)
        first.cancel()
        assert await second == HttpResponse(status=200)
        assert len(counting.sent) == 2

    run(test)


def test_files_are_not_shared() -> None:
    async def test() -> None:
        counting = Counting()
        send = SingleFlight().at(50.0, counting)
        await asyncio.gather(send(FileRead(name="a")), send(FileRead(name="a")))
        assert len(counting.sent) == 2

    run(test)
