"""A release that tells people how it ended; the tests say what must have come of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from planted import SECRETS
from scene import BROKEN, Scene

__all__ = ["NEWS", "receivers"]

# What a receiver that hangs makes its callers wait.
_HANG_SECONDS = 30.0

_KEEPS, _HANGS = "/keeps", "/hangs"

_got: list[dict[str, Any]] = []


@contextmanager
def receivers() -> Iterator[dict[str, str]]:
    """Run the receivers of news and yield the Airflow connections that lead to them."""
    closing = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == _HANGS:
                closing.wait(_HANG_SECONDS)
            _got.append({"path": self.path, "at": time.time(), **json.loads(body)})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        connection = {
            "conn_type": "http", "host": f"http://127.0.0.1:{server.server_port}",
            "login": SECRETS[0], "password": SECRETS[1],
        }  # fmt: skip
        try:
            yield {"news": json.dumps(connection)}
        finally:
            closing.set()
            server.shutdown()


def news(scene: Scene) -> dict[str, Any]:
    """A bad version, whose end goes to a receiver that keeps it and to one that hangs."""
    scene.given_stable("v1")
    scene.given_version("v2", **BROKEN)
    ended = scene.over(scene.start("v2", interval="5s"))
    return {
        "ended": ended,
        "reached": scene.reached_after_verdict(ended, "v2"),
        "got": [{**it} for it in _got if it["path"] == _KEEPS],
        "log": scene.api.task_log(ended.run.dag_id, ended.run.run_id, "rollback"),
    }


NEWS: dict[str, Callable[[Scene], dict[str, Any]]] = {"news": news}
