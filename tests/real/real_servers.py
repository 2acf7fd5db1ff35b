"""Real servers for the tests of this folder: Traefik, Prometheus and small backends."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from airflow_rollout.hooks.connection import ConnectionInfo, parse_connection
from airflow_rollout.release import Arm

START_SECONDS = 30.0


def find_binary(name: str) -> str | None:
    """Return a program from the PATH, or from beside this Python."""
    beside = Path(sys.executable).parent / name
    return shutil.which(name) or (str(beside) if beside.exists() else None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """One child process on loopback with a page that says when it is ready."""

    def __init__(self, command: list[str], ready_url: str, log: Path) -> None:
        self._command = command
        self._ready_url = ready_url
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        end = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"{self._command[0]} did not start: {self._log.read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(self._ready_url, timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


ProgramT = TypeVar("ProgramT", bound=Program)


class Traefik(Program):
    """A Traefik that watches a directory of its own."""

    def __init__(self, home: Path, binary: str) -> None:
        self.directory = home / "dynamic"
        self.directory.mkdir()
        web, api = free_port(), free_port()
        self.web_url = f"http://127.0.0.1:{web}"
        self.api_url = f"http://127.0.0.1:{api}"
        self.target = f"127.0.0.1:{api}"
        config = home / "traefik.yml"
        config.write_text(
            json.dumps(
                {
                    "entryPoints": {
                        "web": {"address": f"127.0.0.1:{web}"},
                        "traefik": {"address": f"127.0.0.1:{api}"},
                    },
                    "providers": {
                        "providersThrottleDuration": "0s",
                        "file": {"directory": str(self.directory), "watch": True},
                    },
                    "api": {"insecure": True},
                    "ping": {},
                    "metrics": {"prometheus": {"buckets": [0.005, 0.1, 0.4, 1.0]}},
                    "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
                }
            )
        )
        command = [binary, f"--configFile={config}"]
        super().__init__(command, f"{self.api_url}/ping", home / "traefik.log")

    @property
    def connection(self) -> ConnectionInfo:
        extra = {"directory": str(self.directory)}
        return ConnectionInfo(
            conn_id="traefik", conn_type="traefik", host=self.api_url, extra=extra
        )


class Prometheus(Program):
    """A Prometheus that scrapes one target, four times a second if nobody says otherwise."""

    def __init__(
        self, home: Path, binary: str, target: str, *, every_milliseconds: int = 250
    ) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        config = home / "prometheus.yml"
        config.write_text(
            json.dumps(
                {
                    "global": {
                        "scrape_interval": f"{every_milliseconds}ms",
                        "scrape_timeout": f"{every_milliseconds * 4 // 5}ms",
                    },
                    "scrape_configs": [
                        {"job_name": "traefik", "static_configs": [{"targets": [target]}]}
                    ],
                }
            )
        )
        command = [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        super().__init__(command, f"{self.url}/-/ready", home / "prometheus.log")

    @property
    def connection(self) -> ConnectionInfo:
        return parse_connection("prometheus", self.url)


@contextmanager
def running(program: ProgramT) -> Iterator[ProgramT]:
    """Start a program and end it whatever happens."""
    try:
        program.start()
        yield program
    finally:
        program.stop()


def needed(name: str, otherwise: str) -> str:
    """Return a program's path, or skip the test and say what is missing.

    :raises pytest.fail.Exception: `ROLLOUT_REQUIRE_REAL` is set, as in CI: nothing may be missing.
    """
    binary = find_binary(name)
    if binary is not None:
        return binary
    missing = f"needs {name} on the PATH, or {otherwise}"
    if os.environ.get("ROLLOUT_REQUIRE_REAL", "0") not in {"", "0"}:
        pytest.fail(f"{missing}; ROLLOUT_REQUIRE_REAL is set", pytrace=False)
    pytest.skip(missing)


@asynccontextmanager
async def backend(version: str) -> AsyncIterator[Arm]:
    """Serve one version: it answers its name, and 500 on a path that ends in /fail."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                status = 500 if head.split(b" ")[1].endswith(b"/fail") else 200
                body = version.encode()
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield Arm(version=version, target=f"http://127.0.0.1:{port}")
    finally:
        listening.close()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 15.0) -> None:
    """Wait until something is true; say so if it does not become true."""
    end = time.monotonic() + seconds
    for _ in range(int(seconds / 0.02)):
        if await condition():
            return
        if time.monotonic() > end:
            break
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {seconds:g} s")


async def request(url: str, count: int, path: str = "/") -> Counter[tuple[int, str]]:
    """Send requests one after the other; return how often each status and body came."""
    found: Counter[tuple[int, str]] = Counter()
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
        for _ in range(count):
            answer = await client.get(path)
            found[answer.status_code, answer.text.strip()] += 1
    return found
