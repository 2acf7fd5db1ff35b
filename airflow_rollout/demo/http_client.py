"""A lean HTTP/1.1 client for many small GETs: one pool of keep-alive connections, no more.

A general client spends several times the processor time on each request, and the lab shares two
cores with a whole Airflow.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["HttpClient", "NoAnswer", "RawAnswer"]


class NoAnswer(Exception):
    """The server refused, broke off or did not answer in time, or answered nonsense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """Status and headers (lower case names); the body is read and dropped."""

    status: int
    headers: dict[str, str]


class _Broken(Exception):
    """The connection ended; `clean` when nothing of an answer had come."""

    def __init__(self, *, clean: bool) -> None:
        super().__init__("connection lost")
        self.clean = clean


class HttpClient:
    """Send GETs to one URL.

    :param url: http only.
    :param headers: sent with each request; `Host` overrides the URL's.
    :param timeout_seconds: bounds one request, connecting included.
    """

    def __init__(
        self, url: str, *, headers: dict[str, str] | None = None, timeout_seconds: float = 10.0
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"an http URL is needed, found {url!r}")
        self._host, self._port = parts.hostname, parts.port or 80
        self._timeout_seconds = timeout_seconds
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {"Host": parts.netloc, "User-Agent": "airflow-rollout-lab", **(headers or {})}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items())]
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self._idle: list[_Connection] = []

    async def get(self) -> RawAnswer:
        """Send one request and return its answer; `NoAnswer` otherwise."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._get()
        except (OSError, TimeoutError, ValueError, _Broken) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error

    def close(self) -> None:
        """Close the idle connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _get(self) -> RawAnswer:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                # A server may close an idle connection at the moment it is used again. That is
                # no failed request: the server has not seen it.
                with contextlib.suppress(_StaleConnection):
                    return await self._exchange(connection, reused=True)
        loop = asyncio.get_running_loop()
        _, fresh = await loop.create_connection(_Connection, self._host, self._port)
        return await self._exchange(fresh, reused=False)

    async def _exchange(self, connection: _Connection, *, reused: bool) -> RawAnswer:
        try:
            answer = await connection.exchange(self._request)
        except _Broken as error:
            if reused and error.clean:
                raise _StaleConnection from error
            raise
        except BaseException:
            connection.close()
            raise
        if connection.is_open:
            self._idle.append(connection)
        return answer


class _StaleConnection(Exception):
    """A kept connection was closed by the server before it took the request."""


class _Connection(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: asyncio.Future[RawAnswer] | None = None
        self._head: RawAnswer | None = None
        self._closes = False

    @property
    def is_open(self) -> bool:
        """Tell whether another request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to send."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def connection_lost(self, _exc: Exception | None) -> None:
        """Fail the request that waits."""
        self._transport = None
        self._fail(_Broken(clean=self._head is None and not self._buffer))

    def close(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    async def exchange(self, request: bytes) -> RawAnswer:
        """Send a request and wait for the whole answer."""
        if self._transport is None:
            raise _Broken(clean=True)
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer."""
        self._buffer += data
        try:
            self._advance()
        except ValueError as error:
            self._fail(error)
            self.close()

    def _advance(self) -> None:
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = _parse_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
        length = self._body_length(self._head)
        if length is None:
            return
        answer, self._head = self._head, None
        del self._buffer[:length]
        if answer.headers.get("connection", "").lower() == "close" or self._buffer:
            self.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)

    def _body_length(self, head: RawAnswer) -> int | None:
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            return _chunked_length(self._buffer)
        length = int(head.headers.get("content-length", "0"))
        return length if len(self._buffer) >= length else None

    def _fail(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)


def _parse_head(head: bytes) -> RawAnswer:
    status_line, *fields = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for field in fields:
        name, _, text = field.partition(":")
        headers[name.strip().lower()] = text.strip()
    return RawAnswer(status=int(status_line.split(" ", 2)[1]), headers=headers)


def _chunked_length(buffer: bytearray) -> int | None:
    """Return the length of a whole chunked body without trailers, None while it is incomplete."""
    at = 0
    while (end := buffer.find(b"\r\n", at)) >= 0:
        size = int(bytes(buffer[at:end]).split(b";")[0], 16)
        at = end + 2 + size + 2
        if len(buffer) < at:
            return None
        if size == 0:
            return at
    return None
