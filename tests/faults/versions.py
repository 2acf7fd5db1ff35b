"""Versions of many services in one process, whose health is a switch, and load on all of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from airflow_rollout.demo.http_client import HttpClient
from airflow_rollout.demo.load import generate

__all__ = ["Load", "Version"]


class Version:
    """One version of every service; answers all paths, and knows when which one was asked.

    :param name: what it says of itself.
    """

    def __init__(self, name: str) -> None:
        self.is_healthy = True
        self._asked: list[tuple[float, str]] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self, name))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, service: str) -> list[float]:
        """Return when users of a service reached this version."""
        return [at for at, path in self._asked if path == f"/{service}/"]

    def answer(self, path: str) -> int:
        """Return the status for a path."""
        if path == "/healthz":
            return 200 if self.is_healthy else 503
        self._asked.append((time.time(), path))
        return 200


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Traefik opens a connection for each service at the same moment.
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a router drops connections that it no longer needs."""


def _handler(version: Version, name: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response_only(version.answer(self.path))
            self.send_header("X-Version", name)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


class Load:
    """Users of many services, in one thread.

    :param urls: of the services.
    :param rate: requests a second on each of them.
    """

    def __init__(self, urls: Sequence[str], *, rate: float) -> None:
        self._urls = tuple(urls)
        self._rate = rate
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failed = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        self._thread.join()

    def _run(self) -> None:
        self._task = self._loop.create_task(self._send())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    async def _send(self) -> None:
        clients = [HttpClient(url) for url in self._urls]
        try:
            await asyncio.gather(*(self._use(client) for client in clients))
        finally:
            for client in clients:
                client.close()

    async def _use(self, client: HttpClient) -> None:
        def count(answer: object) -> None:
            self.failed += bool(getattr(answer, "is_failed", True))

        await generate(client, rate=self._rate, record=count)
