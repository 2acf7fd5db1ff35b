"""HTTP servers on loopback that answer as a metric system does, until a test lets them fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from odd_servers import Odd

from airflow_rollout.demo.part import Part
from airflow_rollout.wire import HttpRequest, HttpResponse

__all__ = ["ContractServer", "Fault", "Hosting"]

Answer = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What a server does instead of answering well: one of the two.

    :param words: what a gate has to say of it, a regular expression.
    :param spoil: what becomes of the good answer.
    :param odd: what it does below HTTP.
    """

    words: str
    spoil: Callable[[HttpResponse], HttpResponse] | None = None
    odd: Odd | None = None


class Hosting(Part):
    """Run servers in a thread of their own; a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[ContractServer] = []

    def come_up(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the servers and the thread."""
        for server in self._servers:
            self.do(server.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in the servers' thread and wait for its end."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30.0)

    def serve(self, answer: Answer, *, keys: Mapping[str, str] | None = None) -> ContractServer:
        """Start a server.

        :param keys: headers without which everybody is refused.
        """
        server = ContractServer(answer, keys or {}, self)
        self.do(server.listen())
        self._servers.append(server)
        return server


class ContractServer:
    """One server; `url` is where it listens."""

    def __init__(self, answer: Answer, keys: Mapping[str, str], hosting: Hosting) -> None:
        self._answer = answer
        self._keys = keys
        self._hosting = hosting
        self._fault: Fault | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None, "nobody listens"
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def break_with(self, fault: Fault) -> None:
        """Fail like this from now on; connections that are open break."""
        self._hosting.do(self._change(fault))

    def mend(self) -> None:
        """Answer well again."""
        self._hosting.do(self._change(None))

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None, "nobody listens"
        self._server.close()
        await self._cut()

    async def _change(self, fault: Fault | None) -> None:
        self._fault = fault
        await self._cut()

    async def _cut(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while await self._answered(await _read(reader), writer):
                await writer.drain()
            # Whoever asked may wait for as long as it likes.
            await reader.read()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _answered(self, request: HttpRequest, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection can take another."""
        fault = self._fault
        if fault is not None and fault.odd is not None:
            fault.odd(writer)
            return False
        given = dict(request.headers)
        known = all(given.get(name) == value for name, value in self._keys.items())
        response = self._answer(request) if known else _FORBIDDEN
        if fault is not None and fault.spoil is not None:
            response = fault.spoil(response)
        headers = {**response.headers, "content-length": str(len(response.body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {response.status} -\r\n{head}\r\n".encode() + response.body)
        return True


_FORBIDDEN = HttpResponse(status=403, body=b'{"errors": ["Forbidden"]}')


async def _read(reader: asyncio.StreamReader) -> HttpRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    return HttpRequest(
        method=method, url=parts.path, params=tuple(parse_qsl(parts.query)),
        headers=tuple(headers.items()), body=body or None,
    )  # fmt: skip
