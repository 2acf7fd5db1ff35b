"""A machine behind a proxy: the environment says so, and a connection may say otherwise."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_rollout.errors import TransientAdapterError
from airflow_rollout.hooks.connection import ConnectionInfo
from airflow_rollout.hooks.transport import open_send
from airflow_rollout.wire import HttpRequest, HttpResponse

# RFC 6761: no name server knows it.
HOST = "http://metrics.invalid:9090"


class Proxy:
    """Answers in the place of whoever is asked for."""

    def __init__(self) -> None:
        self.heads: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        writer.close()


async def asking(patch: pytest.MonkeyPatch, proxy: Proxy, **extra: Any) -> HttpResponse:
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    for name in ("NO_PROXY", "no_proxy", "all_proxy", "ALL_PROXY", "http_proxy"):
        patch.delenv(name, raising=False)
    patch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    info = ConnectionInfo(conn_id="c", conn_type="http", host=HOST, extra=extra)
    try:
        async with open_send(info, system="s") as send:
            answer = await send(HttpRequest(url="/api", timeout_seconds=5.0))
    finally:
        server.close()
    assert isinstance(answer, HttpResponse)
    return answer


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy()
    answer = asyncio.run(asking(monkeypatch, proxy))
    assert answer.body == b"hi"
    assert proxy.heads[0].startswith(f"GET {HOST}/api HTTP/1.1")


def test_a_connection_may_go_past_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy()
    with pytest.raises(TransientAdapterError):
        asyncio.run(asking(monkeypatch, proxy, trust_env=False))
    assert proxy.heads == []
