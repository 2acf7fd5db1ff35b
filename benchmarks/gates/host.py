"""What a triggerer process talks to: its supervisor, and an HTTP server that is everything else."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

__all__ = ["Server", "Supervisor"]

_LENGTH_BYTES = 4


class Server:
    """Answer queries as Prometheus does, the router's API as Traefik does, and health probes.

    `asked` is when each query came, in monotonic seconds, with its text. While it `is_dead` probes
    get an error.
    """

    def __init__(self, *, weight: int) -> None:
        self.asked: list[tuple[float, str]] = []
        self.probes = 0
        self.is_dead = False
        # Held here: a listening server that nobody holds may be collected.
        self._listening: asyncio.Server | None = None
        self._live = json.dumps(
            {"status": "enabled", "weighted": {"services": [
                {"name": "-stable", "weight": 100 - weight}, {"name": "-canary", "weight": weight},
            ]}}
        )  # fmt: skip

    async def listen(self) -> str:
        """Begin to answer and return the address."""
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096)
        return f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = self._answer(head.split(b" ", 2)[1].decode()).encode()
                status = "503 Service Unavailable" if self.is_dead else "200 OK"
                lines = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(lines.encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, url: str) -> str:
        path = urlsplit(url).path
        if path == "/api/v1/query":
            asked = parse_qs(urlsplit(url).query)
            self.asked.append((time.monotonic(), asked["query"][0]))
            value = [float(asked["time"][0]), "1"]
            result = [{"metric": {}, "value": value}]
            return json.dumps(
                {"status": "success", "data": {"resultType": "vector", "result": result}}
            )
        if path.startswith("/api/http/services/"):
            service = path.rpartition("/")[2].removesuffix("@file")
            return self._live.replace('"name": "', f'"name": "{service}')
        self.probes += 1
        return "well"


class Supervisor:
    """Hand triggers to the runner, answer for Airflow, and keep what the runner reports.

    `gates` are the runs whose gate has saved something, `ended` the triggers that are over with the
    monotonic seconds at which the runner said so.

    :param triggers: the workloads, as Airflow writes them for its runner.
    :param connections: id -> a connection's fields.
    """

    def __init__(
        self, triggers: list[dict[str, Any]], connections: Mapping[str, dict[str, Any]]
    ) -> None:
        self._triggers = triggers
        self._connections = connections
        self.said: Counter[str] = Counter()
        self.ended: dict[int, float] = {}
        self.gates: set[str] = set()
        self._awaited = 0
        self._began = asyncio.Event()

    async def serve(self, ours: socket.socket) -> None:
        """Answer the runner until it closes its side."""
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(_frame(0, {"type": "StartTriggerer"}))
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "big")
                number, body, *_ = msgspec.msgpack.decode(await reader.readexactly(length))
                writer.write(_frame(number, self._answer(body)))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def all_began(self, count: int) -> None:
        """Return when that many gates have saved something."""
        self._awaited = count
        if len(self.gates) < count:
            await self._began.wait()

    def _answer(self, message: dict[str, Any]) -> dict[str, Any] | None:
        kind = message["type"]
        self.said[kind] += 1
        if kind == "TriggerStateChanges":
            for number in message.get("finished") or ():
                self.ended[number] = time.monotonic()
            given, self._triggers = self._triggers, []
            return {"type": "TriggerStateSync", "to_create": given, "to_cancel": []}
        if kind == "GetConnection":
            return {"type": "ConnectionResult", **self._connections[message["conn_id"]]}
        if kind == "GetXCom":
            return {"type": "XComResult", "key": message["key"], "value": None}
        if kind == "SetXCom":
            self.gates.add(message["run_id"])
            if len(self.gates) == self._awaited:
                self._began.set()
        return None


def _frame(number: int, body: dict[str, Any] | None) -> bytes:
    """Return an answer as Airflow's processes send them to each other."""
    content = msgspec.msgpack.encode((number, body, None))
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content
