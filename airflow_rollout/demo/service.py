"""A small HTTP service with chosen faults: `python -m airflow_rollout.demo.service --port 9001`.

Every answer names the version, in the header `X-Version` and in the body. `/healthz` and `/` are
for probes: they answer at once, have no faults and do not count as routed requests. Users' paths
are all others.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Faults", "Service", "main", "serve"]

HEALTH_PATHS = frozenset({"/healthz", "/"})
# What a crashing service would exit with; nothing reads it but a person in a log.
_CRASH_EXIT_CODE = 70
# A request head is a few hundred bytes; a client that sends more is not one of the lab's.
_MAX_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What is wrong with a version.

    :param error_rate: share of requests answered with 500, between 0 and 1.
    :param latency_ms: how much longer every request takes.
    :param exit_after_seconds: the process dies this long after its first routed request.
    :param seed: which requests fail; the same seed fails the same ones.
    """

    error_rate: float = 0.0
    latency_ms: float = 0.0
    exit_after_seconds: float | None = None
    seed: int = 1


class Service:
    """One version of a service: decides each answer, knows no sockets."""

    def __init__(self, version: str, faults: Faults) -> None:
        self.version = version
        self.faults = faults
        self._random = random.Random(faults.seed)  # noqa: S311
        self._answers = {status: self._answer(status) for status in (200, 400, 500)}

    def routed(self) -> bytes:
        """Return the whole answer to the next routed request."""
        fails = self._random.random() < self.faults.error_rate
        return self._answers[500 if fails else 200]

    def health(self) -> bytes:
        """Return the whole answer to a health check."""
        return self._answers[200]

    def bad_request(self) -> bytes:
        """Return the whole answer to what is no HTTP request."""
        return self._answers[400]

    def _answer(self, status: int) -> bytes:
        reason = {200: "OK", 400: "Bad Request", 500: "Internal Server Error"}[status]
        body = json.dumps({"version": self.version, "status": status}).encode() + b"\n"
        head = (
            f"HTTP/1.1 {status} {reason}\r\n"
            f"X-Version: {self.version}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode("latin-1") + body


class _Connection(asyncio.Protocol):
    """Answer one keep-alive connection, one request after the other."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._buffer = bytearray()
        self._skip = 0
        self._waiting: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the answer that nobody waits for any more."""
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        self._buffer += data
        self._advance()

    def _advance(self) -> None:
        while self._waiting is None:
            skipped = min(self._skip, len(self._buffer))
            del self._buffer[:skipped]
            self._skip -= skipped
            end = self._buffer.find(b"\r\n\r\n")
            if self._skip or end < 0:
                if len(self._buffer) > _MAX_HEAD_BYTES:
                    self._refuse()
                return
            head = bytes(self._buffer[:end])
            del self._buffer[: end + 4]
            try:
                path, self._skip, close = _parse(head)
            except ValueError:
                self._refuse()
                return
            self._respond(path, close=close)

    def _respond(self, path: str, *, close: bool) -> None:
        if path.partition("?")[0] in HEALTH_PATHS:
            self._write(self._service.health(), close=close)
            return
        loop = asyncio.get_running_loop()
        _crash_later(loop, self._service.faults)
        answer = self._service.routed()
        delay = self._service.faults.latency_ms / 1000
        if delay <= 0:
            self._write(answer, close=close)
        else:
            self._waiting = loop.call_later(delay, self._write_late, answer, close)

    def _write_late(self, answer: bytes, close: bool) -> None:
        self._waiting = None
        self._write(answer, close=close)
        self._advance()

    def _write(self, answer: bytes, *, close: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(answer)
        if close:
            self._transport.close()

    def _refuse(self) -> None:
        self._buffer.clear()
        self._write(self._service.bad_request(), close=True)


def _parse(head: bytes) -> tuple[str, int, bool]:
    """Return path, length of the body and whether the client wants to close; else ValueError."""
    request, *fields = head.decode("latin-1").split("\r\n")
    _method, path, protocol = request.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in
               (field.partition(":") for field in fields)}  # fmt: skip
    length = int(headers.get("content-length", "0"))
    if length < 0 or "transfer-encoding" in headers:
        raise ValueError(head)
    connection = headers.get("connection", "").lower()
    close = connection == "close" or (protocol == "HTTP/1.0" and connection != "keep-alive")
    return path, length, close


_crashing: list[asyncio.TimerHandle] = []


def _crash_later(loop: asyncio.AbstractEventLoop, faults: Faults) -> None:
    if faults.exit_after_seconds is None or _crashing:
        return
    # Not an orderly end: connections break as they do when a process is killed.
    _crashing.append(loop.call_later(faults.exit_after_seconds, os._exit, _CRASH_EXIT_CODE))


async def serve(service: Service, port: int, *, host: str = "127.0.0.1") -> None:
    """Serve until cancelled; says on standard output where it listens."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(service), host, port)
    address = server.sockets[0].getsockname()
    print(f"{service.version} listens on http://{address[0]}:{address[1]}", flush=True)
    await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one version of the service until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m airflow_rollout.demo.service")
    parser.add_argument("--host", default="127.0.0.1", help="in a container: 0.0.0.0")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--version", default="v1")
    parser.add_argument("--error-rate", type=_share, default=0.0, metavar="SHARE")
    parser.add_argument("--latency-ms", type=_not_negative, default=0.0)
    parser.add_argument("--exit-after-seconds", type=_not_negative)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    faults = Faults(
        error_rate=options.error_rate,
        latency_ms=options.latency_ms,
        exit_after_seconds=options.exit_after_seconds,
        seed=options.seed,
    )
    asyncio.run(serve(Service(options.version, faults), options.port, host=options.host))
    return 0


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("a share is between 0 and 1")
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
