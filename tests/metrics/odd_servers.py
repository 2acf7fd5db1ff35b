"""Servers on loopback that misbehave below HTTP: silent, closed, cut off, endless."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

__all__ = ["ODD_SERVERS", "Odd", "serving"]

Odd = Callable[[asyncio.StreamWriter], None]

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def _silent(writer: asyncio.StreamWriter) -> None:
    """Say nothing and keep the connection."""


def _cut(writer: asyncio.StreamWriter) -> None:
    writer.write(_HEAD + b'Content-Length: 5000\r\n\r\n{"status":"success","data":{"resu')
    writer.close()


def _gone(writer: asyncio.StreamWriter) -> None:
    writer.close()


def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(_HEAD + b"Content-Length: 4000000\r\n\r\n" + b" " * 4_000_000)


ODD_SERVERS: dict[str, Odd] = {
    "no answer in time": _silent,
    "an answer that is cut off": _cut,
    "a connection that is closed at once": _gone,
    "an answer that is too large": _endless,
}


@asynccontextmanager
async def serving(odd: Odd) -> AsyncIterator[int]:
    """Yield the port of a server that does one odd thing to whoever asks."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        odd(writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
