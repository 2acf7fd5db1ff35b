"""Both arms in the last seconds, as JSON over HTTP: what the gates of the demo ask.

`GET /arms/canary` and `GET /arms/stable`; a number that is not known is null.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from airflow_rollout.demo.answers import Answer
from airflow_rollout.demo.recent import ArmNow, RecentAnswers

__all__ = ["ArmsPage"]

_ARMS = ("stable", "canary")


class ArmsPage:
    """Serve the numbers of two versions on loopback."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._recent = RecentAnswers()
        self._versions = _ARMS
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Return the page's address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Answer no more; only for one that was started."""
        self._server.shutdown()
        self._server.server_close()

    def compare(self, *, stable: str, canary: str) -> None:
        """Say which versions the two arms are from now on."""
        with self._lock:
            self._versions = (stable, canary)

    def take(self, answers: list[Answer]) -> None:
        """Take new answers in."""
        with self._lock:
            self._recent.add(answers)

    def arm(self, name: str) -> dict[str, Any] | None:
        """Return an arm's numbers, None for one that there is not."""
        if name not in _ARMS:
            return None
        with self._lock:
            arms = self._recent.arms(*self._versions, now=self._clock())
        return _numbers(arms[_ARMS.index(name)])


def _numbers(arm: ArmNow) -> dict[str, Any]:
    return {
        "version": arm.version,
        "requests_per_second": arm.per_second,
        "error_share": arm.error_share,
        "p90_seconds": None if arm.p90_ms is None else arm.p90_ms / 1000.0,
    }


def _handler(page: ArmsPage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body go out one after the other, and the second would wait for an answer.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            found = page.arm(self.path.removeprefix("/arms/"))
            body = json.dumps(found).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
