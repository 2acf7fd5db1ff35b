"""A source is opened once an event loop and connection, and closed by the last one to leave."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.sources import open_source
from airflow_rollout.wire import HttpRequest, HttpResponse

INFO = ConnectionInfo(
    conn_id="c", conn_type="http", host="http://127.0.0.1:1", password="old", extra={"a": [1]}
)


class Server:
    """Answers with a status and counts connections and requests."""

    def __init__(self, head: bytes = b"HTTP/1.1 200 OK\r\n") -> None:
        self.head = head
        self.connections = 0
        self.requests = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                writer.write(self.head + b"Content-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def start(self) -> tuple[asyncio.Server, ConnectionInfo]:
        listening = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        return listening, replace(INFO, host=f"http://127.0.0.1:{port}")


def test_all_gates_of_a_connection_share_its_clients() -> None:
    async def test() -> None:
        server = Server()
        listening, info = await server.start()
        async with open_source(info, system="s") as one, open_source(info, system="s") as other:
            assert one is other
            for source in (one, other):
                assert isinstance(await source.send(HttpRequest(url="/a")), HttpResponse)
        assert (server.connections, server.requests) == (1, 2)
        listening.close()

    asyncio.run(test())


def test_it_stays_open_until_the_last_one_leaves_and_is_opened_anew_after_that() -> None:
    async def test() -> None:
        server = Server()
        listening, info = await server.start()
        async with open_source(info, system="s") as one:
            async with open_source(info, system="s"):
                pass
            await one.send(HttpRequest(url="/a"))
        with pytest.raises(RuntimeError):
            await one.send(HttpRequest(url="/a"))
        async with open_source(info, system="s") as later:
            assert later is not one
            await later.send(HttpRequest(url="/a"))
        listening.close()

    asyncio.run(test())


def test_changed_credentials_are_another_connection() -> None:
    async def test() -> None:
        changed = (replace(INFO, password="new"), replace(INFO, extra={"a": [2]}))
        async with open_source(INFO, system="s") as one:
            for info in changed:
                async with open_source(info, system="s") as other:
                    assert other is not one

    asyncio.run(test())


def test_a_loop_that_ended_leaves_nothing_to_the_next_one() -> None:
    async def test() -> None:
        server = Server()
        listening, info = await server.start()
        async with open_source(info, system="s") as source:
            await source.send(HttpRequest(url="/a"))
        listening.close()

    for _ in range(2):
        asyncio.run(test())


def test_a_system_that_asked_one_gate_to_wait_is_left_alone_by_all() -> None:
    async def test() -> None:
        server = Server(b"HTTP/1.1 429 X\r\nRetry-After: 30\r\n")
        listening, info = await server.start()
        async with open_source(info, system="s") as one, open_source(info, system="s") as other:
            await one.send(HttpRequest(url="/a"))
            with pytest.raises(TransientAdapterError, match="left alone"):
                await other.send(HttpRequest(url="/b"))
        assert server.requests == 1
        listening.close()

    asyncio.run(test())
