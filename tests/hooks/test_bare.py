"""Probes, which have no connection: what they send, and what they bear."""

from __future__ import annotations

import pytest
from bounded import run
from raw_server import get, serving

from airflow_rollout.hooks.transport import open_send
from airflow_rollout.wire import HttpRequest, HttpResponse


def test_a_probe_over_a_kept_connection_that_was_closed_is_sent_again() -> None:
    async def test() -> None:
        async with serving() as server, open_send(None, system="s") as send:
            url = f"http://127.0.0.1:{server.port}/x"
            await send(HttpRequest(url=url))
            server.closes_next = True
            answer = await send(HttpRequest(url=url))
            assert isinstance(answer, HttpResponse)
            assert answer.status == 200
            assert server.connections == 2

    run(test)


def test_a_probe_says_who_asks_and_nothing_else() -> None:
    async def test() -> None:
        async with serving() as server:
            await get(None, f"http://127.0.0.1:{server.port}/x?a=b%2Fc")
            lines = server.heads[0].lower().split("\r\n")
            assert lines[0] == "get /x?a=b/c http/1.1"
            names = {line.partition(":")[0] for line in lines[1:] if line}
            assert names == {"host", "user-agent", "accept"}
            assert "user-agent: airflow-rollout" in lines

    run(test)


@pytest.mark.parametrize("size", [20_000, 90_000])
def test_a_probe_takes_as_long_a_head_as_any_other_request(size: int) -> None:
    async def test() -> None:
        answer = b"HTTP/1.1 200 OK\r\nX: " + b"a" * size + b"\r\nContent-Length: 2\r\n\r\nok"
        async with serving(answer) as server:
            found = await get(None, f"http://127.0.0.1:{server.port}/x")
            assert len(found.headers["x"]) == size

    run(test)

    run(test)
