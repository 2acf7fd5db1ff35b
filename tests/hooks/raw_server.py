"""A server that answers with bytes, and how to ask it through a connection or as a probe."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.wire import HttpRequest, HttpResponse

__all__ = ["Server", "addressed", "conn", "get", "serving"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Odd-Header: Yes\r\n\r\nhi"


class Server:
    """Answers every request with the same bytes and keeps what was asked."""

    def __init__(self, answer: bytes, *, delay: float = 0.0) -> None:
        self.answer = answer
        self.delay = delay
        self.heads: list[str] = []
        self.port = 0
        self.connections = 0
        # Close the connection instead of an answer, once.
        self.closes_next = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                if self.closes_next:
                    self.closes_next = False
                    break
                await asyncio.sleep(self.delay)
                writer.write(self.answer)
                await writer.drain()
                if b"close" in self.answer or not self.answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    answer: bytes = OK, *, delay: float = 0.0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server(answer, delay=delay)
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


def conn(**fields: Any) -> ConnectionInfo:
    return ConnectionInfo(conn_id="c", **{"conn_type": "http", **fields})


async def get(info: ConnectionInfo | None, url: str = "/x", **fields: Any) -> HttpResponse:
    async with open_send(info, system="s") as send:
        answer = await send(HttpRequest(url=url, **fields))
    assert isinstance(answer, HttpResponse)
    return answer


def addressed(server: Server, *, is_probe: bool) -> tuple[ConnectionInfo | None, str]:
    """Return how to reach a server: through a connection, or as a probe by its address alone."""
    base = f"http://127.0.0.1:{server.port}"
    return (None, f"{base}/x") if is_probe else (conn(host=base), "/x")
