"""A TCP proxy that a test can break: between a release and its router, source or canary."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

from airflow_rollout.demo.part import Part

__all__ = ["Fault", "Proxy"]

T = TypeVar("T")


class Fault(StrEnum):
    """What the proxy does with a connection, the ones that are open included."""

    NONE = "none"
    REFUSE = "refuse"
    HANG = "hang"
    SLOW = "slow"
    GARBAGE = "garbage"


_SLOW_SECONDS = 30.0
_NONSENSE = b"\x00\xff<<< not what you asked for >>>"
_GARBAGE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(_NONSENSE), _NONSENSE)


class Proxy(Part):
    """Pass connections on to a target until told otherwise; a context manager.

    :param target: URL of the server behind it.
    """

    def __init__(self, target: str) -> None:
        self._target = self._address(target)
        self._fault = Fault.NONE
        self._open: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._port = 0

    @property
    def url(self) -> str:
        """Return where the proxy listens."""
        return f"http://127.0.0.1:{self._port}"

    def come_up(self) -> None:
        """Listen."""
        self._thread.start()
        self._port = self._do(self._listen())

    def close(self) -> None:
        """Cut all connections and end."""
        self._do(self._drop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def break_with(self, fault: Fault) -> None:
        """Do this with every connection from now on; the open ones are cut."""
        self._fault = fault
        self._do(self._drop())

    def mend(self) -> None:
        """Pass everything on again."""
        self.break_with(Fault.NONE)

    def lead_to(self, target: str) -> None:
        """Pass connections on to another server; the open ones are cut."""
        self._target = self._address(target)
        self._do(self._drop())

    @staticmethod
    def _address(url: str) -> tuple[str, int]:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10.0)

    async def _listen(self) -> int:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _drop(self) -> None:
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault is Fault.REFUSE:
            return
        if self._fault is Fault.HANG:
            await asyncio.Event().wait()
        if self._fault is Fault.SLOW:
            await asyncio.sleep(_SLOW_SECONDS)
        if self._fault is Fault.GARBAGE:
            while await reader.read(65536):
                writer.write(_GARBAGE)
                await writer.drain()
            return
        there, back = await asyncio.open_connection(*self._target)
        try:
            await _first_end(_copy(reader, back), _copy(there, writer))
        finally:
            back.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def _first_end(*copies: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(copy) for copy in copies]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
