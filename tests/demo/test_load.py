"""The load generator keeps its pace and loses no request."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from airflow_rollout.demo.answers import Answer, AnswerTail, read_answers
from airflow_rollout.demo.http_client import HttpClient, NoAnswer
from airflow_rollout.demo.load import generate
from airflow_rollout.demo.ports import free_ports
from airflow_rollout.demo.processes import Processes, wait_until
from airflow_rollout.demo.service import Faults, Service, serve

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Version: v1\r\n\r\nok"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def with_server(handler: Handler, use: Callable[[str], Awaitable[None]]) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        await use(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


async def read_request(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def load(
    version: str, faults: Faults, *, rate: float, count: int | None = None,
    duration_seconds: float | None = None,
) -> tuple[list[Answer], float]:  # fmt: skip
    """Load a service in this process; return the answers and the seconds it took."""
    answers: list[Answer] = []

    async def go() -> float:
        port = free_ports(1)[0]
        server = asyncio.create_task(serve(Service(version, faults), port))
        await asyncio.sleep(0.1)
        client = HttpClient(f"http://127.0.0.1:{port}/x")
        start = time.monotonic()
        await generate(
            client, rate=rate, record=answers.append, count=count,
            duration_seconds=duration_seconds,
        )  # fmt: skip
        took = time.monotonic() - start
        client.close()
        server.cancel()
        return took

    return answers, asyncio.run(go())


def test_every_request_is_recorded_once() -> None:
    answers, _ = load("v2", Faults(error_rate=0.3, seed=5), rate=1000, count=500)
    assert len(answers) == 500
    service = Service("v2", Faults(error_rate=0.3, seed=5))
    failing = sum(service.routed().startswith(b"HTTP/1.1 500") for _ in range(500))
    assert sum(answer.is_failed for answer in answers) == failing
    assert {answer.version for answer in answers} == {"v2"}


def test_it_is_never_faster_than_its_rate() -> None:
    answers, took = load("v1", Faults(), rate=200, count=101)
    assert took >= 0.5
    sent = sorted(answer.sent for answer in answers)
    assert sent[-1] - sent[0] >= 0.45


def test_slow_answers_do_not_slow_it_down() -> None:
    answers, took = load("v1", Faults(latency_ms=300), rate=200, count=60)
    # One after the other they would take 18 s.
    assert took < 9
    assert min(answer.latency_ms for answer in answers) >= 299
    assert len(answers) == 60


def test_the_duration_bounds_the_number_of_requests() -> None:
    answers, _ = load("v1", Faults(), rate=100, duration_seconds=0.5)
    assert len(answers) == 50


def test_times_of_a_request_agree() -> None:
    before = time.time()
    answers, _ = load("v1", Faults(latency_ms=20), rate=200, count=20)
    after = time.time()
    for answer in answers:
        assert before - 0.1 <= answer.sent <= answer.done <= after + 0.1
        assert (answer.done - answer.sent) * 1000 == pytest.approx(answer.latency_ms, abs=0.5)


def test_a_server_that_is_not_there_fails_each_request() -> None:
    answers: list[Answer] = []

    async def go() -> None:
        client = HttpClient(f"http://127.0.0.1:{free_ports(1)[0]}/")
        await generate(client, rate=1000, record=answers.append, count=10)

    asyncio.run(go())
    assert [(answer.status, answer.version) for answer in answers] == [(0, "")] * 10


def test_a_server_that_does_not_answer_is_a_timeout() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def use(url: str) -> None:
        with pytest.raises(NoAnswer):
            await HttpClient(url, timeout_seconds=0.1).get()

    asyncio.run(with_server(handler, use))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"",
    ],
)
def test_a_broken_answer_is_no_answer(answer: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    async def use(url: str) -> None:
        with pytest.raises(NoAnswer):
            await HttpClient(url).get()

    asyncio.run(with_server(handler, use))


def test_a_chunked_answer_is_read_whole_and_the_connection_used_again() -> None:
    connections = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        for _ in range(2):
            await read_request(reader)
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Version: v3\r\n\r\n"
            for piece in (head, b"5\r\nhello\r\n", b"1\r", b"\n!\r\n", b"0\r\n\r\n"):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)

    async def use(url: str) -> None:
        client = HttpClient(url)
        for _ in range(2):
            answer = await client.get()
            assert (answer.status, answer.headers["x-version"]) == (200, "v3")
        client.close()

    asyncio.run(with_server(handler, use))
    assert connections == [1]


def test_a_kept_connection_that_the_server_closed_is_no_failed_request() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await writer.drain()
        # Says nothing of closing, waits for the next request and hangs up on it.
        await read_request(reader)

    async def use(url: str) -> None:
        client = HttpClient(url)
        for _ in range(4):
            assert (await client.get()).status == 200
        client.close()

    asyncio.run(with_server(handler, use))


def test_a_server_that_closes_after_each_answer_is_served_by_new_connections() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await writer.drain()

    async def use(url: str) -> None:
        client = HttpClient(url)
        for _ in range(3):
            assert (await client.get()).status == 200

    asyncio.run(with_server(handler, use))


def test_its_own_headers_are_sent() -> None:
    seen = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)
        await writer.drain()

    async def use(url: str) -> None:
        await HttpClient(url + "a?b=1", headers={"Host": "shop.example"}).get()

    asyncio.run(with_server(handler, use))
    assert seen[0].startswith(b"GET /a?b=1 HTTP/1.1\r\nHost: shop.example\r\n")


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "127.0.0.1:80", "http:///x"])
def test_only_http_urls_are_loaded(url: str) -> None:
    with pytest.raises(ValueError, match="http URL"):
        HttpClient(url)


def test_the_process_can_be_read_along_and_ended(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    out = tmp_path / "answers.txt"
    module = [sys.executable, "-m"]
    with Processes(tmp_path / "logs") as processes:
        processes.start("service", [*module, "airflow_rollout.demo.service", "--port", str(port)])
        tail = AnswerTail(out)
        load = processes.start(
            "load",
            [*module, "airflow_rollout.demo.load", "--url", f"http://127.0.0.1:{port}/x",
             "--out", str(out), "--rate", "100"],
        )  # fmt: skip
        read: list[Answer] = []

        def served() -> bool:
            read.extend(tail.read_new())
            return sum(answer.status == 200 for answer in read) >= 20

        wait_until(served, what="answers", timeout_seconds=20, children=[load])
        load.send_signal(signal.SIGTERM)
        assert load.wait(20) == 0
    assert len(read_answers(out)) >= len(read)
