"""HTTP servers on loopback that answer as a metric system does, until a test lets them fail."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from odd_servers import Odd

from airflow_rollout.demo.ports import free_ports
from airflow_rollout.wire import HttpRequest, HttpResponse

__all__ = ["ContractServer", "Fault", "Hosting"]

Answer = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What a server does instead of answering well: one of the three.

    :param words: what a gate has to say of it, a regular expression.
    :param spoil: what becomes of the good answer.
    :param odd: what it does below HTTP.
    :param refuses: whether nobody listens any more.
    """

    words: str
    spoil: Callable[[HttpResponse], HttpResponse] | None = None
    odd: Odd | None = None
    refuses: bool = False


class Hosting:
    """Run servers in a thread of their own; a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[ContractServer] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
    """One server; `url` is where it listens, also while it refuses everybody.

    `asked` counts the requests that have reached it.
    """

    def __init__(self, answer: Answer, keys: Mapping[str, str], hosting: Hosting) -> None:
        self._answer = answer
        self._keys = keys
        self._hosting = hosting
        self.asked = 0
        self._fault: Fault | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        # Bound to a port that was chosen before, the socket keeps it while nobody listens.
        self._port = free_ports(1)[0]
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", self._port))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def break_with(self, fault: Fault) -> None:
        """Fail like this from now on; connections that are open break."""
        self._hosting.do(self._change(fault))

    def mend(self) -> None:
        """Answer well again."""
        self._hosting.do(self._change(None))

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._socket.dup())

    async def close(self) -> None:
        await self._deafen()
        self._socket.close()

    async def _change(self, fault: Fault | None) -> None:
        self._fault = fault
        await self._deafen()
        if fault is None or not fault.refuses:
            await self.listen()

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
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
        self.asked += 1
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
