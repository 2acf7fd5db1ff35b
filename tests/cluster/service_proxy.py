"""What answers at a Service's address on the tests' node, which has no kube-proxy.

That would change the machine's rules for packets. Here the address is put on the node's bridge, and
whoever connects gets a connection to one of the pods that are ready behind the Service, at random:
what kube-proxy does, in a program.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import threading
from typing import Any

from admin import Admin
from node_part import BRIDGE

from airflow_rollout.demo.part import Part

__all__ = ["ServiceProxy"]

_LOOK_SECONDS = 0.1
_CONNECT_SECONDS = 1.0
_END_SECONDS = 15.0


class ServiceProxy(Part):
    """Stand in for one Service, from the moment somebody makes it."""

    def __init__(self, admin: Admin, namespace: str, name: str) -> None:
        self._admin = admin
        self._namespace = namespace
        self._name = name
        self._pods: list[tuple[str, int]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._ended = threading.Event()
        self._address = ""

    def come_up(self) -> None:
        self._thread.start()
        self._task = asyncio.run_coroutine_threadsafe(self._run(), self._loop)

    def close(self) -> None:
        self._ended.set()
        self._task.result(_END_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_END_SECONDS)
        if self._address:
            _ip("addr", "del", f"{self._address}/32", "dev", BRIDGE)

    async def _run(self) -> None:
        service = await asyncio.to_thread(self._until_made)
        if service is None:
            return
        self._address = service["spec"]["clusterIP"]
        _ip("addr", "add", f"{self._address}/32", "dev", BRIDGE)
        port = service["spec"]["ports"][0]["port"]
        async with await asyncio.start_server(self._serve, self._address, port, backlog=512):
            while not self._ended.is_set():
                # Nobody can be asked for a moment, or the namespace is gone: as it was.
                with contextlib.suppress(OSError):
                    self._pods = await asyncio.to_thread(self._ready)
                await asyncio.sleep(_LOOK_SECONDS)
        await self._drop_connections()

    async def _drop_connections(self) -> None:
        mine = asyncio.all_tasks() - {asyncio.current_task()}
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)

    def _until_made(self) -> dict[str, Any] | None:
        while not self._ended.wait(_LOOK_SECONDS):
            with contextlib.suppress(OSError):
                found = self._admin.get("Service", self._name, self._namespace)
                if found is not None:
                    return found
        return None

    def _ready(self) -> list[tuple[str, int]]:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self._namespace}/endpointslices"
        query = f"?labelSelector=kubernetes.io/service-name%3D{self._name}"
        found = json.loads(self._admin.ask("GET", path + query))
        return [
            (address, one["ports"][0]["port"])
            for one in found["items"]
            for endpoint in one.get("endpoints") or []
            if endpoint["conditions"].get("ready")
            for address in endpoint["addresses"]
        ]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, IndexError), contextlib.closing(writer):
            host, port = random.choice(self._pods)
            async with asyncio.timeout(_CONNECT_SECONDS):
                there, back = await asyncio.open_connection(host, port)
            with contextlib.closing(back):
                request = asyncio.create_task(_copy(reader, back))
                await _copy(there, writer)
                request.cancel()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=False)
